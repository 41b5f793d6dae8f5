package diff

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Table is a table whose rows may differ.
type Table struct {
	Name string
	Key  []string // names of the columns of the key; "rowid" or another name of it where no column has it
	From []string // names of the columns that are compared and shown; nil if the table is not in the first database
	To   []string

	// Refused is why the rows cannot be compared; nil if they can. It is [ErrRefused] with a reason.
	Refused error

	from, to *table
	common   [][2]int    // columns that both have
	isOther  bool        // the two have nothing but the name in common
	spans    []span      // of keys, where rows may differ
	pages    [2][]uint32 // of both databases, in the order of the key: leaves that have changed
}

// Changed returns which columns of an updated row differ: their places in From and in To.
func (t *Table) Changed(r Row) (columns [][2]int) {
	for _, c := range t.common {
		if !SameValue(r.Before[c[0]], r.After[c[1]]) {
			columns = append(columns, c)
		}
	}
	return columns
}

// compareSchemas finds the changes of the schema, and the tables.
func (d *Diff) compareSchemas(only []string) error {
	keep, err := d.filter(only)
	if err != nil {
		return err
	}
	find := func(s *side, o object) (object, bool) {
		i := slices.IndexFunc(s.objects, func(p object) bool { return p.kind == o.kind && p.name == o.name })
		if i < 0 {
			return object{}, false
		}
		return s.objects[i], true
	}
	for _, o := range d.from.objects {
		is, ok := find(d.to, o)
		switch change := (Change{Delete, o.kind, o.name, o.table, o.sql, is.sql}); {
		case !keep(o.table) || isAutomatic(o):
		case !ok:
			d.Schema = append(d.Schema, change)
		case o.sql != is.sql:
			change.Op = Update
			d.Schema = append(append(d.Schema, change), d.columns(o.name)...)
		}
	}
	for _, o := range d.to.objects {
		if _, ok := find(d.from, o); !ok && keep(o.table) && !isAutomatic(o) {
			d.Schema = append(d.Schema, Change{Insert, o.kind, o.name, o.table, "", o.sql})
		}
	}
	if len(only) == 0 {
		d.comparePragmas()
	}
	d.pairTables(keep)
	return nil
}

// isAutomatic reports whether an object is an index that a constraint has made.
func isAutomatic(o object) bool { return o.kind == "index" && o.sql == "" }

// filter returns which tables are to be compared.
func (d *Diff) filter(only []string) (keep func(table string) bool, err error) {
	for _, name := range only {
		found := func(o object) bool { return strings.EqualFold(o.table, name) }
		if !slices.ContainsFunc(d.from.objects, found) && !slices.ContainsFunc(d.to.objects, found) {
			return nil, fmt.Errorf("%s: %w", name, ErrNoTable)
		}
	}
	return func(table string) bool {
		return len(only) == 0 || slices.ContainsFunc(only, func(name string) bool {
			return strings.EqualFold(name, table) || d.isShadowOf(table, name)
		})
	}, nil
}

// isShadowOf reports whether a table stores what a virtual table shows.
func (d *Diff) isShadowOf(table, of string) bool {
	for _, s := range []*side{d.from, d.to} {
		if t := s.tables[table]; t != nil && t.kind == shadow && len(table) > len(of) {
			return table[len(of)] == '_' && strings.EqualFold(table[:len(of)], of)
		}
	}
	return false
}

// columns are the changes of a table's columns.
func (d *Diff) columns(name string) (changes []Change) {
	from, to := d.from.tables[name], d.to.tables[name]
	if from == nil || to == nil {
		return nil
	}
	for _, c := range from.columns {
		change := Change{Delete, "column", c.name, name, c.typ, ""}
		if i := to.column(c.name); i >= 0 {
			change.Op, change.After = Update, to.columns[i].typ
		}
		if change.Op == Delete || change.Before != change.After {
			changes = append(changes, change)
		}
	}
	for _, c := range to.columns {
		if from.column(c.name) < 0 {
			changes = append(changes, Change{Insert, "column", c.name, name, "", c.typ})
		}
	}
	return changes
}

// comparePragmas compares what the header of a database says besides its pages.
func (d *Diff) comparePragmas() {
	for _, name := range []string{"user_version", "application_id"} {
		if was, is := d.from.pragmas[name], d.to.pragmas[name]; was != is {
			d.Schema = append(d.Schema, Change{Update, "pragma", name, "", was, is})
		}
	}
	for _, name := range []string{"encoding", "page_size"} {
		if was, is := d.from.pragmas[name], d.to.pragmas[name]; was != is {
			d.Notes = append(d.Notes, fmt.Sprintf("%s was %s and is %s: the rows are compared, not the pages", name, was, is))
		}
	}
}

// pairTables finds the tables that store rows, and what they have in common.
func (d *Diff) pairTables(keep func(string) bool) {
	names := slices.Collect(maps.Keys(d.from.tables))
	names = slices.AppendSeq(names, maps.Keys(d.to.tables))
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		t := &Table{Name: name, from: d.from.tables[name], to: d.to.tables[name]}
		for _, of := range []**table{&t.from, &t.to} {
			if *of != nil && (*of).kind == virtual {
				*of = nil
			}
		}
		if keep(name) && (t.from != nil || t.to != nil) {
			t.pair(d.from.pragmas["encoding"] == d.to.pragmas["encoding"])
			d.Tables = append(d.Tables, t)
		}
	}
}

func (t *Table) pair(sameEncoding bool) {
	for _, of := range []*table{t.to, t.from} {
		if of == nil {
			continue
		}
		t.Refused = cmp.Or(of.refusal(), t.Refused)
		if t.Key == nil {
			for _, k := range of.key {
				t.Key = append(t.Key, k.name)
			}
		}
	}
	t.From, t.To = t.from.names(), t.to.names()
	if t.from == nil || t.to == nil || !sameKey(t.from, t.to) {
		t.isOther = true
		return
	}
	if !sameEncoding && !t.to.hasRowid() {
		t.Refused = cmp.Or(t.Refused, fmt.Errorf("%w: its key is in another order in another encoding", ErrRefused))
	}
	for i, c := range t.from.columns {
		if j := t.to.column(c.name); j >= 0 {
			t.common = append(t.common, [2]int{i, j})
		}
	}
}

func (t *table) names() (names []string) {
	if t == nil {
		return nil
	}
	for _, c := range t.columns {
		names = append(names, c.name)
	}
	return names
}

// sameKey reports whether the rows of two tables are in the same order.
func sameKey(a, b *table) bool {
	if a.hasRowid() || b.hasRowid() {
		return a.hasRowid() && b.hasRowid()
	}
	return slices.EqualFunc(a.key, b.key, func(a, b keyColumn) bool {
		return strings.EqualFold(a.name, b.name) && a.collation == b.collation && a.descending == b.descending
	})
}
