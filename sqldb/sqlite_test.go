package sqldb_test

import (
	"database/sql"
	"path/filepath"
	"testing"

	"modernc.org/sqlite"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/cas/castest"
	"github.com/replctl/replicate/sqldb"
)

// open opens a database file as a process of its own would.
func open(t testing.TB, path string) *sql.DB {
	t.Helper()
	db, err := sqldb.OpenSQLite(&sqlite.Driver{}, "file://"+path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func newStore(t testing.TB, db *sql.DB, opts sqldb.Options) *sqldb.Store {
	t.Helper()
	s, err := sqldb.New(db, sqldb.SQLite, opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// noNotify is why SQLite is no cas.Notifier.
const noNotify = "SQLite tells no other process of changes"

func TestSQLite(t *testing.T) {
	castest.Run(t, castest.Harness{Unchanged: true, NoNotify: noNotify, Slow: true,
		New: func(t *testing.T) func() cas.Store {
			path := filepath.Join(t.TempDir(), "state.db")
			return func() cas.Store { return newStore(t, open(t, path), sqldb.Options{}) }
		}})
}
