package diff

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/replctl/replicate/sqlite/query"
)

// Script writes SQL that turns the first database into the second, or with undo the second into the
// first, in one transaction. Without a COMMIT at the end it is not complete. Comments in it name
// what a reader should know.
//
// No foreign key and no trigger acts on the rows while it runs: foreign keys are switched off for
// the connection, and the triggers of tables that it writes to are dropped and created again. A
// table whose definition has changed is dropped and created with all its rows.
func (d *Diff) Script(ctx context.Context, w io.Writer, undo bool) error {
	s := &script{ctx: ctx, d: d, w: bufio.NewWriterSize(w, 1<<16), undo: undo, from: d.from, to: d.to}
	if undo {
		s.from, s.to = d.to, d.from
	}
	for _, t := range d.Tables {
		if t.Refused != nil {
			return fmt.Errorf("script: table %s: %w", t.Name, t.Refused)
		}
	}
	err := s.write()
	return errors.Join(err, s.w.Flush())
}

// script writes a script. Once err is set, nothing more is written.
type script struct {
	ctx      context.Context
	d        *Diff
	w        *bufio.Writer
	undo     bool
	from, to *side // of the script

	dropped        map[string]bool // kinds and names of objects that are
	schemaWritable bool
	line           []byte
	err            error
}

func (s *script) print(format string, args ...any) {
	if s.err == nil {
		_, s.err = fmt.Fprintf(s.w, format, args...)
	}
}

func (s *script) write() error {
	written, err := s.written()
	if err != nil {
		return err
	}
	if len(s.d.Schema) == 0 && len(written) == 0 {
		s.print("-- nothing has changed\n")
		return s.err
	}
	s.print("PRAGMA foreign_keys=OFF;\nBEGIN;\nPRAGMA defer_foreign_keys=ON;\n")
	s.dropAll(written)
	s.create(true)
	for _, t := range s.d.Tables {
		s.rows(t, written[t.Name])
	}
	s.sequences()
	s.create(false)
	for _, c := range s.d.Schema {
		if c.Type == "pragma" {
			s.print("PRAGMA %s=%s;\n", c.Name, s.to.pragmas[c.Name])
		}
	}
	if s.schemaWritable {
		s.print("PRAGMA writable_schema=OFF;\n")
	}
	s.print("COMMIT;\n")
	return s.err
}

// written is the tables with rows that differ.
func (s *script) written() (map[string]bool, error) {
	written := map[string]bool{}
	for _, t := range s.d.Tables {
		for _, err := range s.d.Rows(s.ctx, t) {
			if err != nil {
				return nil, err
			}
			written[t.Name] = true
			break
		}
	}
	return written, nil
}

// dropAll drops what is not in the second database, is another one there, or stands in the way:
// triggers of tables that are written to, and what belongs to a table that is dropped.
func (s *script) dropAll(written map[string]bool) {
	s.dropped = map[string]bool{}
	for _, c := range s.d.Schema {
		if c.Type != "column" && c.Type != "pragma" {
			s.dropped[c.Type+" "+c.Name] = true
		}
	}
	for _, o := range s.from.objects {
		virtual, isShadow := s.from.shadows(o.table)
		if isShadow && s.dropped["table "+virtual] {
			s.dropped["table "+o.table] = true
		}
	}
	for _, o := range s.from.objects {
		if s.dropped["table "+o.table] || s.dropped["view "+o.table] || o.kind == "trigger" && written[o.table] {
			s.dropped[o.kind+" "+o.name] = true
		}
	}
	for _, kind := range []string{"trigger", "view", "index", "table"} {
		for _, o := range s.from.objects {
			if o.kind == kind && s.dropped[kind+" "+o.name] && !isAutomatic(o) {
				s.drop(o)
			}
		}
	}
}

func (s *script) drop(o object) {
	changed := func(c Change) bool { return c.Type == o.kind && c.Name == o.name }
	if o.kind == "trigger" && !slices.ContainsFunc(s.d.Schema, changed) {
		s.print("-- trigger %s would act on the rows below: it is created again at the end\n", oneLine(o.name))
	}
	if o.name == "sqlite_sequence" {
		s.print("-- sqlite_sequence cannot be dropped: it stays, without rows\n")
		return
	}
	s.print("DROP %s IF EXISTS %s;\n", strings.ToUpper(o.kind), query.Identifier(o.name))
}

// oneLine is a name in a comment.
func oneLine(name string) string { return strings.Join(strings.Fields(name), " ") }

// shadows returns which virtual table a shadow table belongs to.
func (s *side) shadows(name string) (of string, ok bool) {
	t := s.tables[name]
	if t == nil || t.kind != shadow {
		return "", false
	}
	for other, v := range s.tables {
		if v.kind == virtual && strings.HasPrefix(strings.ToLower(name), strings.ToLower(other)+"_") && len(other) > len(of) {
			of = other
		}
	}
	return of, of != ""
}

// create creates the tables that the second database has and the first, by now, has not; or all
// else.
func (s *script) create(tables bool) {
	for _, o := range s.to.objects {
		isNew := !slices.ContainsFunc(s.from.objects, func(p object) bool { return p.kind == o.kind && p.name == o.name })
		switch {
		case tables != (o.kind == "table"), isAutomatic(o), !s.dropped[o.kind+" "+o.name]:
		case o.name == "sqlite_stat1" && isNew:
			s.print("ANALYZE sqlite_schema;\nDELETE FROM sqlite_stat1;\n")
		case strings.HasPrefix(o.name, "sqlite_"):
			if o.name != "sqlite_sequence" { // which the first table that needs it makes
				s.print("-- %s is not written: ANALYZE makes it\n", o.name)
			}
		case o.kind == "table" && s.to.tables[o.name].kind == virtual:
			s.virtual(o)
		default:
			s.print("%s\n", query.Terminated(o.sql))
		}
	}
}

// virtual writes a virtual table by its line in the schema, as a dump does.
func (s *script) virtual(o object) {
	if !s.schemaWritable {
		s.schemaWritable = true
		s.print("PRAGMA writable_schema=ON;\n")
	}
	name := query.AppendLiteral(nil, o.name)
	s.print("INSERT INTO sqlite_schema(type,name,tbl_name,rootpage,sql)VALUES('table',%s,%s,0,%s);\n",
		name, name, query.AppendLiteral(nil, o.sql))
}

// rows writes what makes the rows of a table those of the second database.
func (s *script) rows(t *Table, differ bool) {
	to := s.to.tables[t.Name]
	isNew := s.dropped["table "+t.Name]
	switch {
	case s.err != nil || to == nil || to.kind == virtual || t.Name == "sqlite_sequence" || !isNew && !differ:
		return
	case t.Name == "sqlite_stat4" && isNew:
		return
	case isNew:
		s.err = s.d.all(s.ctx, s.to, to, func(key, values []any) error { return s.insert(to, key, values) })
		return
	}
	unique := append(slices.Clone(t.from.unique), t.to.unique...)
	if len(unique) > 0 {
		s.changes(t, to, unique, true, false)
		s.changes(t, to, unique, false, true)
	} else {
		s.changes(t, to, nil, true, true)
	}
}

// changes writes changes of rows. Where rows are unique in more than their key, none may be written
// while another is in its way: then all that go, and all that change in such a column, are deleted
// first, and the others are written after that.
func (s *script) changes(t *Table, to *table, unique []int, deletes, writes bool) {
	for r, err := range s.d.Rows(s.ctx, t) {
		if err != nil || s.err != nil {
			s.err = cmp.Or(s.err, err)
			return
		}
		if s.undo {
			r = Row{r.Op.reverse(), r.Key, r.After, r.Before}
		}
		moves := r.Op == Update && slices.ContainsFunc(unique, func(i int) bool {
			return i < 0 || !SameValue(r.Before[i], r.After[i])
		})
		if deletes && (r.Op == Delete || moves) {
			s.err = s.delete(to, r)
		}
		if writes && (r.Op == Insert || moves) {
			s.err = s.insert(to, r.Key, r.After)
		} else if writes && r.Op == Update {
			s.err = s.update(to, r)
		}
	}
}

func (s *script) update(to *table, r Row) error {
	b := append(append(s.line[:0], "UPDATE "...), query.Identifier(to.name)...)
	word := " SET "
	for i, v := range r.After {
		if SameValue(r.Before[i], v) {
			continue
		}
		b = append(append(append(b, word...), query.Identifier(to.columns[i].name)...), '=')
		b, word = query.AppendLiteral(b, v), ","
	}
	return s.flush(s.where(b, to, r))
}

func (s *script) delete(t *table, r Row) error {
	return s.flush(s.where(append(append(s.line[:0], "DELETE FROM "...), query.Identifier(t.name)...), t, r))
}

// where appends the condition that means the row as it was before.
func (s *script) where(b []byte, t *table, r Row) []byte {
	word := " WHERE "
	for i, k := range t.key {
		v := r.Key[i]
		if k.at >= 0 {
			v = r.Before[k.at]
		}
		b = append(append(append(b, word...), t.keyName(k)...), '=')
		b, word = query.AppendLiteral(b, v), " AND "
	}
	return b
}

// insert writes a row with its key.
func (s *script) insert(t *table, key, values []any) error {
	b := fmt.Appendf(s.line[:0], "INSERT INTO %s(", query.Identifier(t.name))
	names, row := t.names(), values
	if t.key[0].at < 0 {
		names, row = slices.Insert(names, 0, t.rowid), slices.Insert(slices.Clone(values), 0, key[0])
	}
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, query.Identifier(name)...)
	}
	b = append(b, ")VALUES("...)
	for i, v := range row {
		if i > 0 {
			b = append(b, ',')
		}
		b = query.AppendLiteral(b, v)
	}
	return s.flush(append(b, ')'))
}

func (s *script) flush(b []byte) error {
	b = append(b, ";\n"...)
	s.line = b
	_, err := s.w.Write(b)
	return err
}

// sequences writes where AUTOINCREMENT goes on, which the rows above have moved.
func (s *script) sequences() {
	for _, t := range s.d.Tables {
		if t.Name != "sqlite_sequence" || s.err != nil {
			continue
		}
		is := s.to.tables[t.Name]
		makes := func(o object) bool { return strings.Contains(strings.ToUpper(o.sql), "AUTOINCREMENT") }
		switch {
		case is == nil:
			s.print("DELETE FROM sqlite_sequence;\n")
		case s.from.tables[t.Name] != nil, slices.ContainsFunc(s.to.objects, makes):
			s.print("DELETE FROM sqlite_sequence;\n")
			s.err = s.d.all(s.ctx, s.to, is, func(key, values []any) error { return s.insert(is, key, values) })
		default:
			s.print("-- sqlite_sequence is not created: no table needs it\n")
		}
	}
}

// all calls f for all rows of a table of one side.
func (d *Diff) all(ctx context.Context, s *side, t *table, f func(key, values []any) error) error {
	c, err := s.cursor(ctx, t)
	if err != nil {
		return err
	}
	defer c.close()
	if err := c.open(ctx, span{}); err != nil {
		return err
	}
	for c.key != nil {
		if err := f(c.key, c.values); err != nil {
			return err
		}
		if err := c.next(); err != nil {
			return err
		}
	}
	return nil
}
