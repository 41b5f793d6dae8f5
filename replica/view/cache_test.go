package view_test

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/internal/testreplica"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/restore"
	"github.com/replctl/replicate/replica/view"
)

// opens counts the reads of objects.
type opens struct {
	blob.Store
	n atomic.Int64
}

func (o *opens) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	o.n.Add(1)
	return o.Store.Open(ctx, key, offset, length)
}

func (o *opens) KeepsModTime() bool { return true }

func cachedReplica(t testing.TB, name string) (*opens, *replica.Client) {
	t.Helper()
	store := &opens{Store: testreplica.Store(t, name)}
	return store, replica.NewClient("memory", ltx.LayoutFile,
		func(context.Context) (blob.Store, error) { return store, nil })
}

func openCache(t testing.TB, dir string, most int64) *view.Cache {
	t.Helper()
	c, err := view.OpenCache(dir, most)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func content(t testing.TB, v *view.View) []byte {
	t.Helper()
	b, err := io.ReadAll(io.NewSectionReader(v, 0, v.Size()))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// cacheFiles are the files below a directory.
func cacheFiles(t testing.TB, dir string) (paths []string, size int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			paths, size = append(paths, path), size+info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths, size
}

// TestCache: what one view has read, the next one does not read again. What is damaged in
// the cache is read from the store.
func TestCache(t *testing.T) {
	for _, name := range []string{"v0.5", "v0.3"} {
		store, c := cachedReplica(t, name)
		dir := t.TempDir()
		opts := view.Options{Cache: openCache(t, dir, 64<<20), Replica: "memory:" + name}
		want := restored(t, c, restore.Target{})

		first := open(t, c, restore.Target{}, opts)
		if got := content(t, first); !bytes.Equal(got, want) {
			t.Fatalf("%s: the first view differs", name)
		}
		before := store.n.Load()
		opts.Cache = openCache(t, dir, 64<<20) // as another process
		warm := open(t, c, restore.Target{}, opts)
		if got := content(t, warm); !bytes.Equal(got, want) {
			t.Errorf("%s: the warm view differs", name)
		}
		if n := store.n.Load() - before; n > 0 {
			t.Errorf("%s: %d reads of objects with a warm cache", name, n)
		}
		if s := warm.Stats(); s.Bytes > 0 || s.Requests > 2 {
			t.Errorf("%s: %+v", name, s)
		}

		paths, _ := cacheFiles(t, dir)
		for i, path := range paths {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			b[(i*7919)%len(b)] ^= 1 << (i % 8)
			if err := os.WriteFile(path, b[:len(b)-i%2], 0o600); err != nil {
				t.Fatal(err)
			}
		}
		opts.Cache = openCache(t, dir, 64<<20)
		if got := content(t, open(t, c, restore.Target{}, opts)); !bytes.Equal(got, want) {
			t.Errorf("%s: the view over a damaged cache differs", name)
		}
	}
}

// TestCacheOfAnother: an object of the same key and size in another replica, or a new version
// of it, is not taken for the cached one.
func TestCacheOfAnother(t *testing.T) {
	dir := t.TempDir()
	store, c := cachedReplica(t, "v0.5")
	opts := view.Options{Cache: openCache(t, dir, 64<<20), Replica: "memory:a"}
	content(t, open(t, c, restore.Target{}, opts))

	opts.Replica = "memory:b"
	before := store.n.Load()
	content(t, open(t, c, restore.Target{}, opts))
	if store.n.Load() == before {
		t.Error("the cache of one replica was used for another")
	}
	opts.Replica = ""
	if _, err := view.Open(t.Context(), c, restore.Target{}, opts); err == nil {
		t.Error("a cache was used without the name of the replica")
	}
}

// TestCacheBound: a cache stays within its limit, with several writers.
func TestCacheBound(t *testing.T) {
	dir := t.TempDir()
	_, c := cachedReplica(t, "v0.5")
	want := restored(t, c, restore.Target{})
	const most = 24 << 10
	var wg sync.WaitGroup
	for i := range 4 {
		opts := view.Options{Cache: openCache(t, dir, most), Replica: "memory:" + strings.Repeat("x", i)}
		if i == 3 {
			opts.Replica = "memory:"
		}
		wg.Go(func() {
			v, err := view.Open(t.Context(), c, restore.Target{}, opts)
			if err != nil {
				t.Error(err)
				return
			}
			defer v.Close()
			got, err := io.ReadAll(io.NewSectionReader(v, 0, v.Size()))
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("the view differs: %v", err)
			}
		})
	}
	wg.Wait()
	if _, size := cacheFiles(t, dir); size > most+4*most/16 {
		t.Errorf("%d bytes in a cache of at most %d", size, most)
	}
	for _, bad := range []struct {
		dir  string
		most int64
	}{{"", 1}, {dir, 0}, {dir, -1}} {
		if _, err := view.OpenCache(bad.dir, bad.most); err == nil {
			t.Errorf("opened a cache %+v", bad)
		}
	}
}
