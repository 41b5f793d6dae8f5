package sqlite

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// asUser runs f where permissions count: as another user, if we are root. File
// system access has a user of its own in each thread.
func asUser(t *testing.T, f func()) {
	t.Helper()
	if os.Geteuid() == 0 {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		must(t, unix.Setfsuid(65534))
		defer func() { must(t, unix.Setfsuid(0)) }()
	}
	f()
}

// closeDirectory makes a directory, and the files in it, read-only for all, and
// reachable for asUser.
func closeDirectory(t *testing.T, dir string) {
	t.Helper()
	names, err := filepath.Glob(dir + "/*")
	must(t, err)
	for _, name := range names {
		must(t, os.Chmod(name, 0o444))
	}
	must(t, os.Chmod(filepath.Dir(dir), 0o755))
	must(t, os.Chmod(dir, 0o555))
	t.Cleanup(func() { os.Chmod(dir, 0o755) })
}

// pages is every page of an image of a database, taken without permission to write.
func pages(t *testing.T, path string) (all []byte) {
	t.Helper()
	asUser(t, func() {
		if f, err := os.Create(path + "-try"); err == nil {
			f.Close()
			t.Fatal("the directory can be written to: the case is not made")
		}
		im := openImage(t, path)
		defer im.Close()
		buf := make([]byte, im.PageSize())
		for pgno := uint32(1); pgno <= im.Pages(); pgno++ {
			must(t, im.ReadPage(pgno, buf))
			all = append(all, buf...)
		}
	})
	return all
}

// A read-only directory: databases in either mode, with and without a WAL left
// behind, with and without its index. Nothing in it changes.
func TestImageInReadOnlyDirectory(t *testing.T) {
	closed := func(journal string) func(t *testing.T) string {
		return func(t *testing.T) string { return database(t, journal, 4096) }
	}
	left := func(index bool) func(t *testing.T) string {
		return func(t *testing.T) string {
			_, path := crashed(t, "wal", 12)
			if !index {
				must(t, os.Remove(path+"-shm"))
			}
			return path
		}
	}
	for name, database := range map[string]func(t *testing.T) string{
		"journal": closed("delete"), "WAL": closed("wal"), "left WAL": left(false), "left WAL and index": left(true),
	} {
		t.Run(name, func(t *testing.T) {
			path := database(t)
			dir := filepath.Dir(path)
			closeDirectory(t, dir)
			names, err := filepath.Glob(dir + "/*")
			must(t, err)
			before := contents(t, names...)
			copied := filepath.Join(t.TempDir(), "copy.db")
			must(t, os.WriteFile(copied, pages(t, path), 0o600))
			must(t, Check(t.Context(), copied, CheckFull))
			if len(names) > 1 {
				wantEqual(t, wantSound(t, copied), 12)
			}
			names, err = filepath.Glob(dir + "/*")
			must(t, err)
			wantEqual(t, contents(t, names...), before)
		})
	}
}

// A journal left behind that cannot be rolled back is an error, never an image of
// half a transaction.
func TestLeftJournalInReadOnlyDirectory(t *testing.T) {
	dir, path := crashed(t, "delete", 3)
	wantContent(t, path+"-journal")
	closeDirectory(t, dir)
	asUser(t, func() {
		im, err := Open(t.Context(), path)
		if err == nil {
			im.Close()
			t.Fatal("an image was opened")
		}
		t.Log(err)
	})
}

// A file that cannot be read is an error that says so.
func TestOpenUnreadable(t *testing.T) {
	path := database(t, "wal", 4096)
	closeDirectory(t, filepath.Dir(path))
	must(t, os.Chmod(path, 0))
	asUser(t, func() {
		if _, err := Open(t.Context(), path); err == nil {
			t.Error("an image was opened")
		} else {
			t.Log(err)
		}
	})
}
