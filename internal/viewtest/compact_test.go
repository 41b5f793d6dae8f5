package viewtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica/restore"
	"github.com/replctl/replicate/replica/view"
)

// small keeps nothing in memory but a page.
var small = view.Options{PageCache: 1, ReadAhead: 1}

func readAll(v *view.View) ([]byte, error) { return io.ReadAll(io.NewSectionReader(v, 0, v.Size())) }

// compacted is the file of a level that has the transactions from one to another.
func compacted(t testing.TB, d *dataset, pageSize int, level int, from, to ltx.TXID) (key string, content []byte) {
	t.Helper()
	var before []byte
	if from > 1 {
		before = d.states[from-2]
	}
	one := &dataset{objects: map[string][]byte{}, times: map[string]time.Time{}}
	one.addRange(t, shape{pageSize: pageSize}, level, from, to, before, d.states[to-1])
	for key, content = range one.objects {
	}
	return key, content
}

func put(t testing.TB, store blob.Store, key string, content []byte) {
	t.Helper()
	if _, err := store.Write(t.Context(), key, bytes.NewReader(content), blob.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
}

// TestCompaction: files are replaced below an open view, then removed.
func TestCompaction(t *testing.T) {
	const pageSize = 1024
	// Four readers at once hold half a megabyte of it at most: it is twice as large.
	d := makeDataset(t, shape{pageSize: pageSize, rows: 3000, rounds: 6, perRound: 30})
	store := blob.NewMemory()
	d.fill(t, store)
	v := openView(t, clientOf(store), restore.Target{TXID: 5}, small)
	want := d.states[4]

	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			for more := true; more; {
				select {
				case <-stop:
					more = false
				default:
				}
				if got, err := readAll(v); err != nil || !bytes.Equal(got, want) {
					t.Errorf("while files are replaced: %v", err)
					return
				}
			}
		})
	}
	key, content := compacted(t, d, pageSize, 1, 2, 5)
	put(t, store, key, content)
	var old []string
	for txid := ltx.TXID(2); txid <= 5; txid++ {
		old = append(old, ltx.LayoutS3.Key(0, txid, txid))
	}
	if err := store.Delete(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	key, content = compacted(t, d, pageSize, ltx.SnapshotLevel, 1, 5)
	put(t, store, key, content)
	if err := store.Delete(t.Context(), []string{ltx.LayoutS3.Key(1, 2, 5)}); err != nil {
		t.Fatal(err)
	}
	close(stop)
	wg.Wait()

	// Retention removes the state.
	last, content := compacted(t, d, pageSize, ltx.SnapshotLevel, 1, 6)
	put(t, store, last, content)
	others := slices.DeleteFunc(append(d.sorted(), key), func(k string) bool { return k == last })
	if err := store.Delete(t.Context(), others); err != nil {
		t.Fatal(err)
	}
	if got, err := readAll(v); !errors.Is(err, view.ErrGone) {
		t.Errorf("after the state was removed: %d bytes, %v", len(got), err)
	}
	if err := v.Close(); err != nil {
		t.Error(err)
	}
	if _, err := v.ReadAt(make([]byte, 1), 0); !errors.Is(err, view.ErrClosed) {
		t.Errorf("a closed view: %v", err)
	}
}

// TestAnotherDatabase: a replica of another database is begun in the place of the one that
// is viewed. Its pages are never shown.
func TestAnotherDatabase(t *testing.T) {
	a := makeDataset(t, shape{pageSize: 1024, rows: 400, rounds: 3, perRound: 30})
	b := makeDataset(t, shape{pageSize: 1024, rows: 400, rounds: 3, perRound: 30})
	store := blob.NewMemory()
	a.fill(t, store)
	v := openView(t, clientOf(store), restore.Target{}, small)
	for i, key := range b.sorted() {
		put(t, store, key, b.objects[key])
		got, err := readAll(v)
		if err == nil && !bytes.Equal(got, a.db) {
			t.Fatalf("after %d objects were replaced, the view has changed", i+1)
		}
	}
	if _, err := readAll(v); err == nil {
		t.Error("the database is another one, and no error")
	}
}

// TestDamage: one bit of each object in turn is wrong. What can be read is what was there.
func TestDamage(t *testing.T) {
	d := makeDataset(t, shape{pageSize: 512, rows: 60, rounds: 4, perRound: 10, withIndex: true})
	for _, key := range d.sorted() {
		size := len(d.objects[key])
		if size > 64<<10 {
			t.Fatalf("%s has %d bytes: it is not read whole", key, size)
		}
		for at := 0; at < size; at += 1 + size/40 {
			damaged := bytes.Clone(d.objects[key])
			damaged[at] ^= 1 << (at % 8)
			store := blob.NewMemory()
			d.fill(t, store)
			put(t, store, key, damaged)
			checkNotWrong(t, store, d, key, at)
		}
	}
}

func checkNotWrong(t *testing.T, store blob.Store, d *dataset, key string, at int) {
	t.Helper()
	v, err := view.Open(t.Context(), clientOf(store), restore.Target{}, view.Options{})
	if err != nil {
		return
	}
	defer v.Close()
	db := handle(t, v)
	defer db.Close()
	got, err := dump(context.Background(), db)
	if err != nil {
		return
	}
	want, err := dump(context.Background(), handle(t, bytes.NewReader(d.states[v.State().TXID-1])))
	if err != nil || got != want {
		t.Errorf("%s damaged at byte %d: wrong rows without an error (%v)", key, at, err)
	}
}
