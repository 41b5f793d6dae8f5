package diff_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/replctl/replicate/replica/diff"
	"github.com/replctl/replicate/sqlite/query"
)

// TestHistories compares moments of random histories: the rows with those of a plain comparison, and
// what a script makes of one database with the other.
func TestHistories(t *testing.T) {
	n := 20
	if os.Getenv("REPLICATE_HISTORIES") == "all" {
		n = 200
	}
	for seed := range n {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			h := newHistory(t, uint64(seed))
			for range 7 {
				h.change()
			}
			for range 2 {
				from, to := 1+h.rng.IntN(len(h.states)), 1+h.rng.IntN(len(h.states))
				h.check(from, to)
			}
		})
	}
}

// check compares two moments.
func (h *history) check(from, to int) {
	h.t.Helper()
	ctx := h.t.Context()
	d, err := diff.Compare(ctx, h.view(from), h.view(to), diff.Options{})
	if err != nil {
		h.t.Fatal(err)
	}
	defer d.Close()
	first, second := h.copyOf(from), h.copyOf(to)
	for _, table := range d.Tables {
		var got []string
		var last *int64
		for r, err := range d.Rows(ctx, table) {
			if err != nil {
				h.t.Fatalf("%d to %d: %v", from, to, err)
			}
			got = append(got, lineOf(r, table))
			if n, ok := r.Key[0].(int64); ok && len(r.Key) == 1 && table.From != nil && table.To != nil {
				if last != nil && *last >= n {
					h.t.Errorf("%d to %d, %s: key %d comes after %d", from, to, table.Name, n, *last)
				}
				last = &n
			}
		}
		want := plain(h.t, first, second, table)
		slices.Sort(want)
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			h.t.Fatalf("%d to %d, %s (-want +got)\n%.3000s", from, to, table.Name, diff)
		}
	}
	for _, undo := range []bool{false, true} {
		db, want := h.copyOf(from), second
		if undo {
			db, want = h.copyOf(to), first
		}
		var b bytes.Buffer
		if err := d.Script(ctx, &b, undo); err != nil {
			h.t.Fatalf("%d to %d: %v", from, to, err)
		}
		if _, err := db.Exec(b.String()); err != nil {
			h.t.Fatalf("%d to %d, undo %v: %v\n%.3000s", from, to, undo, err, b.String())
		}
		if diff := cmp.Diff(dump(h.t, want), dump(h.t, db)); diff != "" {
			h.t.Fatalf("%d to %d, undo %v (-want +got)\n%.3000s\n%.3000s", from, to, undo, diff, b.String())
		}
		var check string
		if err := db.QueryRow("PRAGMA integrity_check").Scan(&check); err != nil || check != "ok" {
			h.t.Fatalf("%d to %d, undo %v: %s (%v)", from, to, undo, check, err)
		}
	}
}

// copyOf is the database of a moment in a file of its own.
func (m *made) copyOf(txid int) *sql.DB {
	m.t.Helper()
	path := filepath.Join(m.t.TempDir(), "copy")
	if err := os.WriteFile(path, m.states[txid-1], 0o600); err != nil {
		m.t.Fatal(err)
	}
	const pragmas = "?_pragma=synchronous(0)&_pragma=journal_mode(memory)&_pragma=foreign_keys(1)"
	db, err := sql.Open("sqlite", "file:"+path+pragmas)
	if err != nil {
		m.t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	m.t.Cleanup(func() { db.Close() })
	return db
}

// dump is the sorted lines of the SQL that makes the database.
func dump(t testing.TB, db *sql.DB) []string {
	t.Helper()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var b bytes.Buffer
	if err := query.Dump(t.Context(), conn, &b); err != nil {
		t.Fatal(err)
	}
	var version int
	if err := conn.QueryRowContext(t.Context(), "PRAGMA user_version").Scan(&version); err != nil {
		t.Fatal(err)
	}
	lines := append(strings.Split(b.String(), "\n"), fmt.Sprint("user_version ", version))
	lines = slices.DeleteFunc(lines, func(s string) bool { return s == "DELETE FROM sqlite_sequence;" })
	slices.Sort(lines)
	return lines
}

func literal(values []any) string {
	var b []byte
	for _, v := range values {
		b = append(query.AppendLiteral(b, v), ' ')
	}
	return string(b)
}

func lineOf(r diff.Row, t *diff.Table) string {
	if r.Op == diff.Update && len(t.Changed(r)) == 0 {
		return "an update without a change"
	}
	return fmt.Sprintf("%s key %s before %s after %s", r.Op, literal(r.Key), literal(r.Before), literal(r.After))
}

// plain compares the rows of two tables in memory.
func plain(t testing.TB, first, second *sql.DB, table *diff.Table) (lines []string) {
	t.Helper()
	key := slices.Clone(table.Key)
	read := func(db *sql.DB, columns []string) (keys []string, rows map[string][]any, shown map[string][]any) {
		rows, shown = map[string][]any{}, map[string][]any{}
		if columns == nil {
			return nil, rows, shown
		}
		var list []string
		for _, name := range slices.Concat(key, columns) {
			list = append(list, "+"+query.Identifier(name))
		}
		got, err := db.Query("SELECT " + strings.Join(list, ",") + " FROM " + query.Identifier(table.Name))
		if err != nil {
			t.Fatal(err)
		}
		defer got.Close()
		for got.Next() {
			values, into := make([]any, len(list)), make([]any, len(list))
			for i := range into {
				into[i] = &values[i]
			}
			if err := got.Scan(into...); err != nil {
				t.Fatal(err)
			}
			k := literal(values[:len(key)])
			if strings.HasPrefix(table.Name, "keyed") { // COLLATE NOCASE
				k = strings.ToLower(k)
			}
			keys, rows[k], shown[k] = append(keys, k), values[len(key):], values[:len(key)]
		}
		return keys, rows, shown
	}
	was, before, wasKey := read(first, table.From)
	is, after, isKey := read(second, table.To)
	for _, k := range was {
		if row, ok := after[k]; !ok {
			lines = append(lines, fmt.Sprintf("delete key %s before %s after ", literal(wasKey[k]), literal(before[k])))
		} else if !sameColumns(table, before[k], row) {
			lines = append(lines, fmt.Sprintf("update key %s before %s after %s",
				literal(wasKey[k]), literal(before[k]), literal(row)))
		}
	}
	for _, k := range is {
		if _, ok := before[k]; !ok {
			lines = append(lines, fmt.Sprintf("insert key %s before  after %s", literal(isKey[k]), literal(after[k])))
		}
	}
	return lines
}

func sameColumns(table *diff.Table, before, after []any) bool {
	for i, name := range table.From {
		j := slices.Index(table.To, name)
		if j >= 0 && literal(before[i:i+1]) != literal(after[j:j+1]) {
			return false
		}
	}
	return true
}
