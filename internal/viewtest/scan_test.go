package viewtest

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica/restore"
	"github.com/replctl/replicate/replica/view"
)

// TestManyDeltas: a scan of a table of which each of many files has some pages everywhere.
// There is not enough memory to hold what comes later in all of them. Hardly a page is read
// twice.
func TestManyDeltas(t *testing.T) {
	d := makeDataset(t, shape{pageSize: 4096, rows: 40_000, rounds: 30, perRound: 40})
	srv, client := bucket(t, d)
	for _, opts := range []view.Options{{ReadAhead: 2 << 20}, {ReadAhead: 4 << 20}, {}, {Concurrency: 1}} {
		v := openView(t, client, restore.Target{}, opts)
		db := handle(t, v)
		start := len(srv.Requests())
		var sum int
		if err := db.QueryRow("SELECT sum(length(note)) FROM users").Scan(&sum); err != nil {
			t.Fatal(err)
		}
		scan := costSince(t, srv, start)
		pages, frames := tablePages(t, d, "users")
		t.Logf("%+v: %d pages in frames of %d bytes: %+v", opts, pages, frames, scan)
		// Each file may take two or three requests at the end, and the beginning takes some.
		if most := 200; scan.gets > most || float64(scan.bytes) > 1.3*float64(frames) {
			t.Errorf("%+v: a scan took %+v, want at most %d GETs and 1.3 times %d bytes",
				opts, scan, most, frames)
		}
	}
}

// TestTouched: the modification times of files change below a view, as Litestream changes
// them once after it has written a file. They are the same files. Another file in the
// place of one, of the same size, is not.
func TestTouched(t *testing.T) {
	const pageSize = 4096
	d := makeDataset(t, shape{pageSize: pageSize, rows: 3000, rounds: 3, perRound: 30})
	dir := t.TempDir()
	client := file.NewReplicaClient(dir)
	store, _, err := client.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	paths := map[string]string{}
	for key, content := range d.objects {
		_, level, from, to, err := ltx.ParseKey(key)
		if err != nil {
			t.Fatal(err)
		}
		key = ltx.LayoutFile.Key(level, from, to)
		put(t, store, key, content)
		paths[key] = filepath.Join(dir, filepath.FromSlash(key))
	}
	v := openView(t, client, restore.Target{}, small)
	for i := range 3 {
		for _, path := range paths {
			at := time.Unix(1_700_000_000+int64(i), 0)
			if err := os.Chtimes(path, at, at); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := readAll(v); err != nil || !bytes.Equal(got, d.db) {
			t.Fatalf("after the times were changed: %v", err)
		}
	}
	other := makeDataset(t, shape{pageSize: pageSize, rows: 3000, rounds: 3, perRound: 30})
	snapshot := ltx.LayoutS3.Key(ltx.SnapshotLevel, 1, 1)
	content := bytes.Clone(other.objects[snapshot])
	if want := len(d.objects[snapshot]); len(content) < want { // its end is what is looked at
		content = append(make([]byte, want-len(content)), content...)
	} else {
		content = content[len(content)-want:]
	}
	put(t, store, ltx.LayoutFile.Key(ltx.SnapshotLevel, 1, 1), content)
	if got, err := readAll(v); !errors.Is(err, view.ErrGone) {
		t.Errorf("another file in the place of one: %d bytes, %v", len(got), err)
	}
}
