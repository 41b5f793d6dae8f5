package diff

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/replctl/replicate/sqlite/query"
)

// span is a range of keys; nil is no end.
type span struct {
	lo, hi []any
	after  bool   // lo is not in it. SQLite would read the page before as well, to find lo.
	pages  [2]int // how many of Table.pages are up to its end
}

// everything is all keys.
var everything = []span{{}}

// eachRow calls f for the rows that differ.
func (d *Diff) eachRow(ctx context.Context, t *Table, f func(Row) error) error {
	if t.Refused != nil {
		return t.Refused
	}
	m := &merge{t: t, yield: f}
	var err error
	if m.from, err = d.from.cursor(ctx, t.from); err == nil {
		defer m.from.close()
		m.to, err = d.to.cursor(ctx, t.to)
	}
	if err != nil {
		return err
	}
	defer m.to.close()
	if t.isOther {
		if err := m.alone(ctx, m.from); err != nil {
			return err
		}
		return m.alone(ctx, m.to)
	}
	for i, s := range t.spans {
		if err := m.fetch(ctx, d, i); err != nil {
			return err
		}
		if err := m.span(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// merge compares the rows of two tables, which are both read in the order of the key.
type merge struct {
	t        *Table
	from, to *cursor
	yield    func(Row) error
	fetched  int // how many ranges the pages were fetched of
}

// fetch fetches the pages of a range, and of some that follow. The pages of a long range are left to the view,
// which reads ahead.
func (m *merge) fetch(ctx context.Context, d *Diff, i int) error {
	if i < m.fetched {
		return nil
	}
	var before [2]int
	if i > 0 {
		before = m.t.spans[i-1].pages
	}
	most := batchBytes / max(1, int(d.to.view.PageSize()))
	end := i
	for ; end < len(m.t.spans); end++ {
		if s := m.t.spans[end]; max(s.pages[0]-before[0], s.pages[1]-before[1]) > most {
			break
		}
	}
	if m.fetched = max(end, i+1); end == i {
		return nil
	}
	g, ctx := errgroup.WithContext(ctx)
	for side := range before {
		pages := m.t.pages[side][before[side]:m.t.spans[end-1].pages[side]]
		g.Go(func() error { return d.fetch(ctx, side == 1, pages) })
	}
	return g.Wait()
}

// alone yields all rows of one of the tables.
func (m *merge) alone(ctx context.Context, c *cursor) error {
	if c.of == nil {
		return nil
	}
	if err := c.open(ctx, span{}); err != nil {
		return err
	}
	for c.key != nil {
		if err := m.one(c); err != nil {
			return err
		}
	}
	return nil
}

// one yields the row of a cursor, which the other table does not have, and goes on.
func (m *merge) one(c *cursor) error {
	row := Row{Op: Insert, Key: slices.Clone(c.key), After: slices.Clone(c.values)}
	if c == m.from {
		row = Row{Op: Delete, Key: row.Key, Before: row.After}
	}
	if err := m.yield(row); err != nil {
		return err
	}
	return c.next()
}

// span compares the rows of a range.
func (m *merge) span(ctx context.Context, s span) error {
	if err := cmp.Or(m.from.open(ctx, s), m.to.open(ctx, s)); err != nil {
		return err
	}
	for m.from.key != nil || m.to.key != nil {
		var err error
		switch c := m.compare(); {
		case c < 0:
			err = m.one(m.from)
		case c > 0:
			err = m.one(m.to)
		default:
			err = m.both()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (m *merge) compare() int {
	switch {
	case m.from.key == nil:
		return 1
	case m.to.key == nil:
		return -1
	}
	return compareKeys(m.from.key, m.to.key, m.t.to.key, m.to.encoding)
}

// both yields the row if it differs, and goes on in both tables.
func (m *merge) both() error {
	isSame := !slices.ContainsFunc(m.t.common, func(c [2]int) bool {
		return !SameValue(m.from.values[c[0]], m.to.values[c[1]])
	})
	if !isSame {
		row := Row{Update, slices.Clone(m.from.key), slices.Clone(m.from.values), slices.Clone(m.to.values)}
		if err := m.yield(row); err != nil {
			return err
		}
	}
	return cmp.Or(m.from.next(), m.to.next())
}

// cursor reads ranges of a table in the order of the key.
type cursor struct {
	of       *table // nil for none
	encoding string
	conn     *sql.Conn
	prepared map[string]*sql.Stmt
	ctx      context.Context //nolint:containedctx // of the range that is read
	rows     *sql.Rows
	last     []any // where the range ends: the row after it is on another page

	key    []any // of the row; nil after the last
	values []any // of of.columns
	row    []any // what is scanned: values, and a rowid that no column has
	into   []any
}

func (s *side) cursor(ctx context.Context, t *table) (*cursor, error) {
	c := &cursor{of: t, encoding: s.encoding(), prepared: map[string]*sql.Stmt{}}
	if t == nil {
		return c, nil
	}
	var err error
	if c.conn, err = s.db.Conn(ctx); err != nil {
		return nil, cmp.Or(context.Cause(ctx), err)
	}
	c.row = make([]any, len(t.columns), len(t.columns)+1)
	if c.values = c.row; t.key[0].at < 0 {
		c.row = c.row[:len(c.row)+1]
	}
	for i := range c.row {
		c.into = append(c.into, &c.row[i])
	}
	return c, nil
}

func (s *side) encoding() string { return s.pragmas["encoding"] }

// open begins to read a range.
func (c *cursor) open(ctx context.Context, s span) (err error) {
	text := c.of.query(s)
	statement := c.prepared[text]
	if statement == nil {
		if statement, err = c.conn.PrepareContext(ctx, text); err != nil {
			return cmp.Or(context.Cause(ctx), err)
		}
		c.prepared[text] = statement
	}
	c.finish()
	c.ctx, c.last, c.key = ctx, s.hi, nil
	c.rows, err = statement.QueryContext(ctx, append(slices.Clone(s.lo), s.hi...)...)
	if err != nil {
		return cmp.Or(context.Cause(ctx), err)
	}
	return c.next()
}

// query is the SQL that reads a range. A unary plus keeps the driver from making a time of the
// text in a column that is declared as a date.
func (t *table) query(s span) string {
	var columns, order []string
	for _, c := range t.columns {
		columns = append(columns, "+"+query.Identifier(c.name))
	}
	if t.key[0].at < 0 {
		columns = append(columns, t.rowid)
	}
	names, marks := make([]string, len(t.key)), make([]string, len(t.key))
	for i, k := range t.key {
		names[i], marks[i] = t.keyName(k), "?"
		if order = append(order, names[i]); k.descending {
			order[i] += " DESC"
		}
	}
	text := fmt.Sprintf("SELECT %s FROM main.%s", strings.Join(columns, ","), query.Identifier(t.name))
	keys, values := "("+strings.Join(names, ",")+")", "("+strings.Join(marks, ",")+")"
	word := " WHERE "
	if s.lo != nil {
		from := ">="
		if s.after {
			from = ">"
		}
		text, word = text+word+keys+from+values, " AND "
	}
	if s.hi != nil {
		text += word + keys + "<=" + values
	}
	return text + " ORDER BY " + strings.Join(order, ",")
}

// keyName is a column of the key in SQL that compares as the key does. A column has a collation of
// its own only if the definition of the table says so somewhere.
func (t *table) keyName(k keyColumn) string {
	switch {
	case k.at < 0:
		return k.name
	case t.rowid == "" && strings.Contains(strings.ToUpper(t.sql), "COLLATE"):
		return query.Identifier(k.name) + " COLLATE " + k.collation
	}
	return query.Identifier(k.name)
}

// next reads the next row.
func (c *cursor) next() error {
	if c.key != nil && c.last != nil && compareKeys(c.key, c.last, c.of.key, c.encoding) == 0 || !c.rows.Next() {
		c.key = nil
		return cmp.Or(context.Cause(c.ctx), c.rows.Err(), c.rows.Close())
	}
	if err := c.rows.Scan(c.into...); err != nil {
		return err
	}
	if c.key == nil {
		c.key = make([]any, len(c.of.key))
	}
	for i, k := range c.of.key {
		if k.at < 0 {
			c.key[i] = c.row[len(c.row)-1]
		} else {
			c.key[i] = c.values[k.at]
		}
	}
	return nil
}

// finish ends the reading of a range.
func (c *cursor) finish() {
	if c.rows != nil {
		_ = c.rows.Close()
	}
}

func (c *cursor) close() {
	c.finish()
	for _, s := range c.prepared {
		_ = s.Close()
	}
	if c.conn != nil {
		_ = c.conn.Close()
	}
}
