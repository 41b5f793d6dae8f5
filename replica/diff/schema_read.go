package diff

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
)

// object is a line of sqlite_schema.
type object struct {
	kind, name, table, sql string
	root                   uint32
}

// The kinds of tables that store rows, as table_list has them, and that which does not.
const (
	ordinary = "table"
	shadow   = "shadow"
	virtual  = "virtual"
)

// table is a table of one database.
type table struct {
	object
	kind    string
	columns []column // that are stored, and not generated
	rowid   string   // the name of the rowid in SQL; empty for a WITHOUT ROWID table
	key     []keyColumn
	unique  []int // columns besides the key in which rows have to differ; -1 may be any
}

type column struct{ name, typ string }

// keyColumn is a column of the key.
type keyColumn struct {
	name, collation string
	at              int // in table.columns; -1 for a rowid that no column has
	descending      bool
}

// hasRowid reports whether the rowid is the key.
func (t *table) hasRowid() bool { return t.rowid != "" || len(t.key) == 0 }

// column is where a column is, -1 if there is none of that name.
func (t *table) column(name string) int {
	return slices.IndexFunc(t.columns, func(c column) bool { return strings.EqualFold(c.name, name) })
}

// refusal is why the rows cannot be brought into an order; nil if they can.
func (t *table) refusal() error {
	if len(t.key) == 0 {
		return fmt.Errorf("%w: columns have all the names of the rowid", ErrRefused)
	}
	for _, k := range t.key {
		if collations[k.collation] == nil {
			return fmt.Errorf("%w: the collation %s of column %s is not SQLite's own", ErrRefused, k.collation, k.name)
		}
	}
	return nil
}

// readSchema reads what the database has.
func (s *side) readSchema(ctx context.Context) error {
	s.tables, s.pragmas = map[string]*table{}, map[string]string{}
	err := s.each(ctx, `SELECT type, name, tbl_name, ifnull(sql, ''), ifnull(rootpage, 0) FROM main.sqlite_schema
		ORDER BY type = 'table' DESC, rowid`, func(scan scanner) error {
		var o object
		if err := scan(&o.kind, &o.name, &o.table, &o.sql, &o.root); err != nil {
			return err
		}
		if s.objects = append(s.objects, o); o.kind == "table" {
			s.tables[o.name] = &table{object: o, kind: virtual}
		}
		return nil
	})
	for _, read := range []func(context.Context) error{s.readPragmas, s.readColumns, s.readKeys, s.readUnique} {
		if err == nil {
			err = read(ctx)
		}
	}
	return err
}

func (s *side) readPragmas(ctx context.Context) error {
	return s.each(ctx, `SELECT 'encoding', encoding FROM pragma_encoding
		UNION ALL SELECT 'page_size', page_size FROM pragma_page_size
		UNION ALL SELECT 'user_version', user_version FROM pragma_user_version
		UNION ALL SELECT 'application_id', application_id FROM pragma_application_id`, func(scan scanner) error {
		var name, value string
		err := scan(&name, &value)
		s.pragmas[name] = value
		return err
	})
}

// readColumns reads the columns of all tables that store rows. It takes an INTEGER PRIMARY KEY for
// the rowid unless the primary key has an index: then it is one like any other.
func (s *side) readColumns(ctx context.Context) error {
	aliases := map[*table][]int{} // columns of the primary key that may be the rowid
	err := s.each(ctx, `SELECT l.name, l.type, l.wr, x.name, x.type, x.hidden,
			x.pk AND NOT EXISTS (SELECT 1 FROM pragma_index_list(l.name, 'main') WHERE origin = 'pk')
		FROM pragma_table_list AS l, pragma_table_xinfo(l.name, 'main') AS x
		WHERE l.schema = 'main' AND l.type IN ('table', 'shadow') AND l.name <> 'sqlite_schema'
		ORDER BY l.name, x.cid`, func(scan scanner) error {
		var name, kind string
		var c column
		var withoutRowid, isAlias bool
		var hidden int
		if err := scan(&name, &kind, &withoutRowid, &c.name, &c.typ, &hidden, &isAlias); err != nil {
			return err
		}
		t := s.tables[name]
		if t == nil {
			return fmt.Errorf("table %s: it is in no line of the schema", name)
		}
		t.kind = kind
		if !withoutRowid {
			t.rowid = "rowid"
		}
		if isAlias {
			aliases[t] = append(aliases[t], len(t.columns))
		}
		if hidden == 0 {
			t.columns = append(t.columns, c)
		}
		return nil
	})
	for _, t := range s.tables {
		if t.rowid != "" {
			t.nameRowid(aliases[t])
		}
	}
	return err
}

// nameRowid finds a name for the rowid.
func (t *table) nameRowid(aliases []int) {
	if len(aliases) == 1 && strings.EqualFold(t.columns[aliases[0]].typ, "INTEGER") {
		t.rowid = t.columns[aliases[0]].name
		t.key = []keyColumn{{name: t.rowid, at: aliases[0], collation: binaryCollation}}
		return
	}
	names := []string{"rowid", "_rowid_", "oid"}
	free := slices.IndexFunc(names, func(name string) bool { return t.column(name) < 0 })
	if t.rowid = ""; free >= 0 {
		t.rowid = names[free]
		t.key = []keyColumn{{name: t.rowid, at: -1, collation: binaryCollation}}
	}
}

// readKeys reads the primary keys of WITHOUT ROWID tables.
func (s *side) readKeys(ctx context.Context) error {
	return s.each(ctx, `SELECT l.name, x.name, x.coll, x.desc
		FROM pragma_table_list AS l, pragma_index_list(l.name, 'main') AS i, pragma_index_xinfo(i.name, 'main') AS x
		WHERE l.schema = 'main' AND l.wr AND l.type IN ('table', 'shadow') AND i.origin = 'pk' AND x.key
		ORDER BY l.name, x.seqno`, func(scan scanner) error {
		var name string
		var k keyColumn
		if err := scan(&name, &k.name, &k.collation, &k.descending); err != nil {
			return err
		}
		t := s.tables[name]
		k.at, k.collation = t.column(k.name), strings.ToUpper(k.collation)
		if k.at < 0 {
			return fmt.Errorf("table %s: its key has a column %s that it does not store", name, k.name)
		}
		t.key = append(t.key, k)
		return nil
	})
}

// readUnique reads which columns of unique indexes tell rows apart, besides the key.
func (s *side) readUnique(ctx context.Context) error {
	return s.each(ctx, `SELECT l.name, ifnull(x.name, '')
		FROM pragma_table_list AS l, pragma_index_list(l.name, 'main') AS i, pragma_index_xinfo(i.name, 'main') AS x
		WHERE l.schema = 'main' AND l.type IN ('table', 'shadow') AND l.name <> 'sqlite_schema'
			AND i."unique" AND NOT (l.wr AND i.origin = 'pk') AND x.key`, func(scan scanner) error {
		var name, column string
		err := scan(&name, &column)
		if t := s.tables[name]; t != nil {
			t.unique = append(t.unique, t.column(column)) // -1 for an expression, and for a generated column
		}
		return err
	})
}

// scanner scans a row, as sql.Rows.Scan.
type scanner func(into ...any) error

// each calls f for each row of a query.
func (s *side) each(ctx context.Context, query string, f func(scanner) error) error {
	rows, err := s.db.QueryContext(ctx, query)
	if err != nil {
		return cmp.Or(context.Cause(ctx), err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows.Scan); err != nil {
			return err
		}
	}
	return cmp.Or(context.Cause(ctx), rows.Err())
}
