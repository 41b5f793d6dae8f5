package restore_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/internal/fakereplica"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/restore"
	"github.com/replctl/replicate/v3compat"
)

// planned is a fakereplica.File, for tables.
type planned struct {
	Level    int
	Min, Max ltx.TXID
	Size     int
}

var planTime = fakereplica.Time

func (p planned) key() string { return fakereplica.File(p).Key() }

func planStore(t *testing.T, files ...planned) (*fakereplica.Store, *replica.Client) {
	t.Helper()
	var all []fakereplica.File
	for _, f := range files {
		all = append(all, fakereplica.File(f))
	}
	return fakereplica.New(t, all...)
}

func objects(files ...planned) (keys []string) {
	for _, f := range files {
		keys = append(keys, f.key())
	}
	return keys
}

func keysOf(p *restore.Plan) (keys []string) {
	for _, o := range p.Objects {
		keys = append(keys, o.Key)
	}
	return keys
}

func TestPlanLTX(t *testing.T) {
	snapshot, older := planned{9, 1, 10, 900}, planned{9, 1, 4, 800}
	level1, level1b := planned{1, 5, 10, 300}, planned{1, 11, 12, 200}
	l11, l12, l13 := planned{0, 11, 11, 150}, planned{0, 12, 12, 150}, planned{0, 13, 13, 150}
	_, c := planStore(t, snapshot, older, level1, level1b, l11, l12, l13)
	for name, test := range map[string]struct {
		target restore.Target
		want   []string
		txid   ltx.TXID
		notes  int
	}{
		"latest":             {restore.Target{}, objects(snapshot, level1b, l13), 13, 0},
		"a transaction":      {restore.Target{TXID: 11}, objects(snapshot, l11), 11, 0},
		"fewest bytes":       {restore.Target{TXID: 10}, objects(snapshot), 10, 0},
		"an older one":       {restore.Target{TXID: 4}, objects(older), 4, 0},
		"a time":             {restore.Target{Timestamp: planTime(11)}, objects(snapshot, l11), 11, 0},
		"between times":      {restore.Target{Timestamp: planTime(12).Add(-1)}, objects(snapshot, l11), 11, 0},
		"inside a file":      {restore.Target{Timestamp: planTime(7)}, objects(older), 4, 1},
		"before that file":   {restore.Target{Timestamp: planTime(4)}, objects(older), 4, 0},
		"after the last":     {restore.Target{Timestamp: planTime(14)}, objects(snapshot, level1b, l13), 13, 1},
		"the last, exactly":  {restore.Target{Timestamp: planTime(13)}, objects(snapshot, level1b, l13), 13, 0},
		"far after the last": {restore.Target{Timestamp: planTime(1 << 30)}, objects(snapshot, level1b, l13), 13, 1},
	} {
		p, err := restore.NewPlan(t.Context(), c, test.target)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(test.want, keysOf(p)); diff != "" {
			t.Errorf("%s: want (-) and got (+):\n%s", name, diff)
		}
		if got := (replica.Point{TXID: test.txid, Time: planTime(test.txid)}); p.State != got || len(p.Notes) != test.notes ||
			p.Format != replica.FormatLTX {
			t.Errorf("%s: got state %+v, notes %q", name, p.State, p.Notes)
		}
		var bytes int64
		for _, o := range p.Objects {
			bytes += o.Size
		}
		if p.Bytes != bytes || p.Requests != len(p.Objects) {
			t.Errorf("%s: %d bytes in %d requests for %+v", name, p.Bytes, p.Requests, p.Objects)
		}
	}
}

// What a level has kept beyond the end of a compacted file cannot be reached: the
// state before it can, and that is said.
func TestPlanBetweenStates(t *testing.T) {
	_, c := planStore(
		t,
		planned{9, 1, 2, 0},
		planned{1, 3, 10, 0},
		planned{0, 8, 8, 0},
		planned{0, 9, 9, 0},
		planned{0, 10, 10, 0},
	)
	p, err := restore.NewPlan(t.Context(), c, restore.Target{Timestamp: planTime(9)})
	if err != nil {
		t.Fatal(err)
	}
	if p.State.TXID != 2 || len(p.Notes) != 1 {
		t.Errorf("got %+v and notes %q, want the state of transaction 2 and a note", p.State, p.Notes)
	}
}

func TestPlanErrors(t *testing.T) {
	gap := []planned{{9, 1, 3, 0}, {0, 4, 4, 0}, {0, 6, 6, 0}, {9, 1, 8, 0}, {0, 9, 9, 0}, {0, 11, 11, 0}}
	none := []planned{{0, 5, 5, 0}, {0, 6, 6, 0}}
	for name, test := range map[string]struct {
		files         []planned
		target        restore.Target
		want          error
		before, after ltx.TXID
		names         string // what the message has to have
	}{
		"nothing":              {nil, restore.Target{}, replica.ErrNoReplica, 0, 0, ""},
		"latest after a gap":   {gap, restore.Target{}, replica.ErrDamaged, 9, 0, "000000000000000a"},
		"a time after the gap": {gap, restore.Target{Timestamp: planTime(20)}, replica.ErrDamaged, 9, 0, "000000000000000a"},
		"a time before it": {gap[:3], restore.Target{Timestamp: planTime(6)}, replica.ErrDamaged, 4, 0,
			"0000000000000005"},
		"inside a file": {gap, restore.Target{TXID: 2}, restore.ErrNoSuchState, 0, 3,
			"0000000000000001-0000000000000003"},
		"too late": {gap[:2], restore.Target{TXID: 5}, restore.ErrNoSuchState, 4, 0, "0000000000000004"},
		"too early": {gap, restore.Target{Timestamp: planTime(3).Add(-1)}, restore.ErrNoSuchState, 0, 3,
			"2023-11-14 22:13:24.5Z"},
		"no snapshot":         {none, restore.Target{}, replica.ErrDamaged, 0, 0, "no snapshot"},
		"no snapshot by time": {none, restore.Target{Timestamp: planTime(1)}, replica.ErrDamaged, 0, 0, "no snapshot"},
		"of the other format": {gap, restore.Target{Generation: "0123456789abcdef"}, restore.ErrNoSuchState, 0, 0,
			"0123456789abcdef"},
	} {
		_, c := planStore(t, test.files...)
		p, err := restore.NewPlan(t.Context(), c, test.target)
		if !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.names) {
			t.Errorf("%s: got %+v, %v; want %v that names %q", name, p, err, test.want, test.names)
			continue
		}
		var planErr *restore.PlanError
		if errors.As(err, &planErr) && (planErr.Before != at(test.before) || planErr.After != at(test.after)) {
			t.Errorf(
				"%s: nearest are %+v and %+v, want transactions %d and %d",
				name,
				planErr.Before,
				planErr.After,
				test.before,
				test.after,
			)
		}
	}
}

// TestPlanDamageBesideOther: what the other format has is taken for the latest state
// only if it is newer than what was lost, not just newer than what is left.
func TestPlanDamageBesideOther(t *testing.T) {
	files := []planned{{9, 1, 4, 0}, {0, 6, 6, 0}} // 5 is lost, and so 6
	for after, want := range map[ltx.TXID]error{3: replica.ErrDamaged, 5: replica.ErrDamaged, 7: nil} {
		s, c := planStore(t, files...)
		key := v3compat.SnapshotKey("0123456789abcdef", 0)
		if _, err := s.Write(t.Context(), key, strings.NewReader("snapshot"),
			blob.WriteOptions{ModTime: planTime(after)}); err != nil {
			t.Fatal(err)
		}
		p, err := restore.NewPlan(t.Context(), c, restore.Target{})
		if !errors.Is(err, want) || want == nil && (p.Format != replica.FormatV3 || p.Reason == "") {
			t.Errorf("beside a backup of the time of transaction %d: got %+v, %v, want %v", after, p, err, want)
		}
		if _, err := restore.NewPlan(t.Context(), c, restore.Target{TXID: 4}); err != nil {
			t.Errorf("what is sound: %v", err)
		}
	}
}

func at(txid ltx.TXID) replica.Point {
	if txid == 0 {
		return replica.Point{}
	}
	return replica.Point{TXID: txid, Time: planTime(txid)}
}

func TestPlanRefusesTargets(t *testing.T) {
	_, c := planStore(t, planned{9, 1, 3, 0})
	one, negative := 1, -1
	for name, target := range map[string]restore.Target{
		"two targets":      {TXID: 1, Timestamp: planTime(1)},
		"index alone":      {Index: &one},
		"index and time":   {Generation: "0123456789abcdef", Index: &one, Timestamp: planTime(1)},
		"TXID of v0.3":     {Generation: "0123456789abcdef", TXID: 1},
		"negative index":   {Generation: "0123456789abcdef", Index: &negative},
		"no generation ID": {Generation: "../../etc"},
	} {
		if p, err := restore.NewPlan(t.Context(), c, target); err == nil {
			t.Errorf("%s: got %+v", name, p)
		}
	}
}

// TestPlanCutOff: a file that is too short to be one is as good as missing, and is
// named.
func TestPlanCutOff(t *testing.T) {
	last := planned{0, 4, 4, 0}
	s, c := planStore(t, planned{9, 1, 3, 0}, last)
	if _, err := s.Write(t.Context(), last.key(), strings.NewReader("LTX"), blob.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, target := range []restore.Target{{}, {Timestamp: planTime(20)}} {
		_, err := restore.NewPlan(t.Context(), c, target)
		if !errors.Is(err, replica.ErrDamaged) || !strings.Contains(err.Error(), ltx.FormatName(4, 4)) {
			t.Errorf("%+v: got %v, want ErrDamaged that names the file", target, err)
		}
	}
}

// TestPlanAtDamage: a moment of which the state is lost, or may be, is not that of the
// state before without a word.
func TestPlanAtDamage(t *testing.T) {
	for name, test := range map[string]struct {
		lost  []planned // only the first bytes are there
		sound []planned
		at    ltx.TXID
		want  ltx.TXID // 0: ErrDamaged
		notes int
	}{
		"before the lost one":  {[]planned{{0, 3, 3, 0}}, []planned{{0, 4, 4, 0}}, 1, 1, 0},
		"in the middle":        {[]planned{{0, 3, 3, 0}}, []planned{{0, 4, 4, 0}}, 3, 0, 0},
		"beside a coarse file": {[]planned{{0, 3, 3, 0}, {0, 4, 4, 0}}, []planned{{1, 3, 5, 0}}, 4, 0, 0},
		"after a coarse file":  {[]planned{{0, 3, 3, 0}}, []planned{{1, 3, 5, 0}}, 5, 5, 0},
		"the very first":       {[]planned{{9, 1, 1, 0}}, nil, 1, 0, 0},
		"before a hole":        {nil, []planned{{0, 4, 4, 0}}, 1, 1, 0},
		"at a hole":            {nil, []planned{{0, 4, 4, 0}}, 3, 2, 1},
	} {
		files := []planned{{9, 1, 1, 0}, {9, 1, 2, 0}}
		s, c := planStore(t, append(files, test.sound...)...)
		for _, f := range test.lost {
			if _, err := s.Write(t.Context(), f.key(), strings.NewReader("LTX"), blob.WriteOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		p, err := restore.NewPlan(t.Context(), c, restore.Target{Timestamp: planTime(test.at)})
		switch {
		case test.want == 0 && !errors.Is(err, replica.ErrDamaged):
			t.Errorf("%s: got %+v, %v, want ErrDamaged", name, p, err)
		case test.want > 0 && (err != nil || p.State.TXID != test.want || len(p.Notes) != test.notes):
			t.Errorf("%s: got %+v, %v, want transaction %d", name, p, err, test.want)
		}
	}
}

// TestPlanReadsFewHeaders: the budget is 26 for 5,000 files.
func TestPlanReadsFewHeaders(t *testing.T) {
	files := []planned{{9, 1, 100, 0}}
	for txid := ltx.TXID(101); txid <= 5000; txid++ {
		files = append(files, planned{0, txid, txid, 0})
	}
	s, c := planStore(t, files...)
	for _, txid := range []ltx.TXID{100, 101, 2500, 4999, 5000} {
		s.Opens.Store(0)
		p, err := restore.NewPlan(t.Context(), c, restore.Target{Timestamp: planTime(txid)})
		if err != nil || p.State.TXID != txid {
			t.Fatalf("got %+v, %v, want transaction %d", p, err, txid)
		}
		if n := s.Opens.Load(); n > 16 {
			t.Errorf("transaction %d: %d headers read, want at most 16", txid, n)
		}
	}
	s.Opens.Store(0)
	if p, err := restore.NewPlan(t.Context(), c, restore.Target{}); err != nil || p.State.TXID != 5000 ||
		s.Opens.Load() > 1 {
		t.Errorf("latest: %+v, %v, %d headers read", p, err, s.Opens.Load())
	}
}

// moving is a store in which a file is compacted between two listings.
type moving struct {
	*fakereplica.Store
	move func()
}

func (m *moving) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if m.move != nil {
		m.move()
		m.move = nil
	}
	return m.Store.Open(ctx, key, offset, length)
}

// TestPlanAgain: what a compaction hides from one listing is found by the next.
func TestPlanAgain(t *testing.T) {
	compacted, rest := planned{1, 4, 5, 0}, planned{0, 6, 6, 0}
	s, _ := planStore(t, planned{9, 1, 3, 0}, rest)
	m := &moving{Store: s, move: func() {
		other, _ := planStore(t, compacted)
		rc, err := other.Store.Open(t.Context(), compacted.key(), 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer rc.Close()
		if _, err := s.Write(t.Context(), compacted.key(), rc, blob.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
	}}
	c := replica.NewClient("moving", ltx.LayoutS3, func(context.Context) (blob.Store, error) { return m, nil })
	p, err := restore.NewPlan(t.Context(), c, restore.Target{})
	if err != nil || !slices.Contains(keysOf(p), compacted.key()) {
		t.Errorf("got %+v, %v, want a plan with %s", p, err, compacted.key())
	}
}

// TestPlanNext: a moment inside a compacted file is answered with the states on both
// sides of it; one that has a state of its own, or that only a later file follows, is
// answered exactly.
func TestPlanNext(t *testing.T) {
	_, c := planStore(t, planned{9, 1, 4, 0}, planned{1, 5, 10, 0}, planned{0, 11, 11, 0}, planned{0, 12, 12, 0})
	for name, test := range map[string]struct {
		at         time.Time
		txid, next ltx.TXID
	}{
		"the first":                      {planTime(4), 4, 0},
		"right behind it":                {planTime(4).Add(time.Millisecond), 4, 10},
		"in the middle":                  {planTime(7), 4, 10},
		"right before the end":           {planTime(10).Add(-1), 4, 10},
		"its end":                        {planTime(10), 10, 0},
		"between single transactions":    {planTime(11).Add(-1), 10, 0},
		"the last":                       {planTime(12), 12, 0},
		"after the last, which is noted": {planTime(20), 12, 0},
	} {
		p, err := restore.NewPlan(t.Context(), c, restore.Target{Timestamp: test.at})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if p.State != at(test.txid) || p.Next != at(test.next) {
			t.Errorf("%s: got %+v and next %+v, want transactions %d and %d", name, p.State, p.Next, test.txid, test.next)
		}
		said := strings.Join(p.Notes, "\n")
		if test.next != 0 != strings.Contains(said, "inside a compacted file") ||
			test.next != 0 && !strings.Contains(said, at(test.next).Time.Format("15:04:05")) {
			t.Errorf("%s: notes %q", name, p.Notes)
		}
	}
}
