package v3compat

import (
	"bytes"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/pierrec/lz4/v4"

	"github.com/replctl/replicate/blob"
)

// realReplica returns a store with the backup that Litestream v0.3.13 wrote. Its
// objects have the time at which the test began, as after a git clone.
func realReplica(t testing.TB) *blob.Memory {
	t.Helper()
	store := blob.NewMemory()
	root := os.DirFS("../testdata/v0.3/replica")
	err := fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(root, path)
		if err == nil {
			put(t, store, path, data)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func put(t testing.TB, store blob.Store, key string, data []byte) {
	t.Helper()
	putAt(t, store, key, data, time.Time{})
}

func putAt(t testing.TB, store blob.Store, key string, data []byte, at time.Time) {
	t.Helper()
	if _, err := store.Write(t.Context(), key, bytes.NewReader(data), blob.WriteOptions{ModTime: at}); err != nil {
		t.Fatal(err)
	}
}

// compress returns data as an LZ4 frame, the way Litestream v0.3.x makes it.
func compress(t testing.TB, data []byte, opts ...lz4.Option) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := lz4.NewWriter(&buf)
	if err := w.Apply(opts...); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// realNames yields the names that Litestream gave, in one directory of each
// generation, and the objects.
func realNames(t testing.TB, dir string) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		names, err := filepath.Glob("../testdata/v0.3/replica/generations/*/" + dir + "*")
		if err != nil || len(names) == 0 {
			t.Fatalf("no test data: %v", err)
		}
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if !yield(filepath.Base(name), data) {
				return
			}
		}
	}
}
