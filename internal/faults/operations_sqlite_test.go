//go:build faults

package faults

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"modernc.org/sqlite"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/lease"
	"github.com/replctl/replicate/sqldb"
	"github.com/replctl/replicate/store/config"
)

// onSQLite are the operations on records in a database file of SQLite. They have the names of
// those on any store, after "sqlite.".
var onSQLite = sqliteOnly([]operation{
	{name: "sqlite.Read", prepare: sqliteWritten, run: withSQLite(func(e *env, s *sqldb.Store) (string, error) {
		r, err := s.Read(e.ctx, "a/b", "")
		return string(r.Value), err
	})},
	{
		name: "sqlite.Write", prepare: sqliteWritten, state: sqliteState,
		run: withSQLite(func(e *env, s *sqldb.Store) (string, error) {
			_, err := s.Write(e.ctx, "a/b", []byte("new"), e.kept.(cas.Token))
			return "", err
		}),
	},
	{name: "sqlite.Write first", state: sqliteState, run: withSQLite(func(e *env, s *sqldb.Store) (string, error) {
		_, err := s.Write(e.ctx, "a/b", []byte("new"), "")
		return "", err
	})},
	{
		name: "sqlite.Swap", prepare: sqliteWritten, state: sqliteState,
		run: withSQLite(func(e *env, s *sqldb.Store) (string, error) {
			_, err := cas.Swap(e.ctx, s, "a/b", []byte("new"), e.kept.(cas.Token))
			return "", err
		}),
	},
	{
		name: "sqlite.Delete", prepare: sqliteWritten, state: sqliteState,
		run: withSQLite(func(e *env, s *sqldb.Store) (string, error) {
			return "", s.Delete(e.ctx, "a/b", e.kept.(cas.Token))
		}),
	},
	{
		name: "sqlite.WriteAll", prepare: sqliteWritten, state: sqliteState,
		run: withSQLite(func(e *env, s *sqldb.Store) (string, error) {
			_, err := s.WriteAll(e.ctx, []cas.Change{
				{Key: "a/b", Value: []byte("new"), Expect: e.kept.(cas.Token)}, {Key: "a/c", Value: []byte("too")},
			})
			return "", err
		}),
	},
	{name: "sqlite.List", prepare: sqliteWritten, run: withSQLite(func(e *env, s *sqldb.Store) (string, error) {
		return sqliteKeys(e, s)
	})},
	{
		name: "sqlite.AcquireLease", state: sqliteLease, counts: true, again: sqliteBroken,
		run: withSQLite(func(e *env, s *sqldb.Store) (string, error) {
			return grant(sqliteLeaser(s).AcquireLease(e.ctx))
		}),
	},
	{
		name: "sqlite.RenewLease", prepare: sqliteHeld, state: sqliteLease,
		run: withSQLite(func(e *env, s *sqldb.Store) (string, error) {
			return grant(sqliteLeaser(s).RenewLease(e.ctx, e.kept.(*replicate.Lease)))
		}),
	},
	{
		name: "sqlite.ReleaseLease", prepare: sqliteHeld, state: sqliteLease,
		run: withSQLite(func(e *env, s *sqldb.Store) (string, error) {
			return "", sqliteLeaser(s).ReleaseLease(e.ctx, e.kept.(*replicate.Lease))
		}),
	},
	{
		// A snapshot is one batch of records.
		name: "sqlite.SaveSnapshot", state: sqliteConfig,
		run: withSQLite(func(e *env, s *sqldb.Store) (string, error) {
			return "", config.New(s, config.Options{}).SaveSnapshot(e.ctx, "c", "v1", []byte("content"))
		}),
	},
})

func sqliteOnly(ops []operation) []operation {
	for i := range ops {
		ops[i].sqlite = true
	}
	return ops
}

// saysSQLite is what SQLite says of a failed call: it has result codes and no system errors.
var saysSQLite = []string{"disk I/O error", "unable to open database", "disk is full", "database is locked",
	"not a database", "readonly database", "locking protocol", "malformed"}

// recordsInSQLite are the objects of these operations: a program knows the records, not the file.
var recordsInSQLite = []string{"a/b", "2 records", "lock.json", "config/", "list records"}

func withSQLite(f func(*env, *sqldb.Store) (string, error)) runFunc {
	return func(e *env) (seen string, err error) {
		db, err := sqldb.OpenSQLite(&sqlite.Driver{}, strings.Replace(e.url, "sqlite:", "file:", 1))
		if err != nil {
			return "", err
		}
		defer db.Close()
		s, err := sqldb.New(db, sqldb.SQLite, sqldb.Options{})
		if err != nil {
			return "", err
		}
		return f(e, s)
	}
}

func sqliteLeaser(s *sqldb.Store) *sqldb.Leaser {
	l := sqldb.NewLeaser("sqlite", func(context.Context) (cas.Store, error) { return s, nil })
	l.Owner = "me"
	return l
}

var sqliteWritten = withRun(withSQLite(func(e *env, s *sqldb.Store) (string, error) {
	w, err := s.Write(e.ctx, "a/b", []byte("old"), "")
	e.kept = w.Token
	return "", err
}))

var sqliteHeld = withRun(withSQLite(func(e *env, s *sqldb.Store) (string, error) {
	l, err := sqliteLeaser(s).AcquireLease(e.ctx)
	e.kept = l
	return "", err
}))

var sqliteBroken = withRun(withSQLite(func(e *env, s *sqldb.Store) (string, error) {
	l := sqliteLeaser(s)
	held, state, err := l.ReadLease(e.ctx)
	if err == nil && state == lease.Held {
		_, err = l.BreakLease(e.ctx, lease.BreakOptions{Generation: held.Generation})
	}
	return "", err
}))

func sqliteKeys(e *env, s *sqldb.Store) (string, error) {
	var b strings.Builder
	for entry, err := range s.List(e.ctx, "", "") {
		if err != nil {
			return "", err
		}
		b.WriteString(entry.Key + " ")
	}
	return b.String(), nil
}

var sqliteState = withSQLite(func(e *env, s *sqldb.Store) (string, error) {
	keys, err := sqliteKeys(e, s)
	r, err2 := s.Read(e.ctx, "a/b", "")
	return keys + string(r.Value), errors.Join(err, err2)
})

var sqliteLease = withSQLite(func(e *env, s *sqldb.Store) (string, error) {
	held, state, err := sqliteLeaser(s).ReadLease(e.ctx)
	if err != nil || held == nil {
		return string(state), err
	}
	return fmt.Sprint(state, held.Generation, held.Owner), nil
})

var sqliteConfig = withSQLite(func(e *env, s *sqldb.Store) (string, error) {
	found, err := config.New(s, config.Options{}).ListSnapshots(e.ctx, "c")
	return text(len(found), err)
})
