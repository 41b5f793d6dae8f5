package sqldb

import (
	"context"
	"database/sql"
	"fmt"
	"iter"

	"github.com/replctl/replicate/cas"
)

// page is how many records one request lists. It is a variable for tests.
var page = 1000

// List implements [cas.Store]. It asks for a page at a time, and holds no connection while
// the caller's loop runs.
func (s *Store) List(ctx context.Context, prefix, after string) iter.Seq2[cas.Entry, error] {
	return func(yield func(cas.Entry, error) bool) {
		fail := func(err error) { yield(cas.Entry{}, fmt.Errorf("list %q: %w", prefix, err)) }
		if err := s.prepare(ctx, cas.CheckPrefix(prefix)); err != nil {
			fail(err)
			return
		}
		after := max(after, prefix) // no key is a prefix
		for {
			entries, err := s.page(ctx, prefix, after)
			if err != nil {
				fail(refused(err))
				return
			}
			for _, e := range entries {
				if cas.CheckKey(e.Key) == nil && !yield(e, nil) { // an operator's row may be no record
					return
				}
			}
			if len(entries) < page {
				return
			}
			after = entries[len(entries)-1].Key
			if err := ctx.Err(); err != nil {
				fail(context.Cause(ctx))
				return
			}
		}
	}
}

// end is greater than all keys with a prefix: "/" and "z" are followed by "0" and "{".
func end(prefix string) string {
	if prefix == "" {
		return "{"
	}
	return prefix[:len(prefix)-1] + "0"
}

func (s *Store) page(ctx context.Context, prefix, after string) (entries []cas.Entry, err error) {
	err = s.on(ctx, s.isBroken, func(conn *sql.Conn) error {
		entries = entries[:0]
		rows, err := conn.QueryContext(ctx, s.sql.list, after, end(prefix), page)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var standby bool
			var e cas.Entry
			if err := rows.Scan(&standby, &e.Key, (*string)(&e.Token)); err != nil {
				return err
			}
			if standby {
				return errStandby
			}
			entries = append(entries, e)
		}
		return rows.Err()
	})
	return entries, err
}
