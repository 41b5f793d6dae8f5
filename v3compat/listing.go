package v3compat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"slices"
	"strings"

	"github.com/replctl/replicate/blob"
)

// NamesOnly reads a backup of which nothing is there but the names, the sizes and the times
// of its objects: to find out what could be restored from them.
func NamesOnly(generations ...*Generation) *Reader {
	var l listing
	for _, g := range generations {
		for _, o := range g.All() {
			l = append(l, blob.Info{Key: o.Key, Size: o.Size, ModTime: o.At})
		}
	}
	slices.SortFunc(l, func(a, b blob.Info) int { return strings.Compare(a.Key, b.Key) })
	return New(l)
}

// listing is a blob.Reader of objects that cannot be read.
type listing []blob.Info

// List implements [blob.Reader].
func (l listing) List(_ context.Context, prefix string, opts blob.ListOptions) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		last := ""
		for _, info := range l {
			rest, ok := strings.CutPrefix(info.Key, prefix)
			if !ok || info.Key <= opts.After {
				continue
			}
			if segment, _, deeper := strings.Cut(rest, "/"); opts.Delimited && deeper {
				info = blob.Info{Key: prefix + segment + "/"}
			}
			if info.Key != last && !yield(info, nil) {
				return
			}
			last = info.Key
		}
	}
}

// unknown stands for a store that nobody has given: nothing is said of it, not even that it
// is empty.
type unknown struct{ listing }

var errNoStore = errors.New("no store given to read a backup from")

func (unknown) List(context.Context, string, blob.ListOptions) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) { yield(blob.Info{}, errNoStore) }
}

func (unknown) Open(context.Context, string, int64, int64) (io.ReadCloser, error) {
	return nil, errNoStore
}

// Open implements [blob.Reader].
func (listing) Open(_ context.Context, key string, _, _ int64) (io.ReadCloser, error) {
	return nil, fmt.Errorf("open %s: %w", key, fs.ErrNotExist)
}

// Stat implements [blob.Reader].
func (listing) Stat(_ context.Context, key string) (blob.Info, error) {
	return blob.Info{}, fmt.Errorf("stat %s: %w", key, fs.ErrNotExist)
}
