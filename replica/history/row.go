package history

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/replctl/replicate/replica/diff"

	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/sqlite"
	"github.com/replctl/replicate/sqlite/query"
)

// RowVersion is a state that a row had, or that it was not there.
type RowVersion struct {
	replica.Point // the first moment at which it was so

	// Op is what brought it about. It is empty if it was so at the first moment that was looked at:
	// when that came about is not known.
	Op diff.Op

	Columns []string
	Values  []any // of the columns; nil if the row, or its table, is not there
}

// ErrKey: the key does not fit the table.
var ErrKey = errors.New("that is no key of the table")

// RowHistory is the states of one row, the newest first. The row is known by the values of the
// columns of the primary key of opts.Table, or by its rowid if that has none. If the primary key is
// another than the table had at some moment, that is ErrKey.
//
// A moment is passed over if it has changed no page that the lookup before has read.
func RowHistory(
	ctx context.Context, src replica.Source, key []any, opts LogOptions,
) ([]RowVersion, *History, error) {
	l := &rowLogger{table: opts.Table, key: key}
	r := &replay{src: src, opts: opts.View, since: opts.Since, until: opts.Until, progress: opts.Progress}
	begin := func() { l.versions, l.made, l.found = nil, nil, false }
	err := r.run(ctx, begin, func(s *step) error { return l.step(ctx, s) })
	if err == nil && !l.found {
		err = fmt.Errorf("%s: %w", opts.Table, diff.ErrNoTable)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read history of a row: %w", err)
	}
	h := &History{Problems: r.problems, Stats: r.meter.stats()}
	if n := len(l.versions); n > 0 && l.versions[0].Values == nil {
		l.versions = l.versions[1:] // it was not there yet
	}
	if n := len(l.versions) - opts.Limit; opts.Limit > 0 && n > 0 {
		l.versions, h.More = l.versions[n:], true
	}
	slices.Reverse(l.versions)
	return l.versions, h, nil
}

// rowLogger makes versions of steps.
type rowLogger struct {
	table    string
	key      []any
	versions []RowVersion
	made     *reading // that the last version was read from
	found    bool     // the table, at any step
}

func (l *rowLogger) step(ctx context.Context, s *step) error {
	if stale, err := l.made.isStale(s, 0); err != nil || !stale {
		return err
	}
	made, err := newLookup(s)
	if err != nil {
		return err
	}
	now := RowVersion{Point: s.point}
	if now.Columns, now.Values, err = l.lookUp(ctx, made); err != nil {
		return err
	}
	if l.made = made; len(l.versions) > 0 {
		before := l.versions[len(l.versions)-1]
		if now.Op = opBetween(before.Values, now.Values); now.Op == "" {
			return nil
		}
	}
	l.versions = append(l.versions, now)
	return nil
}

// opBetween is what turns a row into another; empty if they are the same.
func opBetween(before, now []any) diff.Op {
	switch {
	case before == nil && now == nil, before != nil && now != nil && slices.EqualFunc(before, now, diff.SameValue):
		return ""
	case before == nil:
		return diff.Insert
	case now == nil:
		return diff.Delete
	}
	return diff.Update
}

// lookUp looks the row up.
func (l *rowLogger) lookUp(ctx context.Context, v sqlite.View) (columns []string, values []any, err error) {
	db, err := sqlite.OpenView(v)
	if err != nil {
		return nil, nil, err
	}
	defer db.Close()
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer conn.Close()
	where, err := l.where(ctx, conn)
	if err != nil || where == "" {
		return nil, nil, err
	}
	var row oneRow
	err = query.Run(ctx, conn, "SELECT * FROM main."+query.Identifier(l.table)+" WHERE "+where, &row, l.key...)
	return row.columns, row.values, err
}

// where is the condition of the lookup; empty if there is no such table.
func (l *rowLogger) where(ctx context.Context, conn *sql.Conn) (string, error) {
	var columns, key []string
	keys := map[int64]string{}
	take := func(row []any) error {
		name, _ := row[0].(string)
		columns = append(columns, strings.ToLower(name))
		if at, _ := row[1].(int64); at > 0 {
			keys[at] = name
		}
		return nil
	}
	err := query.Run(ctx, conn, "SELECT name, pk FROM pragma_table_xinfo(?1, 'main')", rowFunc(take), l.table)
	if err != nil || len(columns) == 0 {
		return "", err
	}
	l.found = true
	for i := range len(keys) {
		key = append(key, query.Identifier(keys[int64(i+1)]))
	}
	if len(keys) == 0 {
		for _, name := range []string{"oid", "_rowid_", "rowid"} {
			if !slices.Contains(columns, name) {
				key = []string{name}
			}
		}
	}
	if len(key) != len(l.key) {
		return "", fmt.Errorf("%w: %s has a key of %d: %s", ErrKey, l.table, len(key), strings.Join(key, ", "))
	}
	for i := range key {
		key[i] = fmt.Sprintf("%s = ?%d", key[i], i+1)
	}
	return strings.Join(key, " AND "), nil
}

// oneRow is a query.Writer that keeps the first row.
type oneRow struct {
	columns []string
	values  []any
}

func (o *oneRow) Begin(columns []string) error {
	o.columns = slices.Clone(columns)
	return nil
}

func (o *oneRow) Row(values []any) error {
	if o.values != nil {
		return nil
	}
	o.values = make([]any, len(values))
	for i, v := range values {
		if b, ok := v.([]byte); ok {
			v = bytes.Clone(b)
		}
		o.values[i] = v
	}
	return nil
}

func (o *oneRow) End() error { return nil }
