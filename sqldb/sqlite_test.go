package sqldb_test

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/cas/castest"
	"github.com/replctl/replicate/internal/sqlitetest"
	"github.com/replctl/replicate/probe"
	"github.com/replctl/replicate/replicatest"
	"github.com/replctl/replicate/sqldb"
)

// noNotify is why SQLite is no cas.Notifier.
const noNotify = "SQLite tells no other process of changes"

func TestSQLite(t *testing.T) {
	castest.Run(t, castest.Harness{Unchanged: true, NoNotify: noNotify, Slow: true,
		New: func(t *testing.T) func() cas.Store {
			path := filepath.Join(t.TempDir(), "state.db")
			return func() cas.Store { return sqlitetest.New(t, sqlitetest.Open(t, path)) }
		}})
}

// lockOn is a lease's place in records.
func lockOn(s cas.Deleter, leaser func() *sqldb.Leaser) replicatest.Lock {
	ctx := context.Background()
	const key = "db/lock.json"
	return replicatest.Lock{
		Open: func(c replicatest.LeaserConfig) replicate.Leaser {
			l := leaser()
			l.Path, l.Owner, l.TTL, l.MaxTTL = "db", c.Owner, c.TTL, c.MaxTTL
			return l
		},
		Get: func() ([]byte, error) {
			r, err := s.Read(ctx, key, "")
			return r.Value, err
		},
		Put: func(value []byte) error {
			r, err := s.Read(ctx, key, "")
			if err == nil {
				_, err = s.Write(ctx, key, value, r.Token)
			}
			return err
		},
		Remove: func() error {
			r, err := s.Read(ctx, key, "")
			if err == nil {
				err = s.Delete(ctx, key, r.Token)
			}
			return err
		},
	}
}

func leaserOf(open func() cas.Store) *sqldb.Leaser {
	return sqldb.NewLeaser("sqlite", func(context.Context) (cas.Store, error) { return open(), nil })
}

func TestLeaser(t *testing.T) {
	replicatest.RunLeaser(t, func(t *testing.T) replicatest.Lock {
		open := sqlitetest.Records(t)
		return lockOn(open().(cas.Deleter), func() *sqldb.Leaser { return leaserOf(open) })
	})
}

func TestProbe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	leaser := leaserOf(func() cas.Store { return sqlitetest.New(t, sqlitetest.Open(t, path)) })
	report, err := probe.Run(t.Context(), leaser.ProbeTarget(), probe.Options{Rounds: 3, Writers: 4})
	if err != nil || report.Verdict != probe.Conformant || len(report.Left) > 0 {
		t.Errorf("the probe says %+v, %v", report, err)
	}
}

// TestZero: methods of a store that New has not made return errors.
func TestZero(t *testing.T) {
	var s sqldb.Store
	_, readErr := s.Read(t.Context(), "k", "")
	_, writeErr := s.Write(t.Context(), "k", nil, "")
	if readErr == nil || writeErr == nil || s.Delete(t.Context(), "k", "x") == nil {
		t.Error("the zero store works")
	}
}

func TestOptions(t *testing.T) {
	db := sqlitetest.Open(t, filepath.Join(t.TempDir(), "state.db"))
	for name, c := range map[string]struct {
		dialect sqldb.Dialect
		opts    sqldb.Options
	}{
		"dialect":  {"oracle", sqldb.Options{}},
		"prefix":   {sqldb.SQLite, sqldb.Options{Prefix: `x"; DROP TABLE y; --`}},
		"schema":   {sqldb.PostgreSQL, sqldb.Options{Schema: "Upper"}},
		"too long": {sqldb.PostgreSQL, sqldb.Options{Prefix: strings.Repeat("x", 41)}},
		"channel":  {sqldb.SQLite, sqldb.Options{Channel: "x"}},
	} {
		if _, err := sqldb.New(db, c.dialect, c.opts); err == nil {
			t.Errorf("%s: it was accepted", name)
		}
	}
	if _, err := sqldb.New(nil, sqldb.SQLite, sqldb.Options{}); err == nil {
		t.Error("no database was accepted")
	}
}

// TestPrefixes: stores with different prefixes have nothing to do with one another.
func TestPrefixes(t *testing.T) {
	db := sqlitetest.Open(t, filepath.Join(t.TempDir(), "state.db"))
	for _, prefix := range []string{"", "a_", "b_"} {
		s, err := sqldb.New(db, sqldb.SQLite, sqldb.Options{Prefix: prefix})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Write(t.Context(), "k", []byte("x"), ""); err != nil {
			t.Errorf("prefix %q: %v", prefix, err)
		}
	}
}

// TestLaterTables: tables of a later version are not touched.
func TestLaterTables(t *testing.T) {
	db := sqlitetest.Open(t, filepath.Join(t.TempDir(), "state.db"))
	if _, err := sqlitetest.New(t, db).Write(t.Context(), "k", []byte("x"), ""); err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), "INSERT INTO replicate_migrations VALUES (99)"); err != nil {
		t.Fatal(err)
	}
	_, err := sqlitetest.New(t, db).Read(t.Context(), "k", "")
	if err == nil || !strings.Contains(err.Error(), "version 99") {
		t.Errorf("got error %v, want one about the version", err)
	}
}

// TestPragmas: connections that would lose an acknowledged write are refused.
func TestPragmas(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	db, err := sql.Open("sqlite", "file://"+filepath.ToSlash(path))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	_, err = sqlitetest.New(t, db).Write(t.Context(), "k", nil, "")
	if err == nil || !strings.Contains(err.Error(), "OpenSQLite") || errors.Is(err, cas.ErrIndeterminate) {
		t.Errorf("got error %v, want one that names OpenSQLite", err)
	}
}

// TestManyStart: the tables are made once, however many make them.
func TestManyStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	won := 0
	for _, err := range castest.Results(8, func(int) error {
		_, err := sqlitetest.New(t, sqlitetest.Open(t, path)).Write(t.Context(), "k", []byte("x"), "")
		return err
	}) {
		if err == nil {
			won++
		} else if !errors.Is(err, cas.ErrConflict) {
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d have created the record", won)
	}
}
