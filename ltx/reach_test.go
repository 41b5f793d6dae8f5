package ltx

import (
	"cmp"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
)

func names(files []*FileInfo) (s []string) {
	for _, f := range files {
		s = append(s, LayoutFile.Key(f.Level, f.MinTXID, f.MaxTXID))
	}
	return s
}

func TestReach(t *testing.T) {
	snapshot, old := file(9, 1, 10, 1000), file(9, 1, 4, 900)
	l1, l0a, l0b, l0c := file(1, 9, 12, 30), file(0, 11, 11, 20), file(0, 12, 12, 10), file(0, 13, 13, 10)
	huge := file(2, 5, 13, 5000)
	c := NewChain([]*FileInfo{l0c, huge, l1, snapshot, l0a, l0b, old})
	for target, want := range map[TXID][]*FileInfo{
		4:  {old},
		10: {snapshot},
		11: {snapshot, l0a},
		12: {snapshot, l1}, // as many bytes as the two at level 0, but one file less
		13: {snapshot, l1, l0c},
	} {
		got, err := c.Reach(target)
		if err != nil {
			t.Errorf("%d: %v", target, err)
			continue
		}
		if diff := gocmp.Diff(names(want), names(got.Files)); diff != "" {
			t.Errorf("%d: (-want +got)\n%s", target, diff)
		}
		if got.TXID() != target {
			t.Errorf("%d: the path leads to %d", target, got.TXID())
		}
	}
	if got, want := c.Restorable(), []TXID{4, 10, 11, 12, 13}; !slices.Equal(got, want) {
		t.Errorf("restorable %v, want %v", got, want)
	}
}

func TestPathTime(t *testing.T) {
	first, second := file(9, 1, 1, 1), file(0, 2, 2, 1)
	first.CreatedAt, second.CreatedAt = time.Unix(1, 0), time.Unix(2, 0)
	p, err := NewChain([]*FileInfo{second, first}).Reach(2)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := p.Time(), time.Unix(2, 0); !got.Equal(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestReachUnreachable(t *testing.T) {
	hole := []*FileInfo{file(9, 1, 10, 1), file(0, 11, 14, 1), file(0, 19, 19, 1), file(1, 19, 25, 1)}
	for _, tt := range []struct {
		name   string
		files  []*FileInfo
		target TXID
		want   UnreachableError
	}{
		{"no files", nil, 3, UnreachableError{Reason: "there are no LTX files"}},
		{"zero", hole, 0, UnreachableError{Above: 10, Reason: "transactions are numbered from 1"}},
		{"before the snapshot", hole, 7, UnreachableError{Above: 10,
			Reason: "it lies inside 0000000000000001-000000000000000a, and no file ends there"}},
		{"inside a file", hole, 12, UnreachableError{Below: 10, Above: 14,
			Reason: "it lies inside 000000000000000b-000000000000000e, and no file ends there"}},
		{"in a hole", hole, 16, UnreachableError{Below: 14, Missing: Range{15, 18},
			Reason: "transactions 000000000000000f-0000000000000012 are in no file"}},
		{"after a hole", hole, 19, UnreachableError{Below: 14, Missing: Range{15, 18},
			Reason: "transactions 000000000000000f-0000000000000012 are in no file"}},
		{"one is missing", []*FileInfo{file(0, 1, 1, 1), file(0, 3, 3, 1)}, 3,
			UnreachableError{Below: 1, Missing: Range{2, 2}, Reason: "transaction 0000000000000002 is in no file"}},
		{"after the end", hole[:2], 20, UnreachableError{Below: 14, Missing: Range{15, 20},
			Reason: "the last transaction is 000000000000000e"}},
		{"no snapshot", hole[1:], 14, UnreachableError{Missing: Range{1, 10},
			Reason: "there is no snapshot: no file begins at transaction 1, the first begins at 000000000000000b"}},
		{"nothing to apply it to", []*FileInfo{file(9, 1, 10, 1), file(0, 5, 7, 1)}, 7, UnreachableError{Above: 10,
			Reason: "0000000000000005-0000000000000007 ends there, but no state from 0000000000000004 to 0000000000000006, " +
				"to which it could be applied, can be restored"}},
	} {
		_, err := NewChain(tt.files).Reach(tt.target)
		var got *UnreachableError
		if !errors.As(err, &got) {
			t.Errorf("%s: got %v, want *UnreachableError", tt.name, err)
			continue
		}
		tt.want.Target = tt.target
		if diff := gocmp.Diff(&tt.want, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", tt.name, diff)
		}
		if !strings.Contains(got.Error(), got.Reason) || !strings.Contains(got.Error(), tt.target.String()) {
			t.Errorf("%s: message %q without target or reason", tt.name, got.Error())
		}
	}
}

// Reach is compared with trying all subsets of a few random files.
func TestReachIsBest(t *testing.T) {
	for seed := range uint64(400) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		files := randomFiles(rnd, 1+rnd.IntN(10), 1+rnd.Uint64N(20))
		best := bruteForce(files)
		c := NewChain(files)
		for target := TXID(0); target < 35; target++ {
			checkReach(t, seed, c, best, target)
		}
		var want []TXID
		for txid := range best {
			want = append(want, txid)
		}
		slices.Sort(want)
		if got := c.Restorable(); !slices.Equal(got, want) {
			t.Errorf("seed %d: restorable %v, want %v", seed, got, want)
		}
	}
}

type cost struct {
	bytes int64
	count int
}

// bruteForce is the cost of the best path to each transaction.
func bruteForce(files []*FileInfo) map[TXID]cost {
	sorted := slices.SortedFunc(slices.Values(files),
		func(a, b *FileInfo) int { return cmp.Compare(a.MaxTXID, b.MaxTXID) })
	best := make(map[TXID]cost)
	for subset := 1; subset < 1<<len(sorted); subset++ {
		var at TXID
		var c cost
		valid := true
		for i, f := range sorted {
			if subset&(1<<i) != 0 {
				valid = valid && f.MinTXID <= at+1 && f.MaxTXID > at
				at, c = f.MaxTXID, cost{c.bytes + f.Size, c.count + 1}
			}
		}
		old, ok := best[at]
		if valid && (!ok || c.bytes < old.bytes || c.bytes == old.bytes && c.count < old.count) {
			best[at] = c
		}
	}
	return best
}

func checkReach(t *testing.T, seed uint64, c *Chain, best map[TXID]cost, target TXID) {
	t.Helper()
	want, ok := best[target]
	p, err := c.Reach(target)
	if ok != (err == nil) {
		t.Fatalf("seed %d, target %d: got %v, want reachable: %t", seed, target, err, ok)
	}
	if ok {
		if got := (cost{p.Bytes, len(p.Files)}); got != want {
			t.Fatalf("seed %d, target %d: got %+v with %v, want %+v", seed, target, got, names(p.Files), want)
		}
		checkPath(t, p, target)
		return
	}
	var got *UnreachableError
	if !errors.As(err, &got) {
		t.Fatalf("seed %d, target %d: got %v, want *UnreachableError", seed, target, err)
	}
	var below, above TXID
	for txid := range best {
		if txid < target {
			below = max(below, txid)
		} else if above == 0 || txid < above {
			above = txid
		}
	}
	if got.Below != below || got.Above != above || got.Reason == "" {
		t.Errorf("seed %d, target %d: got %+v, want between %d and %d", seed, target, got, below, above)
	}
}

// checkPath applies the files of a path to a model of a database, in which
// transaction n writes a few pages, with n, and compares with the history.
func checkPath(t *testing.T, p *Path, target TXID) {
	t.Helper()
	got, want := make(map[uint64]TXID), make(map[uint64]TXID)
	var bytes int64
	for _, f := range p.Files {
		bytes += f.Size
		for txid := f.MinTXID; txid <= f.MaxTXID; txid++ {
			write(got, txid)
		}
	}
	for txid := TXID(1); txid <= target; txid++ {
		write(want, txid)
	}
	if diff := gocmp.Diff(want, got); diff != "" || bytes != p.Bytes {
		t.Fatalf("target %d, %v, %d bytes: (-history +applied)\n%s", target, names(p.Files), p.Bytes, diff)
	}
}

func write(db map[uint64]TXID, txid TXID) {
	rnd := rand.New(rand.NewPCG(uint64(txid), 3))
	for range 3 {
		db[rnd.Uint64N(12)] = txid
	}
}

func TestReachIsDeterministic(t *testing.T) {
	for seed := range uint64(100) {
		rnd := rand.New(rand.NewPCG(seed, 4))
		files := randomFiles(rnd, 60, 30)
		c := NewChain(files)
		rnd.Shuffle(len(files), func(i, j int) { files[i], files[j] = files[j], files[i] })
		shuffled := NewChain(files)
		for _, target := range c.Restorable() {
			p, err := c.Reach(target)
			q, err2 := shuffled.Reach(target)
			if err != nil || err2 != nil {
				t.Fatalf("seed %d, target %d: %v, %v", seed, target, err, err2)
			}
			if diff := gocmp.Diff(p, q); diff != "" {
				t.Fatalf("seed %d, target %d: order of the listing matters\n%s", seed, target, diff)
			}
		}
	}
}

func BenchmarkChain(b *testing.B) {
	files := []*FileInfo{file(9, 1, 1000, 1<<20)}
	for txid := TXID(1); txid <= 90_000; txid++ {
		files = append(files, file(0, txid, txid, 5000))
		if txid%10 == 0 {
			files = append(files, file(1, txid-9, txid, 20000))
		}
		if txid%100 == 0 {
			files = append(files, file(2, txid-99, txid, 90000))
		}
	}
	rand.New(rand.NewPCG(1, 1)).Shuffle(len(files), func(i, j int) { files[i], files[j] = files[j], files[i] })
	b.Run("New", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			NewChain(files)
		}
		b.ReportMetric(float64(len(files)), "files")
	})
	c := NewChain(files)
	b.Run("Reach", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.Reach(89_999); err != nil {
				b.Fatal(err)
			}
		}
	})
}
