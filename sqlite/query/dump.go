package query

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// ErrNoTable: the database has no table or view of that name.
var ErrNoTable = errors.New("no such table")

// Dump writes SQL that makes the main database again, or only the tables and views with the given
// names and their indexes and triggers. It is what the .dump of the sqlite3 shell means: read by that
// shell it gives the same rows, except that a rowid which no column has may differ. Without
// a COMMIT at the end, the dump is not complete.
//
// It takes the connection for itself: several statements read one after the other. If the database
// may change meanwhile, begin a transaction first.
func Dump(ctx context.Context, conn *sql.Conn, w io.Writer, tables ...string) error {
	d := dumper{ctx: ctx, conn: conn, w: w}
	if err := d.readSchema(tables); err != nil {
		return err
	}
	d.print("PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n")
	for _, o := range d.objects {
		if o.Type == "table" && o.Name != "sqlite_sequence" {
			d.table(o)
		}
	}
	d.sequences()
	for _, o := range d.objects {
		if o.Type != "table" && o.SQL != "" {
			d.print("%s\n", Terminated(o.SQL))
		}
	}
	if d.schemaWritable {
		d.print("PRAGMA writable_schema=OFF;\n")
	}
	d.print("COMMIT;\n")
	return d.err
}

// dumper writes a dump. Once err is set, nothing more is written.
type dumper struct {
	ctx     context.Context
	conn    *sql.Conn
	w       io.Writer
	objects []Object
	some    []string // only these tables; nil is all

	schemaWritable bool
	err            error
}

func (d *dumper) print(format string, args ...any) {
	if d.err == nil {
		_, d.err = fmt.Fprintf(d.w, format, args...)
	}
}

// fail keeps the first error.
func (d *dumper) fail(what string, err error) {
	if d.err == nil && err != nil {
		d.err = fmt.Errorf("dump %s: %w", what, explain(d.ctx, err))
	}
}

// readSchema reads what to dump: of some tables also what belongs to them.
func (d *dumper) readSchema(tables []string) error {
	rows, err := d.conn.QueryContext(d.ctx, `SELECT type, name, tbl_name, ifnull(sql, ''), EXISTS
			(SELECT 1 FROM pragma_table_list WHERE schema = 'main' AND name = o.name AND type = 'shadow')
		FROM main.sqlite_schema AS o ORDER BY type = 'table' DESC, rowid`)
	if err != nil {
		return fmt.Errorf("dump: %w", explain(d.ctx, err))
	}
	defer rows.Close()
	found := map[string]bool{}
	for rows.Next() {
		var o Object
		var shadow bool
		if err := rows.Scan(&o.Type, &o.Name, &o.Table, &o.SQL, &shadow); err != nil {
			return fmt.Errorf("dump: %w", err)
		}
		wanted := func(name string) bool {
			name, of := strings.ToLower(name), strings.ToLower(o.Table)
			return name == of || shadow && strings.HasPrefix(of, name+"_")
		}
		if len(tables) == 0 || slices.ContainsFunc(tables, wanted) {
			d.objects = append(d.objects, o)
			found[strings.ToLower(o.Table)] = true
		}
	}
	for _, name := range tables {
		if !found[strings.ToLower(name)] && rows.Err() == nil {
			return fmt.Errorf("dump %s: %w", name, ErrNoTable)
		}
	}
	d.some = tables
	return explain(d.ctx, rows.Err())
}

// table writes the definition of a table and its rows.
func (d *dumper) table(o Object) {
	switch {
	case o.Name == "sqlite_stat1": // sqlite_stat4 exists in some builds of SQLite only; ANALYZE makes it again
		d.print("ANALYZE sqlite_schema;\n")
	case strings.HasPrefix(o.Name, "sqlite_"):
		return
	case isVirtual(o.SQL):
		d.virtual(o)
		return
	default:
		d.print("%s\n", Terminated(o.SQL))
	}
	d.rows(o.Name)
}

func isVirtual(sql string) bool {
	return strings.HasPrefix(strings.ToUpper(strings.Join(strings.Fields(sql), " ")), "CREATE VIRTUAL TABLE")
}

// virtual writes a virtual table as the sqlite3 shell does: by its line in the schema, since
// CREATE VIRTUAL TABLE would make the tables below it, which are dumped with their rows.
func (d *dumper) virtual(o Object) {
	if !d.schemaWritable {
		d.schemaWritable = true
		d.print("PRAGMA writable_schema=ON;\n")
	}
	name, definition := AppendLiteral(nil, o.Name), AppendLiteral(nil, o.SQL)
	d.print("INSERT INTO sqlite_schema(type,name,tbl_name,rootpage,sql)VALUES('table',%s,%s,0,%s);\n",
		name, name, definition)
}

// rows writes the rows of a table.
func (d *dumper) rows(table string) {
	columns, generated, err := d.columns(table)
	if d.fail(table, err); d.err != nil {
		return
	}
	quoted := make([]string, len(columns))
	for i, c := range columns {
		quoted[i] = Identifier(c)
	}
	list := strings.Join(quoted, ",")
	into := Identifier(table)
	if generated {
		into += "(" + list + ")"
	}
	w := &insertWriter{w: d.w, before: "INSERT INTO " + into + " VALUES("}
	d.fail(table, Run(d.ctx, d.conn, fmt.Sprintf("SELECT %s FROM main.%s", list, Identifier(table)), w))
}

// columns returns the columns of a table that are stored, and whether it has generated ones.
func (d *dumper) columns(table string) (names []string, generated bool, err error) {
	rows, err := d.conn.QueryContext(d.ctx, "SELECT name, hidden FROM pragma_table_xinfo(?, 'main')", table)
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var hidden int
		if err := rows.Scan(&name, &hidden); err != nil {
			return nil, false, err
		}
		if hidden != 0 {
			generated = true
		} else {
			names = append(names, name)
		}
	}
	return names, generated, rows.Err()
}

// sequences writes where AUTOINCREMENT goes on. The table sqlite_sequence is there as soon as a table
// needs it.
func (d *dumper) sequences() {
	has := func(o Object) bool { return o.Name == "sqlite_sequence" }
	switch {
	case d.err != nil:
	case d.some == nil && slices.ContainsFunc(d.objects, has):
		d.print("DELETE FROM sqlite_sequence;\n")
		d.rows("sqlite_sequence")
	case d.some != nil:
		d.someSequences()
	}
}

// someSequences is sequences for some tables. Where they are put back, others may have theirs.
func (d *dumper) someSequences() {
	for _, o := range d.objects {
		if o.Type != "table" || !strings.Contains(strings.ToUpper(o.SQL), "AUTOINCREMENT") {
			continue
		}
		var seq sql.NullInt64
		err := d.conn.QueryRowContext(d.ctx, "SELECT max(seq) FROM main.sqlite_sequence WHERE name = ?", o.Name).Scan(&seq)
		if d.fail(o.Name, err); err != nil || !seq.Valid {
			continue
		}
		name := AppendLiteral(nil, o.Name)
		d.print("DELETE FROM sqlite_sequence WHERE name=%s;\nINSERT INTO sqlite_sequence VALUES(%s,%d);\n",
			name, name, seq.Int64)
	}
}

// insertWriter is a [Writer] of INSERT statements.
type insertWriter struct {
	w      io.Writer
	before string
	line   []byte
}

func (i *insertWriter) Begin([]string) error { return nil }

func (i *insertWriter) Row(values []any) error {
	i.line = append(i.line[:0], i.before...)
	for k, v := range values {
		i.line = AppendLiteral(comma(i.line, k), v)
	}
	i.line = append(i.line, ");\n"...)
	_, err := i.w.Write(i.line)
	return err
}

func (i *insertWriter) End() error { return nil }
