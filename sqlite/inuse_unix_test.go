//go:build unix

package sqlite

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

func openFor(t *testing.T, path string, statements ...string) *connection {
	t.Helper()
	c, err := connect(t.Context(), path, "mode=rwc")
	must(t, err)
	t.Cleanup(func() { c.Close() })
	for _, s := range statements {
		_, err := c.ExecContext(t.Context(), s)
		must(t, err)
	}
	return c
}

// A connection is seen by its locks, and on Linux by its descriptor alone.
func TestCheckUnused(t *testing.T) {
	for _, tt := range []struct {
		name       string
		statements []string
	}{
		{"wal, idle", []string{"PRAGMA journal_mode=wal", "CREATE TABLE t (x)"}},
		{"rollback journal, idle", []string{"CREATE TABLE t (x)"}},
		{"rollback journal, reading", []string{"CREATE TABLE t (x)", "INSERT INTO t VALUES (1)", "BEGIN", "SELECT * FROM t"}},
		{"rollback journal, writing", []string{"CREATE TABLE t (x)", "BEGIN IMMEDIATE", "INSERT INTO t VALUES (1)"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "app.db")
			must(t, CheckUnused(path)) // nothing is there
			c := openFor(t, path, tt.statements...)
			if got := CheckUnused(path); !errors.Is(got, ErrInUse) {
				t.Errorf("with a connection: got %v, want ErrInUse", got)
			}
			must(t, c.Close())
			if err := CheckUnused(path); err != nil {
				t.Errorf("after the connection was closed: %v", err)
			}
		})
	}
}

// The locks of this process on a database that it uses survive the question.
func TestCheckUnusedKeepsLocks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.db")
	openFor(t, path, "CREATE TABLE t (x)", "BEGIN IMMEDIATE", "INSERT INTO t VALUES (1)")
	if err := CheckUnused(path); !errors.Is(err, ErrInUse) {
		t.Fatalf("a write transaction: got %v, want ErrInUse", err)
	}
	f, err := os.Open(path)
	must(t, err)
	lock := unix.Flock_t{Type: unix.F_WRLCK}
	must(t, unix.FcntlFlock(f.Fd(), getLock, &lock))
	if runtime.GOOS == "linux" && lock.Type == unix.F_UNLCK {
		t.Error("the lock of the write transaction is gone")
	}
	t.Cleanup(func() { f.Close() })
}

// Another process that has the database open is seen on every Unix.
func TestCheckUnusedOtherProcess(t *testing.T) {
	for _, journal := range []string{"wal", "delete"} {
		path := filepath.Join(t.TempDir(), "app.db")
		w := startWriter(t, plan{Path: path, Journal: journal, Page: 4096})
		w.await(5)
		if journal == "delete" && runtime.GOOS != "linux" {
			continue // it is idle at times
		}
		if err := CheckUnused(path); !errors.Is(err, ErrInUse) {
			t.Errorf("%s: got %v, want ErrInUse", journal, err)
		}
	}
}
