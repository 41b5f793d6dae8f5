package history_test

import (
	"errors"
	"fmt"
	"math/bits"
	"testing"

	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica/history"
	"github.com/replctl/replicate/replica/restore"
	"github.com/replctl/replicate/sqlite/query"
)

// TestBisectFinds: 100 seeded replicas, of which it is known which transaction changed the answer.
func TestBisectFinds(t *testing.T) {
	const cases = 100
	for seed := range uint64(cases) {
		p := newPast(t, seed, "")
		n := 4 + p.rnd.IntN(24)
		changed := ltx.TXID(3 + p.rnd.IntN(n-2))
		p.exec("CREATE TABLE t(k TEXT PRIMARY KEY, v)")
		p.exec("INSERT INTO t VALUES ('a', 1)")
		for p.commit() < ltx.TXID(n) {
			if p.noise(); len(p.states) == int(changed) {
				p.exec("UPDATE t SET v = 'other'")
			}
		}
		before, after := changed-1, changed
		if from := ltx.TXID(3 + p.rnd.IntN(n)); from < ltx.TXID(n) { // else nothing is compacted
			to := from + 1 + ltx.TXID(p.rnd.IntN(n-int(from)))
			p.compact(from, to)
			if from <= before && before < to {
				before = from - 1
			}
			if from <= after && after < to {
				after = to
			}
		}
		opts := history.BisectOptions{From: &restore.Target{TXID: 2}, All: seed%4 == 3}
		if seed%2 == 0 {
			opts.From.TXID = before
		}
		b, err := history.Bisect(t.Context(), p.client(), "SELECT v FROM t", opts)
		if err != nil {
			t.Errorf("seed %d: %v", seed, err)
			continue
		}
		if len(b.Boundaries) != 1 || b.Boundaries[0].Before.Point.TXID != before ||
			b.Boundaries[0].After.Point.TXID != after {
			t.Errorf("seed %d, %d transactions: found %+v, want %v to %v", seed, n, b.Boundaries, before, after)
		}
		if most := bits.Len(uint(b.Moments-1)) + 2; !opts.All && b.Asked > most {
			t.Errorf("seed %d: %d views of %d moments, want at most %d", seed, b.Asked, b.Moments, most)
		}
	}
}

// TestBisectThousand moments: at most 12 views, each of which costs what an open and a lookup cost.
func TestBisectThousand(t *testing.T) {
	p := newPast(t, 1, "")
	p.exec("CREATE TABLE t(k INTEGER PRIMARY KEY, v)")
	for len(p.states) <= 1001 {
		p.exec("INSERT OR REPLACE INTO t VALUES (1, ?)", len(p.states) >= 700)
		p.exec("INSERT INTO t VALUES (?, 'x')", len(p.states))
		p.commit()
	}
	from := restore.Target{TXID: 2}
	b, err := history.Bisect(t.Context(), p.client(), "SELECT v FROM t WHERE k = 1", history.BisectOptions{From: &from})
	if err != nil {
		t.Fatal(err)
	}
	if b.Moments != 1000 || b.Asked > 12 || b.Same {
		t.Errorf("%d moments, %d views", b.Moments, b.Asked)
	}
	if len(b.Boundaries) != 1 || b.Boundaries[0].Before.Point.TXID != 699 || b.Boundaries[0].After.Point.TXID != 700 {
		t.Errorf("found %+v", b.Boundaries)
	}
	one, err := history.Bisect(t.Context(), p.client(), "SELECT v FROM t WHERE k = 1",
		history.BisectOptions{From: &restore.Target{}})
	if err != nil || one.Asked != 2 || one.Moments != 1 {
		t.Fatal(one, err)
	}
	t.Logf("%d views: %d requests, %d bytes; two opens and lookups: %d, %d",
		b.Asked, b.Stats.Requests, b.Stats.Bytes, one.Stats.Requests, one.Stats.Bytes)
}

// swings is a replica in which a value goes there and back: 0 at the transactions 2 to 9, 1 from 10
// to 24, 0 from 25 to 40.
func swings(t *testing.T) *past {
	p := newPast(t, 2, "")
	p.exec("CREATE TABLE t(v)")
	p.exec("INSERT INTO t VALUES (0)")
	for len(p.states) <= 40 {
		switch len(p.states) {
		case 10:
			p.exec("UPDATE t SET v = 1")
		case 25:
			p.exec("UPDATE t SET v = 0")
		default:
			p.noise()
		}
		p.commit()
	}
	return p
}

func drawn(b *history.Bisection) string {
	if b == nil {
		return "nothing"
	}
	s := fmt.Sprintf("same %v", b.Same)
	for _, c := range b.Boundaries {
		s += fmt.Sprintf(", %d: %v to %d: %v", c.Before.Point.TXID, answer(c.Before), c.After.Point.TXID, answer(c.After))
	}
	return s
}

func answer(v history.Value) any {
	if v.Err != nil {
		return v.Err.Message
	}
	return v.Value
}

func TestBisect(t *testing.T) {
	p := swings(t)
	at := func(txid ltx.TXID) *restore.Target { return &restore.Target{TXID: txid} }
	for _, test := range []struct {
		sql  string
		opts history.BisectOptions
		want string
	}{
		{"SELECT v FROM t", history.BisectOptions{From: at(2)}, "same true, 9: 0 to 10: 1"},
		{"SELECT v FROM t", history.BisectOptions{From: at(2), All: true}, "same true, 9: 0 to 10: 1, 24: 1 to 25: 0"},
		{"SELECT v FROM t", history.BisectOptions{All: true},
			"same false, 1: no such table: t to 2: 0, 9: 0 to 10: 1, 24: 1 to 25: 0"},
		{"SELECT v FROM t", history.BisectOptions{From: at(15)}, "same false, 24: 1 to 25: 0"},
		{"SELECT v FROM t", history.BisectOptions{From: at(3), To: *at(8)}, "same true"},
		{"SELECT v FROM t", history.BisectOptions{From: at(8), To: *at(8)}, "same true"},
		{"SELECT count(*) FROM sqlite_schema WHERE name = 't'", history.BisectOptions{}, "same false, 1: 0 to 2: 1"},
		{"SELECT v FROM t", history.BisectOptions{From: at(2), To: *at(20), While: "value < 1"}, "same false, 9: 0 to 10: 1"},
		{"SELECT v FROM t WHERE v > 0", history.BisectOptions{From: at(20), While: "value IS NOT NULL"},
			"same false, 24: 1 to 25: <nil>"},
		{"SELECT 2 -- always", history.BisectOptions{While: "value = 2 -- too"}, "same true"},
	} {
		b, err := history.Bisect(t.Context(), p.client(), test.sql, test.opts)
		if err != nil || drawn(b) != test.want {
			t.Errorf("%s, %+v: %v, %s, want %s", test.sql, test.opts, err, drawn(b), test.want)
		}
	}
}

func TestBisectRefuses(t *testing.T) {
	p := swings(t)
	refused := func(want error, sql string, opts history.BisectOptions) {
		t.Helper()
		if b, err := history.Bisect(t.Context(), p.client(), sql, opts); !errors.Is(err, want) {
			t.Errorf("%s: %+v, %v, want %v", sql, b, err, want)
		}
	}
	refused(history.ErrNotOneValue, "SELECT 1, 2", history.BisectOptions{})
	refused(history.ErrNotOneValue, "SELECT 1 UNION SELECT 2", history.BisectOptions{})
	backwards := history.BisectOptions{From: &restore.Target{TXID: 5}, To: restore.Target{TXID: 4}}
	refused(history.ErrNoMoments, "SELECT 1", backwards)
	refused(restore.ErrNoSuchState, "SELECT 1", history.BisectOptions{From: &restore.Target{TXID: 500}})
	_, err := history.Bisect(t.Context(), p.client(), "SELEC 1", history.BisectOptions{})
	if wrong := new(query.Error); !errors.As(err, &wrong) {
		t.Errorf("wrong SQL: %v", err)
	}
}
