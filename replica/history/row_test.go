package history_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/replctl/replicate/internal/testreplica"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica/diff"
	"github.com/replctl/replicate/replica/history"
	"github.com/replctl/replicate/sqlite"
)

// rowAt is a row of a state, by a plain lookup: its columns as one text, or nothing.
func (p *past) rowAt(txid ltx.TXID, sql string) string {
	p.t.Helper()
	db, err := sqlite.OpenView(bytes.NewReader(p.states[txid]))
	if err != nil {
		p.t.Fatal(err)
	}
	defer db.Close()
	var text string
	_ = db.QueryRow(sql).Scan(&text)
	return text
}

func drawnVersions(versions []history.RowVersion) (s string) {
	for _, v := range versions {
		s += fmt.Sprintf("%d %s", v.TXID, v.Op)
		for _, value := range v.Values {
			s += fmt.Sprintf(" %v", value)
		}
		s += "\n"
	}
	return s
}

// TestRowHistory: in random histories, each row had the states that a plain lookup at each moment
// shows.
func TestRowHistory(t *testing.T) {
	for seed := range uint64(12) {
		p := newPast(t, 100+seed, []string{"", "PRAGMA auto_vacuum=1;"}[seed%2])
		n := 36
		p.exec("CREATE TABLE row(a TEXT COLLATE NOCASE, b INT, v, PRIMARY KEY(b, a)) " +
			[]string{"", "WITHOUT ROWID"}[seed/2%2])
		p.life(n)
		table, key := "row", []any{int64(7), "KEY"}
		sql := "SELECT a || ' ' || b || ' ' || v FROM row WHERE a = 'key' AND b = 7"
		if seed%3 == 0 {
			table, key, sql = "NOISE", []any{int64(3)}, "SELECT id || ' ' || a FROM noise WHERE rowid = 3"
		}
		want, before := "", ""
		for txid := ltx.TXID(1); txid < ltx.TXID(len(p.states)); txid++ {
			now := p.rowAt(txid, sql)
			switch {
			case now == before:
				continue
			case before == "":
				want = fmt.Sprintf("%d insert %s\n", txid, now) + want
			case now == "":
				want = fmt.Sprintf("%d delete\n", txid) + want
			default:
				want = fmt.Sprintf("%d update %s\n", txid, now) + want
			}
			before = now
		}
		versions, h, err := history.RowHistory(t.Context(), p.client(), key, history.LogOptions{Table: table})
		if err != nil || drawnVersions(versions) != want || len(h.Problems) > 0 {
			t.Errorf("seed %d: %v, got\n%swant\n%s", seed, err, drawnVersions(versions), want)
		}
	}
}

// rows is a replica with a row that is made, changed twice, deleted, and made again.
func rows(t *testing.T) *past {
	p := newPast(t, 9, "")
	p.exec("CREATE TABLE plain(v); CREATE TABLE t(id INTEGER PRIMARY KEY, v DATE)")
	for p.commit(); len(p.states) <= 40; p.commit() {
		switch p.noise(); len(p.states) {
		case 10:
			p.exec("INSERT INTO t VALUES (5, '2026-11-29'); INSERT INTO plain VALUES ('x')")
		case 15:
			p.exec("UPDATE t SET v = x'00'")
		case 20:
			p.exec("ALTER TABLE t ADD COLUMN w DEFAULT 'new'")
		case 25:
			p.exec("DELETE FROM t")
		case 30:
			p.exec("INSERT INTO t VALUES (5, NULL, 1.5)")
		case 35:
			p.exec("DROP TABLE t")
		}
	}
	return p
}

func TestRowHistoryOf(t *testing.T) {
	p := rows(t)
	five := []any{int64(5)}
	for _, test := range []struct {
		key  []any
		opts history.LogOptions
		want string
	}{
		{five, history.LogOptions{Table: "t"}, "35 delete\n30 insert 5 <nil> 1.5\n25 delete\n" +
			"20 update 5 [0] new\n15 update 5 [0]\n10 insert 5 2026-11-29\n"},
		{five, history.LogOptions{Table: "t", Limit: 2}, "35 delete\n30 insert 5 <nil> 1.5\n"},
		{five, history.LogOptions{Table: "t", Since: p.time(17), Until: p.time(29)},
			"25 delete\n20 update 5 [0] new\n16  5 [0]\n"},
		{five, history.LogOptions{Table: "t", Since: p.time(27), Until: p.time(31)}, "30 insert 5 <nil> 1.5\n"},
		{[]any{"5"}, history.LogOptions{Table: "t", Until: p.time(12)}, "10 insert 5 2026-11-29\n"},
		{[]any{int64(6)}, history.LogOptions{Table: "t"}, ""},
		{[]any{int64(1)}, history.LogOptions{Table: "plain"}, "10 insert x\n"},
	} {
		versions, history, err := history.RowHistory(t.Context(), p.client(), test.key, test.opts)
		if err != nil || drawnVersions(versions) != test.want || history.More != (test.opts.Limit > 0) {
			t.Errorf("%v, %+v: %v, got\n%swant\n%s", test.key, test.opts, err, drawnVersions(versions), test.want)
		}
	}
	for want, table := range map[error]string{history.ErrKey: "t", diff.ErrNoTable: "nowhere"} {
		_, _, err := history.RowHistory(t.Context(), p.client(), []any{"a", "b"}, history.LogOptions{Table: table})
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", table, err, want)
		}
	}
}

// TestHistoryOfReal replicas of both formats: the log lists their moments, and the history of a row
// ends with what the latest state has.
func TestHistoryOfReal(t *testing.T) {
	for _, name := range []string{"v0.5", "v0.3"} {
		c := realClient(t, name)
		entries, h, err := history.Log(t.Context(), c, history.LogOptions{})
		if err != nil || len(entries) < 20 || len(h.Problems) > 0 {
			t.Fatalf("%s: %d entries, %+v, %v", name, len(entries), h, err)
		}
		for i, e := range entries[1:] {
			if e.Time.After(entries[i].Time) || e.Pages == 0 && !e.Whole || e.Size == 0 || e.Stored == 0 {
				t.Errorf("%s: %+v", name, e)
			}
		}
		versions, _, err := history.RowHistory(t.Context(), c, []any{int64(1)}, history.LogOptions{Table: "note"})
		if err != nil || len(versions) == 0 {
			t.Errorf("%s: %+v, %v", name, versions, err)
		}
	}
	for _, d := range testreplica.Damaged(t) {
		_, h, err := history.Log(t.Context(), realClient(t, "damaged/"+d.Name), history.LogOptions{})
		if d.Want == testreplica.Error && err == nil && len(h.Problems) == 0 {
			t.Errorf("%s: nothing is wrong", d.Name)
		}
		if d.Want != testreplica.Error && (err != nil || len(h.Problems) > 0) {
			t.Errorf("%s: %v, %+v", d.Name, err, h)
		}
	}
}
