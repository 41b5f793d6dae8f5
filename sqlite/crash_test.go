package sqlite

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// crashed is a database whose writer was killed in the middle of a transaction,
// after n commits.
func crashed(t *testing.T, journal string, n int) (dir, path string) {
	t.Helper()
	dir = t.TempDir()
	path = filepath.Join(dir, oddName())
	w := startWriter(t, plan{Path: path, Journal: journal, Page: 1024, Spill: true, Commits: n})
	w.await(n + 1)
	w.kill()
	return dir, path
}

// oddName is a file name of characters that mean something in a URI.
func oddName() string {
	if runtime.GOOS == "windows" {
		return "a b%20#&.db"
	}
	return "a b%20?#&.db"
}

// A WAL left behind is part of the image up to its last commit, and neither it nor
// the file is changed by reading, whether its index is there or not.
func TestImageOfLeftWAL(t *testing.T) {
	for _, c := range []struct {
		name  string
		index bool
	}{{"with index", true}, {"without index", false}} {
		t.Run(c.name, func(t *testing.T) {
			dir, path := crashed(t, "wal", 12)
			name := filepath.Base(path)
			wantContent(t, path+"-wal")
			if !c.index {
				must(t, os.Remove(path+"-shm"))
			}
			before := contents(t, path, path+"-wal")
			for range 2 {
				if got := wantSound(t, image(t, path)); got != 12 {
					t.Errorf("got %d commits, want 12", got)
				}
			}
			wantEqual(t, contents(t, path, path+"-wal"), before)
			wantFiles(t, dir, name, name+"-shm", name+"-wal")
		})
	}
}

// A journal left behind is rolled back.
func TestImageOfLeftJournal(t *testing.T) {
	dir, path := crashed(t, "delete", 12)
	wantContent(t, path+"-journal")
	if got := wantSound(t, image(t, path)); got != 12 {
		t.Errorf("got %d commits, want 12", got)
	}
	wantFiles(t, dir, filepath.Base(path))
}

// A writer that is killed anywhere leaves a database whose image is sound and has
// each commit that the writer told of.
func TestImageAfterKill(t *testing.T) {
	for _, journal := range []string{"wal", "persist"} {
		t.Run(journal, func(t *testing.T) {
			for i := range 6 {
				path := filepath.Join(t.TempDir(), "killed.db")
				w := startWriter(t, plan{Path: path, Journal: journal, Page: 512 << i, Seed: uint64(i)})
				w.await(5 + 3*i)
				w.kill()
				if got, want := wantSound(t, image(t, path)), 5+3*i; got < want {
					t.Errorf("the image has %d commits of %d", got, want)
				}
			}
		})
	}
}
