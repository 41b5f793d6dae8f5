package fleet

import (
	"context"
	"io"
	"iter"
	"strings"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/v3compat"
)

// page is how many names one request lists: as many as S3 gives.
const page = 1000

// names is a store whose listings are of names that were listed before, once.
type names struct {
	blob.Store
	infos blob.Listed
	whole bool // they are all that there is
}

// listNames lists a replica: all of it, if that takes one request, else the ends of its levels.
func listNames(ctx context.Context, store blob.Store) (*names, error) {
	infos, err := listPage(ctx, store, "", "")
	if err != nil {
		return nil, err
	}
	n := &names{Store: store, infos: infos, whole: len(infos) < page}
	if !n.whole {
		n.infos, err = listEnds(ctx, store)
	}
	return n, err
}

// listPage lists the names below a prefix and after a key, up to a page of them.
func listPage(ctx context.Context, store blob.Reader, prefix, after string) (infos []blob.Info, err error) {
	for info, err := range store.List(ctx, prefix, blob.ListOptions{After: after, Limit: page, EmptyDirs: true}) {
		if err != nil {
			return nil, err
		}
		infos = append(infos, info)
	}
	return infos, nil
}

// List implements [blob.Reader].
func (n *names) List(ctx context.Context, prefix string, opts blob.ListOptions) iter.Seq2[blob.Info, error] {
	if n.infos.StandsAbove(prefix) {
		return n.Store.List(ctx, prefix, opts)
	}
	return n.infos.List(prefix, opts)
}

// KeepsModTime implements [blob.ModTimeKeeper].
func (n *names) KeepsModTime() bool { return keepsModTime(n.Store) }

func keepsModTime(s blob.Store) bool {
	k, ok := s.(blob.ModTimeKeeper)
	return ok && k.KeepsModTime()
}

// foreign reports whether there are objects in the directories of a replica.
func (n *names) foreign() bool {
	for _, info := range n.infos {
		root, _, _ := strings.Cut(info.Key, "/")
		if replica.IsFormatRoot(root+"/") && !info.IsPrefix() {
			return true
		}
	}
	return false
}

// belongs reports whether a key is that of an object of a replica.
func belongs(key string) bool {
	if _, _, _, _, err := ltx.ParseKey(key); err == nil {
		return true
	}
	return v3compat.IsObjectKey(key)
}

// below is a store whose root is a directory of another one: "" or "a/b/".
func below(store blob.Store, dir string) blob.Store {
	if dir == "" {
		return store
	}
	return &directory{store, dir}
}

type directory struct {
	store blob.Store
	dir   string
}

func (d *directory) KeepsModTime() bool { return keepsModTime(d.store) }

func (d *directory) List(ctx context.Context, prefix string, opts blob.ListOptions) iter.Seq2[blob.Info, error] {
	if opts.After != "" {
		opts.After = d.dir + opts.After
	}
	return func(yield func(blob.Info, error) bool) {
		for info, err := range d.store.List(ctx, d.dir+prefix, opts) {
			info.Key = strings.TrimPrefix(info.Key, d.dir)
			if !yield(info, err) {
				return
			}
		}
	}
}

func (d *directory) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	return d.store.Open(ctx, d.dir+key, offset, length)
}

func (d *directory) Stat(ctx context.Context, key string) (blob.Info, error) {
	info, err := d.store.Stat(ctx, d.dir+key)
	info.Key = strings.TrimPrefix(info.Key, d.dir)
	return info, err
}

func (d *directory) Write(ctx context.Context, key string, r io.Reader, opts blob.WriteOptions) (blob.Info, error) {
	info, err := d.store.Write(ctx, d.dir+key, r, opts)
	info.Key = strings.TrimPrefix(info.Key, d.dir)
	return info, err
}

func (d *directory) Delete(ctx context.Context, keys []string) error {
	full := make([]string, len(keys))
	for i, key := range keys {
		full[i] = d.dir + key
	}
	return d.store.Delete(ctx, full)
}

var _ replica.Source = source{}
