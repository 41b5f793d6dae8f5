package sqlite

import (
	"crypto/sha256"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func openImage(t testing.TB, path string) *Image {
	t.Helper()
	im, err := Open(t.Context(), path)
	must(t, err)
	return im
}

// take is the database as an image of it has it, written to a file of its own.
// Half is called when half of the pages are read.
func take(t *testing.T, im *Image, half func()) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image.db")
	f, err := os.Create(path)
	must(t, err)
	defer f.Close()
	buf := make([]byte, im.PageSize())
	for pgno := uint32(1); pgno <= im.Pages(); pgno++ {
		if pgno == (im.Pages()+1)/2 {
			half()
		}
		must(t, im.ReadPage(pgno, buf))
		_, err := f.Write(buf)
		must(t, err)
	}
	return path
}

// image is the database now, written to a file of its own.
func image(t *testing.T, path string) string {
	t.Helper()
	im := openImage(t, path)
	defer func() { must(t, im.Close()) }()
	return take(t, im, func() {})
}

// query is the integer that a query of a database file gives.
func query(t *testing.T, path, query string) int {
	t.Helper()
	c, err := connect(t.Context(), path, immutable)
	must(t, err)
	defer c.Close()
	var n int
	must(t, c.QueryRowContext(t.Context(), query).Scan(&n))
	return n
}

// wantSound checks an image of a database of a writer, and is its count of commits.
func wantSound(t *testing.T, path string) int {
	t.Helper()
	must(t, Check(t.Context(), path, CheckFull))
	if got := query(t, path, "SELECT (SELECT sum(balance) FROM debit) + (SELECT sum(balance) FROM credit)"); got != 0 {
		t.Errorf("the balances add up to %d", got)
	}
	if got := query(t, path, "SELECT rows - (SELECT count(*) FROM log) FROM counter"); got != 0 {
		t.Errorf("the counter is off by %d", got)
	}
	return query(t, path, "SELECT commits FROM counter")
}

func contents(t *testing.T, paths ...string) map[string][32]byte {
	t.Helper()
	all := map[string][32]byte{}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		must(t, err)
		all[filepath.Base(path)] = sha256.Sum256(data)
	}
	return all
}

// wantFiles compares the names in the directory of a database.
func wantFiles(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	got := []string{}
	for _, entry := range entries {
		got = append(got, entry.Name())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func wantContent(t *testing.T, path string) {
	t.Helper()
	if info, err := os.Stat(path); err != nil || info.Size() == 0 {
		t.Fatalf("%s has no content (%v): the case is not made", path, err)
	}
}

func wantEqual[T any](t *testing.T, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
