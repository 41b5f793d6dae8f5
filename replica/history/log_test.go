package history_test

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/diff"
	"github.com/replctl/replicate/replica/history"
	"github.com/replctl/replicate/replica/view"
	"github.com/replctl/replicate/sqlite"
)

// pageTables is the table of each page of a state that is in a b-tree and no overflow page, by
// SQLite's own account.
func (p *past) pageTables(txid ltx.TXID) map[int64]string {
	p.t.Helper()
	db, err := sqlite.OpenView(bytes.NewReader(p.states[txid]))
	if err != nil {
		p.t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query(`SELECT pageno, coalesce(s.tbl_name, d.name)
		FROM dbstat AS d LEFT JOIN sqlite_schema AS s USING (name)
		WHERE d.pagetype <> 'overflow'`)
	if err != nil {
		p.t.Fatal(err)
	}
	defer rows.Close()
	tables := map[int64]string{}
	for rows.Next() {
		var pgno int64
		var name string
		if err := rows.Scan(&pgno, &name); err != nil {
			p.t.Fatal(err)
		}
		tables[pgno] = name
	}
	return tables
}

// wantTables is the tables of the pages that two states differ in.
func (p *past) wantTables(from, to ltx.TXID) string {
	before, now, counts := p.pageTables(from), p.pageTables(to), map[string]int{}
	sameSchema := bytes.Equal(p.states[from][40:44], p.states[to][40:44])
	for _, pgno := range p.changed(p.states[from], p.states[to]) {
		if pgno == 1 && sameSchema {
			continue
		}
		was, is := before[int64(pgno)], now[int64(pgno)]
		if is == "" {
			is = was
		}
		if counts[is]++; was != is && was != "" {
			counts[was]++
		}
	}
	beforeNames, nowNames := slices.Collect(maps.Values(before)), slices.Collect(maps.Values(now))
	for _, name := range append(beforeNames, nowNames...) {
		if slices.Contains(beforeNames, name) != slices.Contains(nowNames, name) {
			counts[name] += 0
		}
	}
	delete(counts, "")
	return fmt.Sprint(counts)
}

func drawnTables(e history.Entry) string {
	counts := map[string]int{}
	for _, t := range e.Tables {
		counts[t.Name] = t.Pages
	}
	return fmt.Sprint(counts)
}

// life changes a database in all the ways that move pages.
func (p *past) life(transactions int) {
	p.exec(`CREATE TABLE big(id INTEGER PRIMARY KEY, b BLOB);
		CREATE TABLE pairs(a, b, c, PRIMARY KEY(a, b)) WITHOUT ROWID`)
	for p.commit(); len(p.states) <= transactions; p.commit() {
		switch p.rnd.IntN(12) {
		case 0:
			p.exec(fmt.Sprintf("CREATE TABLE more%d(x, y UNIQUE); INSERT INTO more%[1]d VALUES (1, 2)", len(p.states)))
		case 1:
			var name string
			if p.db.QueryRow("SELECT name FROM sqlite_schema WHERE name LIKE 'more%' LIMIT 1").Scan(&name) == nil {
				p.exec("DROP TABLE " + name)
			}
		case 2:
			p.exec("DELETE FROM pairs WHERE a % 3 = ?", p.rnd.IntN(3))
		case 3:
			p.exec("DELETE FROM big WHERE id % 2 = ?; DELETE FROM noise WHERE id % 2 = 0", p.rnd.IntN(2))
		case 4:
			if p.rnd.IntN(3) == 0 {
				p.exec("VACUUM")
			} else {
				p.exec("PRAGMA incremental_vacuum(3)")
			}
		case 5, 6:
			p.exec("INSERT INTO big(b) VALUES (randomblob(?))", p.rnd.IntN(5*p.pageSize))
		case 7, 8:
			p.exec(`WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c WHERE i < 40)
				INSERT OR REPLACE INTO pairs SELECT random() % 1000, i, hex(randomblob(8)) FROM c`)
		default:
			p.noise()
		}
	}
}

// TestLogTables: in random histories, each moment has changed the tables that SQLite says.
func TestLogTables(t *testing.T) {
	for seed := range uint64(24) {
		p := newPast(t, seed, []string{"", "PRAGMA auto_vacuum=1;", "PRAGMA auto_vacuum=2;"}[seed%3])
		n := 40
		p.life(n)
		lost := map[ltx.TXID]bool{}
		if seed%2 == 1 {
			from := ltx.TXID(2 + p.rnd.IntN(n-10))
			p.compact(from, from+6)
			for txid := from; txid < from+6; txid++ {
				lost[txid] = true
			}
		}
		entries, history, err := history.Log(t.Context(), p.client(), history.LogOptions{})
		if err != nil || history.More || len(history.Problems) > 0 || len(entries) != n-len(lost) {
			t.Fatalf("seed %d: %d entries, %+v, %v", seed, len(entries), history, err)
		}
		for i, e := range entries[:len(entries)-1] {
			before := entries[i+1].TXID
			pages := p.changed(p.states[before], p.states[e.TXID])
			if want := p.wantTables(before, e.TXID); drawnTables(e) != want || e.Pages != len(pages) {
				t.Errorf("seed %d, transaction %d: %d pages of %s, want %d of %s", seed, e.TXID, e.Pages, drawnTables(e),
					len(pages), want)
			}
			if e.Schema == bytes.Equal(p.states[before][40:44], p.states[e.TXID][40:44]) {
				t.Errorf("seed %d, transaction %d: schema changed %v", seed, e.TXID, e.Schema)
			}
			if e.Size != int64(len(p.states[e.TXID])) || !e.Time.Equal(p.time(e.TXID)) || e.Whole ||
				e.Of != (ltx.Range{Min: before + 1, Max: e.TXID}) {
				t.Errorf("seed %d: %+v", seed, e)
			}
		}
		if first := entries[len(entries)-1]; !first.Whole || first.TXID != 1 || len(first.Tables) != 2 {
			t.Errorf("seed %d: the first is %+v", seed, first)
		}
	}
}

// TestLogSnapshot: a moment of which only a snapshot is left has at most the pages of the file
// around it.
func TestLogSnapshot(t *testing.T) {
	p := newPast(t, 7, "")
	p.life(20)
	p.write(ltx.SnapshotLevel, 1, 10)
	p.compact(8, 13)
	entries, history, err := history.Log(t.Context(), p.client(), history.LogOptions{Since: p.time(10), Until: p.time(14)})
	if err != nil || len(entries) != 3 || len(history.Problems) > 0 {
		t.Fatalf("%+v, %+v, %v", entries, history, err)
	}
	around := len(p.changed(p.states[7], p.states[13]))
	for i, want := range []ltx.Range{{Min: 14, Max: 14}, {Min: 8, Max: 13}, {Min: 8, Max: 13}} {
		if e := entries[i]; e.Of != want || i > 0 && e.Pages != around {
			t.Errorf("moment %d: %d pages of %v, want %d of %v", e.TXID, e.Pages, e.Of, around, want)
		}
	}
	// The database is the right one on either side of it.
	if want := p.wantTables(13, 14); drawnTables(entries[0]) != want {
		t.Errorf("tables %s, want %s", drawnTables(entries[0]), want)
	}
}

// TestLogWindow: since, until, limit and table leave out what they say.
func TestLogWindow(t *testing.T) {
	p := newPast(t, 5, "")
	p.exec("CREATE TABLE rare(x)")
	for p.commit(); len(p.states) <= 30; p.commit() {
		if p.noise(); len(p.states)%9 == 0 {
			p.exec("INSERT INTO rare VALUES (1)")
		}
	}
	at := func(txid ltx.TXID) time.Time { return p.time(txid) }
	for _, test := range []struct {
		opts history.LogOptions
		want string
	}{
		{history.LogOptions{Limit: 2}, "30 29 more"},
		{history.LogOptions{Since: at(28)}, "30 29 28"},
		{history.LogOptions{Since: at(28).Add(1)}, "30 29"},
		{history.LogOptions{Until: at(2).Add(999 * time.Millisecond)}, "2 1"},
		{history.LogOptions{Since: at(5), Until: at(9), Limit: 3}, "9 8 7 more"},
		{history.LogOptions{Since: at(5), Until: at(4)}, ""},
		{history.LogOptions{Until: at(0)}, ""},
		{history.LogOptions{Since: at(99)}, ""},
		{history.LogOptions{Table: "RARE"}, "27 18 9 2"},
		{history.LogOptions{Table: "rare", Limit: 2}, "27 18 more"},
		{history.LogOptions{Table: "rare", Since: at(20)}, "27"},
		{history.LogOptions{Table: "rare", Since: at(28)}, ""},
	} {
		entries, history, err := history.Log(t.Context(), p.client(), test.opts)
		got := ""
		for i, e := range entries {
			if i > 0 {
				got += " "
			}
			got += fmt.Sprint(uint64(e.TXID))
		}
		if history != nil && history.More {
			got += " more"
		}
		if err != nil || got != test.want {
			t.Errorf("%+v: %q, %v, want %q", test.opts, got, err, test.want)
		}
	}
	for want, opts := range map[error]history.LogOptions{
		diff.ErrNoTable:  {Table: "nowhere"},
		view.ErrMaxBytes: {View: view.Options{MaxBytes: 2000}},
	} {
		if _, _, err := history.Log(t.Context(), p.client(), opts); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	empty := newPast(t, 6, "")
	if err := empty.store.Delete(t.Context(), []string{ltx.LayoutFile.Key(9, 1, 1)}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := history.Log(t.Context(), empty.client(), history.LogOptions{}); !errors.Is(err, replica.ErrNoReplica) {
		t.Errorf("nothing there: %v", err)
	}
}

// TestLogRows: the counts of each moment are those of a comparison of its rows with those before.
func TestLogRows(t *testing.T) {
	p := newPast(t, 11, "")
	p.life(25)
	entries, _, err := history.Log(t.Context(), p.client(), history.LogOptions{Rows: true})
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range entries {
		if e.TXID == 1 {
			if e.Tables[0].Rows != nil || !e.Before.IsZero() {
				t.Errorf("the first moment: %+v", e)
			}
			continue
		}
		if e.Before != entries[i+1].Point {
			t.Errorf("transaction %d comes after %+v", e.TXID, e.Before)
		}
		for _, table := range []string{"noise", "big"} {
			got := diff.Counts{}
			for _, written := range e.Tables {
				if written.Name == table {
					got = *written.Rows
				}
			}
			if want := p.wantCounts(e.TXID, table); got != want {
				t.Errorf("transaction %d, %s: %+v, want %+v", e.TXID, table, got, want)
			}
		}
	}
}

// wantCounts compares the rows of a table, after a transaction and before it.
func (p *past) wantCounts(txid ltx.TXID, table string) (c diff.Counts) {
	before, now := p.rowsOf(txid-1, table), p.rowsOf(txid, table)
	for id, row := range now {
		if was, ok := before[id]; !ok {
			c.Inserted++
		} else if was != row {
			c.Updated++
		}
	}
	for id := range before {
		if _, ok := now[id]; !ok {
			c.Deleted++
		}
	}
	return c
}

// rowsOf is the rows of a table by their ids.
func (p *past) rowsOf(txid ltx.TXID, table string) map[int64]string {
	p.t.Helper()
	db, err := sqlite.OpenView(bytes.NewReader(p.states[txid]))
	if err != nil {
		p.t.Fatal(err)
	}
	defer db.Close()
	found := map[int64]string{}
	rows, err := db.Query("SELECT * FROM " + table)
	if err != nil {
		return found // it is not there yet
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		var value sql.NullString
		if err := rows.Scan(&id, &value); err != nil {
			p.t.Fatal(err)
		}
		found[id] = value.String
	}
	return found
}
