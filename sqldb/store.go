package sqldb

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/errs"
	"github.com/replctl/replicate/internal/lazy"
)

// Store is the records of a database. It is safe for concurrent use. New makes one; the
// methods of the zero Store return errors.
type Store struct {
	db      *sql.DB
	dialect Dialect
	opts    Options
	sql     statements
	ready   lazy.Value[struct{}]
}

var (
	_ cas.Store   = (*Store)(nil)
	_ cas.Deleter = (*Store)(nil)
	_ cas.Batcher = (*Store)(nil)
)

// New returns the records that are kept in db. It contacts nothing; the first call of a
// method creates the tables. The caller closes db when nobody uses the store any more. Several
// stores may share one db.
func New(db *sql.DB, dialect Dialect, opts Options) (*Store, error) {
	if db == nil {
		return nil, errors.New("sql records: no database given")
	}
	opts, err := opts.withDefaults(dialect)
	if err != nil {
		return nil, fmt.Errorf("sql records: %w", err)
	}
	return &Store{db: db, dialect: dialect, opts: opts, sql: newStatements(dialect, opts)}, nil
}

// attempts bounds how often one statement is sent. All but the last were certainly not
// applied, or only read.
const attempts = 4

// on runs one statement on a connection, as tries says.
func (s *Store) on(ctx context.Context, again func(error) bool, run func(*sql.Conn) error) error {
	return tries(ctx, again, func() error {
		conn, err := s.db.Conn(ctx)
		if err != nil {
			return &notSent{err}
		}
		defer conn.Close() // back to the pool
		return run(conn)
	})
}

// tries sends one statement. If that fails with an error that again says to try once more, it is
// sent on another connection. An error of connecting is certain.
func tries(ctx context.Context, again func(error) bool, run func() error) error {
	for attempt := 1; ; attempt++ {
		err := run()
		var early *notSent
		if err == nil || attempt == attempts || ctx.Err() != nil || errors.As(err, &early) || !again(err) {
			return err
		}
	}
}

// notSent is why there was no connection.
type notSent struct{ error }

func (e *notSent) Unwrap() error { return e.error }

// isAgain reports whether a write may be sent again.
func (s *Store) isAgain(err error) bool { return s.dialect.judge(err) == again }

// isBroken reports whether a read is worth another connection.
func (s *Store) isBroken(err error) bool {
	var u unusable
	return !errors.As(err, &u) && s.dialect.judge(err) != certain
}

// unusable is why a database cannot be used, whatever the connection.
type unusable string

func (u unusable) Error() string { return string(u) }

// prepare makes the tables, once.
func (s *Store) prepare(ctx context.Context, err error) error {
	switch {
	case err != nil:
		return err
	case s == nil || s.db == nil:
		return errors.New("no database: make the store with New")
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	_, err = s.ready.Get(ctx, func(ctx context.Context) (struct{}, error) { return struct{}{}, s.create(ctx) })
	return err
}

// Read implements [cas.Store].
func (s *Store) Read(ctx context.Context, key string, known cas.Token) (r cas.Record, err error) {
	defer errs.Wrap(&err, "read %s", key)
	if err := s.prepare(ctx, cas.CheckKey(key)); err != nil {
		return cas.Record{}, err
	}
	err = tries(ctx, s.isBroken, func() error {
		row, release, err := s.queryRow(ctx, s.sql.read, key, string(known))
		if err != nil {
			return &notSent{err}
		}
		defer release()
		r, err = readRow(row, known)
		return err
	})
	return r, refused(err)
}

// queryRow sends a statement that returns a row by the quickest way.
func (s *Store) queryRow(ctx context.Context, query string, args ...any) (Row, func(), error) {
	if s.opts.QueryRow != nil {
		return s.opts.QueryRow(ctx, query, args...)
	}
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return nil, nil, err
	}
	return conn.QueryRowContext(ctx, query, args...), func() { _ = conn.Close() }, nil
}

// errStandby: what a standby shows may be old.
const errStandby = unusable("the server is a read-only standby: use the primary")

func readRow(row Row, known cas.Token) (cas.Record, error) {
	var at sql.NullTime
	var standby bool
	var token sql.NullString
	var value []byte
	err := row.Scan(&at, &standby, &token, &value)
	switch {
	case err != nil:
		return cas.Record{}, err
	case standby:
		return cas.Record{}, errStandby
	}
	r := cas.Record{Token: cas.Token(token.String), StoreTime: at.Time.UTC()} // zero on SQLite
	switch {
	case !r.Exists():
	case r.Token == known:
		r.Unchanged = true
	default:
		r.Value = append([]byte{}, value...)
	}
	return r, nil
}

func newToken() string { return rand.Text() }
