package view

import (
	"context"
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
	entries blob.Listed
	whole   bool // there are no more

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
	if l.entries.StandsAbove(prefix) {
		return false
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
