package diff_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/replica/diff"
)

// TestTwoReplicas compares databases of other page sizes and encodings.
func TestTwoReplicas(t *testing.T) {
	const made = `CREATE TABLE rows(a, b); CREATE TABLE keyed(k TEXT PRIMARY KEY, v) WITHOUT ROWID;
		INSERT INTO rows VALUES ('ä', 1), ('b', 2), ('c', 3); INSERT INTO keyed VALUES ('ä', 1), ('b', 2);`
	first := newMade(t, blob.NewMemory(), "PRAGMA page_size = 4096")
	first.exec(made)
	first.commit(false)
	for _, pragmas := range []string{"PRAGMA page_size = 1024", "PRAGMA page_size = 4096; PRAGMA encoding = 'UTF-16le'"} {
		second := newMade(t, blob.NewMemory(), pragmas)
		second.exec(made)
		second.exec("DELETE FROM rows WHERE a = 'b'; UPDATE rows SET a = 'C' WHERE b = 3; DELETE FROM keyed WHERE k = 'b'")
		second.commit(false)
		d, err := diff.Compare(t.Context(), first.view(1), second.view(1), diff.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		isUTF16 := strings.Contains(pragmas, "UTF-16")
		for _, table := range d.Tables {
			want := map[string]diff.Counts{"keyed": {Deleted: 1}, "rows": {Updated: 1, Deleted: 1}}[table.Name]
			n, err := d.Count(t.Context(), table)
			if table.Name == "keyed" && isUTF16 {
				if !errors.Is(err, diff.ErrRefused) || !errors.Is(table.Refused, diff.ErrRefused) {
					t.Errorf("%s, %s: %+v, %v", pragmas, table.Name, n, err)
				}
			} else if n != want || err != nil {
				t.Errorf("%s, %s: %+v, %v", pragmas, table.Name, n, err)
			}
		}
		var b bytes.Buffer
		if err := d.Script(t.Context(), &b, false); (err != nil) != isUTF16 || isUTF16 && b.Len() > 0 {
			t.Errorf("%s: a script of %d bytes, %v", pragmas, b.Len(), err)
		}
		if len(d.Notes) != 1 {
			t.Errorf("%s: %q", pragmas, d.Notes)
		}
	}
}

// TestNoRowid: a table whose rowid has no name is refused, and the others are compared.
func TestNoRowid(t *testing.T) {
	m := newMade(t, blob.NewMemory(), "")
	m.exec("CREATE TABLE hidden(rowid, _rowid_, oid); CREATE TABLE shown(a); INSERT INTO hidden VALUES (1, 2, 3)")
	m.commit(false)
	m.exec("INSERT INTO hidden VALUES (1, 2, 3); INSERT INTO shown VALUES (1)")
	m.commit(false)
	d, err := diff.Compare(t.Context(), m.view(1), m.view(2), diff.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for _, table := range d.Tables {
		n, err := d.Count(t.Context(), table)
		if table.Name == "hidden" && !errors.Is(err, diff.ErrRefused) || table.Name == "shown" && n.Inserted != 1 {
			t.Errorf("%s: %+v, %v", table.Name, n, err)
		}
	}
	_, err = diff.Compare(t.Context(), m.view(1), m.view(2), diff.Options{Tables: []string{"missing"}})
	if !errors.Is(err, diff.ErrNoTable) {
		t.Errorf("a missing table: %v", err)
	}
}

// TestSwap: rows whose unique values were swapped, or moved on by one.
func TestSwap(t *testing.T) {
	m := newMade(t, blob.NewMemory(), "")
	m.exec(`CREATE TABLE t(id INTEGER PRIMARY KEY, u UNIQUE, v);
		INSERT INTO t VALUES (1,'a',0), (2,'b',0), (3,'c',0), (4,'d',0)`)
	m.commit(false)
	m.exec(`UPDATE t SET u = u || '!';
		UPDATE t SET u = CASE id WHEN 1 THEN 'b' WHEN 2 THEN 'a' WHEN 3 THEN 'd' END WHERE id < 4;
		DELETE FROM t WHERE id = 4; INSERT INTO t VALUES (9, 'c', 1)`)
	m.commit(false)
	h := &history{made: m}
	h.check(1, 2)
}

// TestOverflow: only an overflow page was overwritten, and the page with its row was not.
func TestOverflow(t *testing.T) {
	m := newMade(t, blob.NewMemory(), "PRAGMA page_size = 1024")
	m.exec(`CREATE TABLE t(id INTEGER PRIMARY KEY, v);
		WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 20)
		INSERT INTO t SELECT i, zeroblob(9000) FROM c`)
	m.commit(false)
	m.exec("UPDATE t SET v = CAST(zeroblob(8999) || x'01' AS BLOB) WHERE id = 7")
	m.commit(false)
	if n := len(changedPages(1024, m.states[0], m.states[1])); n != 2 {
		t.Fatalf("%d pages have changed: the first, and an overflow page", n)
	}
	d, err := diff.Compare(t.Context(), m.view(1), m.view(2), diff.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if n, err := d.Count(t.Context(), d.Tables[0]); err != nil || n != (diff.Counts{Updated: 1}) || len(d.Notes) != 1 {
		t.Errorf("%+v, %v, %q", n, err, d.Notes)
	}
}
