// Package testreplica hands tests the replicas under testdata/, with the times
// that git does not keep.
//
// A name is a directory below testdata with a "replica" in it: "v0.5", "v0.3",
// "damaged/ltx-gap". See testdata/README.md.
package testreplica

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/replctl/replicate/blob"
)

// State is what is known of a restored database. The dump is the output of the
// sqlite3 shell's .dump (of the version in Facts.SQLite; its text may differ in
// another); the file is as Litestream left it, before SQLite opened it.
type State struct {
	Rows       map[string]int `json:"rows"`
	DumpSHA256 string         `json:"dump_sha256"`
	DBSHA256   string         `json:"db_sha256"`
}

// Instant is what "litestream restore -timestamp" gives for one moment. Nothing
// was written within a second of it. Exact says that it is what the database
// then was, and not just the nearest that the replica still has.
type Instant struct {
	At    time.Time `json:"at"`
	Exact bool      `json:"exact"`
	State
}

// Level is what one LTX level holds.
type Level struct {
	Level int   `json:"level"`
	Files int   `json:"files"`
	Bytes int64 `json:"bytes"`
}

// LTX are the facts about an LTX replica.
type LTX struct {
	MaxTXID string  `json:"max_txid"`
	Levels  []Level `json:"levels"`
}

// Generation is one lineage of a v0.3 backup, and its last state.
type Generation struct {
	Generation  string `json:"generation"`
	Snapshots   int    `json:"snapshots"`
	WALSegments int    `json:"wal_segments"`
	WALIndexes  int    `json:"wal_indexes"`
	State
}

// Facts are the contents of expected.json: who wrote the replica, and what that
// program itself restores from it.
type Facts struct {
	Tool     string `json:"tool"`
	Version  string `json:"version"`
	SQLite   string `json:"sqlite"`
	PageSize int    `json:"page_size"`
	State
	Instants    []Instant    `json:"instants"`
	LTX         *LTX         `json:"ltx"`         // v0.5 only
	Generations []Generation `json:"generations"` // v0.3 only
}

// Root is the repository's testdata directory.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; ; dir = filepath.Dir(dir) {
		root := filepath.Join(dir, "testdata")
		_, err := os.Stat(filepath.Join(root, "v0.5", "replica"))
		if err == nil {
			return root
		}
		if !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			t.Fatalf("find testdata/v0.5/replica above the test: %v", err)
		}
	}
}

// Dir is the committed replica. Its files have whatever times the checkout gave
// them; tests must not write there.
func Dir(t testing.TB, name string) string {
	t.Helper()
	dir := filepath.Join(Root(t), filepath.FromSlash(name), "replica")
	if _, err := os.Stat(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Copy returns a copy of a replica in a directory of the test's own, with every
// file's time as Litestream had set it. See [RestoreTimes].
func Copy(t testing.TB, name string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "replica")
	if err := os.CopyFS(dir, os.DirFS(Dir(t, name))); err != nil {
		t.Fatal(err)
	}
	if err := RestoreTimes(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Expected loads the expected.json of "v0.5" or "v0.3".
func Expected(t testing.TB, name string) Facts {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(Root(t), filepath.FromSlash(name), "expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	var facts Facts
	if err := json.Unmarshal(data, &facts); err != nil {
		t.Fatalf("%s/expected.json: %v", name, err)
	}
	return facts
}

// Store returns a copy of a replica in memory, with every object's time as Litestream had
// set it.
func Store(t testing.TB, name string) *blob.Memory {
	t.Helper()
	dir := Copy(t, name)
	store := blob.NewMemory()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		key, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		_, err = store.Write(t.Context(), filepath.ToSlash(key), bytes.NewReader(b), blob.WriteOptions{ModTime: fi.ModTime()})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return store
}
