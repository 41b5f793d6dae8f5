package blob

import (
	"cmp"
	"iter"
	"slices"
	"strings"
)

// Listed are the entries of one listing of all levels, in the order of their keys, with empty
// directories. Other listings can be answered from them.
type Listed []Info

// List yields what a listing of a store with these entries alone would: see [Reader].
func (l Listed) List(prefix string, opts ListOptions) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		i, _ := l.search(max(prefix, opts.After))
		last, n := "", 0
		for ; i < len(l) && strings.HasPrefix(l[i].Key, prefix); i++ {
			info := l[i]
			if name, _, below := strings.Cut(info.Key[len(prefix):], "/"); below && opts.Delimited {
				info = Info{Key: prefix + name + "/"}
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

// Has reports whether there is an entry with a key.
func (l Listed) Has(key string) bool {
	_, found := l.search(key)
	return found
}

// StandsAbove reports whether an object stands in the place of a directory of the prefix: the store has to
// say what that means.
func (l Listed) StandsAbove(prefix string) bool {
	for i, c := range prefix {
		if c == '/' && l.Has(prefix[:i]) {
			return true
		}
	}
	return false
}

func (l Listed) search(key string) (int, bool) {
	return slices.BinarySearchFunc(l, key, func(info Info, key string) int { return cmp.Compare(info.Key, key) })
}
