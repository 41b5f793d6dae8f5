// Package sqlitetest makes records in SQLite databases for tests.
package sqlitetest

import (
	"database/sql"
	"path/filepath"
	"testing"

	"modernc.org/sqlite"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/sqldb"
)

// Open opens a database file as a process of its own would, until the test ends.
func Open(t testing.TB, path string) *sql.DB {
	t.Helper()
	db, err := sqldb.OpenSQLite(&sqlite.Driver{}, "file://"+filepath.ToSlash(path))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// New returns records of a database.
func New(t testing.TB, db *sql.DB) *sqldb.Store {
	t.Helper()
	s, err := sqldb.New(db, sqldb.SQLite, sqldb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Records makes a fresh database, and returns what opens handles on its records.
func Records(t *testing.T) (open func() cas.Store) {
	db := Open(t, filepath.Join(t.TempDir(), "state.db"))
	return func() cas.Store { return New(t, db) }
}
