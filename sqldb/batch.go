package sqldb

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/errs"
)

// WriteAll implements [cas.Batcher]: one request on PostgreSQL, one transaction on SQLite.
func (s *Store) WriteAll(ctx context.Context, changes []cas.Change) (written []cas.Written, err error) {
	defer errs.Wrap(&err, "write %d records", len(changes))
	if err := s.prepare(ctx, cas.CheckBatch(changes)); err != nil {
		return nil, err
	}
	b := batch{ctx: ctx}
	for _, c := range changes {
		token := newToken()
		args := []any{c.Key, token, append([]byte{}, c.Value...)}
		if c.Expect != "" {
			args = append(args, string(c.Expect))
		}
		b.creates, b.args = append(b.creates, c.Expect == ""), append(b.args, args)
		written = append(written, cas.Written{Token: cas.Token(token)})
	}
	if s.dialect == PostgreSQL {
		err = b.onPostgreSQL(s)
	} else {
		err = s.on(ctx, s.isAgain, func(conn *sql.Conn) error { return b.onSQLite(conn, s.sql) })
	}
	if err := s.outcome(err); err != nil {
		return nil, err
	}
	for i := range written {
		written[i].StoreTime = b.at.UTC() // zero on SQLite
	}
	return written, nil
}

// batch is one call of WriteAll.
type batch struct {
	ctx     context.Context
	creates []bool
	args    [][]any // of each change
	at      time.Time
}

func (b *batch) onSQLite(conn *sql.Conn, with statements) error {
	return immediate(b.ctx, conn, func(tx execer) error {
		for i, args := range b.args {
			statement := with.replace
			if b.creates[i] {
				statement = with.create
			}
			if err := changeHere(b.ctx, tx, statement, args); err != nil {
				return err
			}
		}
		return nil
	})
}

// divisionByZero is how the statement of writeAll refuses.
const divisionByZero = "22012"

func (b *batch) onPostgreSQL(s *Store) error {
	var all []any
	for _, args := range b.args {
		all = append(all, args...)
	}
	var one, notified int64
	err := s.askTime(b.ctx, writeAll(s.opts, b.creates), all, &b.at, &one, &notified)
	if sqlState(err) == divisionByZero {
		return fmt.Errorf("%w: one of them is not as expected", cas.ErrConflict)
	}
	return err
}
