package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/errs"
)

// Write implements [cas.Store].
func (s *Store) Write(ctx context.Context, key string, value []byte, expect cas.Token) (w cas.Written, err error) {
	defer errs.Wrap(&err, "write %s", key)
	if err := s.prepare(ctx, cas.CheckWrite(key, value)); err != nil {
		return cas.Written{}, err
	}
	token := newToken()
	statement, args := s.sql.create, []any{key, token, append([]byte{}, value...)}
	if expect != "" {
		statement, args = s.sql.replace, append(args, string(expect))
	}
	at, err := s.change(ctx, statement, args...)
	if err != nil {
		return cas.Written{}, err
	}
	return cas.Written{Token: cas.Token(token), StoreTime: at}, nil
}

// Delete implements [cas.Deleter].
func (s *Store) Delete(ctx context.Context, key string, expect cas.Token) (err error) {
	defer errs.Wrap(&err, "delete %s", key)
	if err := s.prepare(ctx, cas.CheckKey(key)); err != nil {
		return err
	}
	if expect == "" {
		return cas.ErrConflict
	}
	_, err = s.change(ctx, s.sql.remove, key, string(expect))
	return err
}

// change runs one statement that changes one record, and returns the server's time. If it
// changes none, the record is not the expected one.
func (s *Store) change(ctx context.Context, statement string, args ...any) (at time.Time, err error) {
	if s.dialect == PostgreSQL {
		err = s.askTime(ctx, statement, args, &at)
	} else {
		err = s.on(ctx, s.isAgain, func(conn *sql.Conn) error { return changeHere(ctx, conn, statement, args) })
	}
	return at.UTC(), s.outcome(err)
}

// outcome is the error of a write for the caller.
func (s *Store) outcome(err error) error {
	var early *notSent
	if errors.As(err, &early) {
		return refused(err)
	}
	return s.dialect.written(err)
}

// askTime runs a statement that returns the server's time for what it has changed, on PostgreSQL.
func (s *Store) askTime(ctx context.Context, statement string, args []any, at *time.Time, more ...any) error {
	return tries(ctx, s.isAgain, func() error {
		row, release, err := s.queryRow(ctx, statement, args...)
		if err != nil {
			return &notSent{err}
		}
		defer release()
		err = row.Scan(append([]any{at}, more...)...)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return cas.ErrConflict
		case err == nil && ctx.Err() != nil:
			// The row came, but the context may have cut off the confirmation of the commit.
			return context.Cause(ctx)
		}
		return err
	})
}

// changeHere runs a statement that returns nothing, on SQLite.
func changeHere(ctx context.Context, db execer, statement string, args []any) error {
	result, err := db.ExecContext(ctx, statement, args...)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil {
		return err
	} else if n == 0 {
		return cas.ErrConflict
	}
	return nil
}
