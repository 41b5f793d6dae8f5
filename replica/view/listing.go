package view

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"strings"
	"sync"

	"github.com/replctl/replicate/blob"
)

// flatLimit is how many entries of a replica are listed at once: those that come with one
// request.
const flatLimit = listPage

// listing answers the listings that a plan needs from one listing of all levels, where a
// replica has few enough objects. It is of one moment: the entries of a plan made from it
// were there together.
type listing struct {
	once    sync.Once
	entries []blob.Info // in the order of their keys
	whole   bool        // there are no more

	mu    sync.Mutex
	given map[listed]bool // that were answered
}

// listed is what was asked for.
type listed struct {
	prefix string
	opts   blob.ListOptions
}

// answers reports whether it can answer a listing. It does so once: whoever
// lists again wants to know what has changed. Where an object stands in the place of a
// directory, the store has to say what that means.
func (l *listing) answers(ctx context.Context, t *tap, prefix string, opts blob.ListOptions) bool {
	if l.load(ctx, t); !l.whole {
		return false
	}
	for i, c := range prefix {
		if c != '/' {
			continue
		}
		if _, found := l.search(prefix[:i]); found {
			return false
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.given == nil {
		l.given = map[listed]bool{}
	}
	again := l.given[listed{prefix, opts}]
	l.given[listed{prefix, opts}] = true
	return !again
}

// search is where a key is, or would be, among the entries.
func (l *listing) search(key string) (int, bool) {
	return slices.BinarySearchFunc(l.entries, key, func(info blob.Info, key string) int {
		return cmp.Compare(info.Key, key)
	})
}

// load lists the replica, once. An error is left to the listing that is asked for.
func (l *listing) load(ctx context.Context, t *tap) {
	l.once.Do(func() {
		t.requests.Add(1)
		opts := blob.ListOptions{EmptyDirs: true, Limit: flatLimit}
		for info, err := range t.Store.List(ctx, "", opts) {
			if err != nil {
				return
			}
			t.saw(info)
			l.entries = append(l.entries, info)
		}
		l.whole = len(l.entries) < flatLimit
	})
}

// list yields what a listing of a prefix has.
func (l *listing) list(prefix string, opts blob.ListOptions) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		i, _ := l.search(prefix)
		last, n := "", 0
		for ; i < len(l.entries) && strings.HasPrefix(l.entries[i].Key, prefix); i++ {
			info := l.entries[i]
			if name, _, below := strings.Cut(info.Key[len(prefix):], "/"); below && opts.Delimited {
				info = blob.Info{Key: prefix + name + "/"}
			}
			isHidden := info.IsPrefix() && !opts.Delimited && !opts.EmptyDirs
			if isHidden || info.Key <= opts.After || info.Key == last || info.Key == prefix {
				continue
			}
			last = info.Key
			if n++; !yield(info, nil) || n == opts.Limit {
				return
			}
		}
	}
}
