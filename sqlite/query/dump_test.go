package query

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const everything = `
CREATE TABLE plain(a, b TEXT, c REAL, d BLOB, at DATETIME);
CREATE TABLE "odd ""name"(x INTEGER PRIMARY KEY AUTOINCREMENT, "col ""umn" TEXT DEFAULT ';');
CREATE TABLE keyed(k TEXT PRIMARY KEY, v) WITHOUT ROWID;
CREATE TABLE computed(a INTEGER, b INTEGER AS (a*2) STORED, c INTEGER AS (a+1), d);
CREATE TABLE other(x INTEGER PRIMARY KEY AUTOINCREMENT);
CREATE TABLE empty(a);
CREATE UNIQUE INDEX plain_a ON plain(a) WHERE a IS NOT NULL;
CREATE VIEW seen AS SELECT a, b FROM plain;
CREATE TRIGGER through INSTEAD OF INSERT ON seen BEGIN INSERT INTO plain(a) VALUES(new.a); END;
CREATE TRIGGER counted AFTER INSERT ON plain BEGIN INSERT INTO empty VALUES(1); DELETE FROM empty; END;
CREATE VIRTUAL TABLE docs USING fts5(body);
CREATE TABLE docs_archive(body);
INSERT INTO docs VALUES('the quick brown fox'),('lazy dog''s');
INSERT INTO "odd ""name" VALUES(7,'x'),(NULL,'y');
INSERT INTO other VALUES(100);
INSERT INTO keyed VALUES('b',1),('a',x'00ff');
INSERT INTO computed(a,d) VALUES(1,'one'),(2,'two');
INSERT INTO docs_archive VALUES('old');
CREATE TABLE pair(a PRIMARY KEY, b);
ANALYZE; DROP TABLE sqlite_stat4;`

// A dump that the real shell reads gives the same database, as the real shell dumps it.
func TestDumpReloaded(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "db")
	conn := openFile(t, path, everything+"BEGIN")
	for i, v := range values() {
		if v == "ctl\x1a" { // the shell of some systems takes it for the end of its input
			continue
		}
		if _, err := conn.ExecContext(t.Context(), "INSERT INTO plain(a,b,d) VALUES(?, CAST(? AS TEXT), ?)",
			fmt.Sprint("key", i), []byte(Text(v)), v); err != nil {
			t.Fatal(err)
		}
	}
	rng := rand.New(rand.NewPCG(17, 4))
	for range 2000 {
		if _, err := conn.ExecContext(t.Context(), "INSERT INTO plain(c) VALUES(?)",
			math.Float64frombits(rng.Uint64()>>1)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := conn.ExecContext(t.Context(), "COMMIT"); err != nil {
		t.Fatal(err)
	}
	var dump bytes.Buffer
	if err := Dump(t.Context(), conn, &dump); err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(dir, "copy")
	if out := sqlite3(t, copied, dump.String()); out != "" {
		t.Errorf("reading the dump: %s", out)
	}
	if diff := cmp.Diff(sqlite3(t, path, ".dump"), sqlite3(t, copied, ".dump")); diff != "" {
		t.Errorf("(-want +got)\n%.4000s", diff)
	}
	const check = "PRAGMA integrity_check; SELECT count(*) FROM docs WHERE docs MATCH 'dog';"
	if got := sqlite3(t, copied, check); got != "ok\n1\n" {
		t.Errorf("the copy: %s", got)
	}
	again := openFile(t, copied, "")
	var second bytes.Buffer
	if err := Dump(t.Context(), again, &second); err != nil || second.String() != dump.String() {
		t.Errorf("a dump of the copy is another one (%v)", err)
	}
}

func TestDumpSome(t *testing.T) {
	conn := open(t, everything)
	for _, c := range []struct {
		tables         []string
		have, havenone []string
	}{
		{[]string{"PLAIN"}, []string{"CREATE TABLE plain", "CREATE UNIQUE INDEX plain_a", "CREATE TRIGGER counted"},
			[]string{"keyed", "seen", "sqlite_sequence", "docs"}},
		{[]string{`odd "name`}, []string{"INSERT INTO \"odd \"\"name\" VALUES(8,'y')",
			"DELETE FROM sqlite_sequence WHERE name='odd \"name'", `INSERT INTO sqlite_sequence VALUES('odd "name',8)`},
			[]string{"DELETE FROM sqlite_sequence;", "100"}},
		{[]string{"seen"}, []string{"CREATE VIEW seen", "CREATE TRIGGER through"}, []string{"CREATE TABLE"}},
		{[]string{"docs"}, []string{"PRAGMA writable_schema=ON", "'CREATE VIRTUAL TABLE docs", "docs_content"},
			[]string{"docs_archive"}},
		{[]string{"keyed", "computed"}, []string{`VALUES('a',X'00FF')`, `INSERT INTO "computed"("a","d") VALUES(1,'one')`},
			[]string{"plain"}},
	} {
		var b bytes.Buffer
		if err := Dump(t.Context(), conn, &b, c.tables...); err != nil {
			t.Fatal(err)
		}
		for _, want := range append(c.have, "BEGIN TRANSACTION;\n", "COMMIT;\n") {
			if !strings.Contains(b.String(), want) {
				t.Errorf("%q: no %s in\n%s", c.tables, want, b.String())
			}
		}
		for _, not := range c.havenone {
			if strings.Contains(b.String(), not) {
				t.Errorf("%q: %s is in\n%s", c.tables, not, b.String())
			}
		}
	}
	var b bytes.Buffer
	if err := Dump(t.Context(), conn, &b, "plain", "missing"); !errors.Is(err, ErrNoTable) || b.Len() > 0 {
		t.Errorf("a missing table: %v, %d bytes", err, b.Len())
	}
}

func TestSchemaCountSizes(t *testing.T) {
	conn := open(t, everything)
	objects, err := Schema(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, o := range objects {
		if o.Table == "plain" || o.Table == "pair" || o.Type == "view" {
			names = append(names, o.Type+" "+o.Name)
		}
	}
	want := []string{"table plain", "index plain_a", "view seen", "table pair", "index sqlite_autoindex_pair_1"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	n, err := Count(t.Context(), conn, `odd "name`)
	if err != nil || n != 2 {
		t.Errorf("%d rows (%v)", n, err)
	}
	if _, err := Count(t.Context(), conn, "missing"); err == nil {
		t.Error("a missing table has a count")
	}
	sizes, err := Sizes(t.Context(), conn)
	if err != nil || sizes["plain"] < 512 || sizes["plain_a"] < 512 || sizes["missing"] != 0 {
		t.Errorf("%v (%v)", sizes, err)
	}
	var total, pages, pageSize int64
	for _, size := range sizes {
		total += size
	}
	if err := conn.QueryRowContext(t.Context(), `SELECT page_count - freelist_count, page_size
		FROM pragma_page_count, pragma_page_size, pragma_freelist_count`).
		Scan(&pages, &pageSize); err != nil || total != pages*pageSize {
		t.Errorf("sizes add up to %d, the database has %d pages of %d (%v)", total, pages, pageSize, err)
	}
}

// A comment at the end of a view or a trigger does not swallow what comes after it.
func TestDumpComments(t *testing.T) {
	const made = `CREATE TABLE t(a);
CREATE VIEW v AS SELECT a FROM t -- the end
;
CREATE VIEW w AS SELECT '--' FROM t /* the end */;
CREATE TRIGGER r AFTER INSERT ON t BEGIN DELETE FROM t WHERE a = '-- x'; END -- of it
;
CREATE INDEX i ON t(a);`
	var first, second bytes.Buffer
	if err := Dump(t.Context(), open(t, made), &first); err != nil {
		t.Fatal(err)
	}
	if err := Dump(t.Context(), open(t, first.String()), &second); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first.String(), second.String()); diff != "" {
		t.Errorf("(-dump +dump of the dump)\n%s", diff)
	}
	for _, want := range []string{"FROM t -- the end\n;\n", "/* the end */;\n", "CREATE INDEX i ON t(a);\n"} {
		if !strings.Contains(second.String(), want) {
			t.Errorf("no %q in\n%s", want, second.String())
		}
	}
	for statement, want := range map[string]string{
		"SELECT 1": "SELECT 1;", "SELECT 1 -- x\n": "SELECT 1 -- x\n;", "SELECT 1 /* x": "SELECT 1 /* x*/;",
		"SELECT '-- x'": "SELECT '-- x';", "SELECT 1 -- /* x": "SELECT 1 -- /* x\n;",
	} {
		if got := Terminated(statement); got != want {
			t.Errorf("%q: got %q, want %q", statement, got, want)
		}
	}
}
