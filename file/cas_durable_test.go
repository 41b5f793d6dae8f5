package file

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/durable"
)

// TestRecordsNotDurable: a write whose last fsync failed is visible, and is not
// reported as applied, neither by the engine nor by a Swap, which could read it.
func TestRecordsNotDurable(t *testing.T) {
	defer func() { publishTemp = (*durable.Temp).Publish }()
	for _, create := range []bool{true, false} {
		r, _ := newRecords(t)
		expect := cas.Token("")
		if !create {
			written, err := r.Write(t.Context(), "k", []byte("old"), "")
			must(t, err)
			expect = written.Token
		}
		publishTemp = func(temp *durable.Temp, name string, modTime time.Time, exclusive bool) error {
			must(t, temp.Publish(name, modTime, exclusive))
			return fmt.Errorf("%w: %w", durable.ErrUncertain, syscall.EIO)
		}
		_, err := r.Write(t.Context(), "k", []byte("new"), expect)
		wantNotDurable(t, "Write", err)
		rec, err := r.Read(t.Context(), "k", "")
		must(t, err)
		_, err = cas.Swap(t.Context(), r, "k", []byte("newer"), rec.Token)
		wantNotDurable(t, "Swap", err)
		if rec, err = r.Read(t.Context(), "k", ""); err != nil || string(rec.Value) != "newer" {
			t.Errorf("Read: got %q, %v: the test does not do what it should", rec.Value, err)
		}
		publishTemp = (*durable.Temp).Publish
		if _, err = cas.Swap(t.Context(), r, "k", []byte("newest"), rec.Token); err != nil {
			t.Errorf("Swap on a disk that works again: %v", err)
		}
	}
}

func wantNotDurable(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, cas.ErrNotDurable) || !errors.Is(err, cas.ErrIndeterminate) || !errors.Is(err, syscall.EIO) {
		t.Errorf("%s without an fsync of the directory: got error %v, want one that is not durable", what, err)
	}
}

// abandoned makes directories as a writer does that is killed before it has made
// their names durable, and notes which names are made durable after that.
func abandoned(t *testing.T, dirs string) (store string, synced *[]string) {
	t.Helper()
	base := t.TempDir()
	store = filepath.Join(base, dirs)
	must(t, os.MkdirAll(store, 0o700))
	synced = new([]string)
	t.Cleanup(func() { syncName = durable.SyncName })
	syncName = func(dir *os.Root) error {
		entries, err := os.ReadDir(dir.Name())
		must(t, err)
		if len(entries) == 0 {
			rel, err := filepath.Rel(base, dir.Name())
			must(t, err)
			*synced = append(*synced, rel)
		}
		return durable.SyncName(dir)
	}
	return store, synced
}

// TestAbandonedDirectory: a writer that finds an empty directory makes its name
// durable before it puts anything into it; one that is not empty has been seen to.
func TestAbandonedDirectory(t *testing.T) {
	writes := map[string]func(dir, key string) error{
		"record": func(dir, key string) error {
			_, err := NewRecords(dir, Options{}).Write(t.Context(), key, []byte("x"), "")
			return err
		},
		"object": func(dir, key string) error {
			_, err := NewStore(dir, Options{}).Write(t.Context(), key, strings.NewReader("x"), blob.WriteOptions{})
			return err
		},
	}
	for name, write := range writes {
		t.Run(name, func(t *testing.T) {
			dir, synced := abandoned(t, "store")
			must(t, write(dir, "k"))
			if want := []string{"store"}; !slices.Equal(*synced, want) {
				t.Errorf("durable names %q, want %q", *synced, want)
			}
			*synced = nil
			must(t, os.Mkdir(dir+"/sub", 0o700))
			must(t, write(dir, "sub/k"))
			must(t, write(dir, "sub/l"))
			if want := []string{"store/sub"}; !slices.Equal(*synced, want) {
				t.Errorf("durable names %q, want %q", *synced, want)
			}
			syncName = func(*os.Root) error { return io.ErrShortWrite }
			if err := write(dir, "sub/m"); !errors.Is(err, io.ErrShortWrite) || errors.Is(err, cas.ErrIndeterminate) {
				t.Errorf("got error %v, want the cause, and nothing written", err)
			}
			wantFiles(t, dir+"/sub", slices.DeleteFunc([]string{".k.lock", ".l.lock", "k", "l"}, func(s string) bool {
				return name == "object" && strings.HasPrefix(s, ".")
			})...)
		})
	}
}
