//go:build unix

package cli

import (
	"bytes"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/replctl/replicate/internal/fakes3"
)

// openDatabase opens a database in this process, and makes it if it is not there.
func openDatabase(t *testing.T, path, journal string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	for _, s := range []string{"PRAGMA journal_mode=" + journal, "CREATE TABLE IF NOT EXISTS t (x)",
		"INSERT INTO t VALUES (1)"} {
		if _, err := db.Exec(s); err != nil {
			t.Fatal(err)
		}
	}
	return db
}

// A database that another process has open is not replaced, also an idle one in WAL
// mode; once it is closed it is.
func TestRestoreForceInUse(t *testing.T) {
	s := newSource(t, "v0.5")
	path := filepath.Join(t.TempDir(), "app.db")
	db := openDatabase(t, path, "wal")
	before := readFiles(t, path, path+"-wal")
	said := startReplctl(t, nil, "restore", s.dir, "-o", path, "--force").ends(exitFailure)
	if !strings.Contains(said, "a process has the database open") || !strings.Contains(said, "Try: once no process uses") {
		t.Errorf("got %s", said)
	}
	if !bytes.Equal(readFiles(t, path, path+"-wal"), before) || len(temps(t, filepath.Dir(path))) > 0 {
		t.Error("the refused restore has changed something")
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	startReplctl(t, nil, "restore", s.dir, "-o", path, "--force").ends(exitOK)
}

// A database that is opened while the restore reads is not replaced either.
func TestRestoreForceInUseSince(t *testing.T) {
	s := newSource(t, "v0.5")
	srv, _, url := bucketOf(t, s)
	path := filepath.Join(t.TempDir(), "app.db")
	if err := openDatabase(t, path, "wal").Close(); err != nil {
		t.Fatal(err)
	}
	opened := false
	srv.Fail(fakes3.Rule{Match: func(r fakes3.Request) bool {
		if r.Op == "GetObject" && !opened {
			opened = true
			openDatabase(t, path, "wal")
		}
		return false
	}})
	code, _, stderr := replctl(t, "restore", url, "-o", path, "--force")
	if code != exitFailure || !opened || !strings.Contains(stderr, "a process has the database open") {
		t.Errorf("got exit code %d, opened: %v\n%s", code, opened, stderr)
	}
}

func readFiles(t *testing.T, paths ...string) (all []byte) {
	t.Helper()
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, data...)
	}
	return all
}
