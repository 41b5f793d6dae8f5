package ltx

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func file(level int, min, max TXID, size int64) *FileInfo {
	return &FileInfo{Level: level, MinTXID: min, MaxTXID: max, Size: size}
}

func TestChainLevels(t *testing.T) {
	at := func(s int64) time.Time { return time.Unix(s, 0).UTC() }
	files := []*FileInfo{
		file(0, 12, 12, 10), file(0, 10, 10, 11), file(0, 15, 15, 12), file(0, 11, 11, 13),
		file(2, 5, 20, 100), file(2, 10, 12, 100), file(2, 22, 23, 100), file(2, 21, 21, 100), file(2, 30, 30, 100),
		file(9, 1, 3, 1000), file(9, 1, 9, 2000),
	}
	files[0].CreatedAt, files[1].CreatedAt, files[3].CreatedAt = at(5), at(9), at(1)
	got := NewChain(files).Levels()
	want := []LevelSummary{
		{Level: 0, Files: 4, Bytes: 46, MinTXID: 10, MaxTXID: 15, Oldest: at(1), Newest: at(9), Gaps: []Gap{{12, 15}}},
		{Level: 2, Files: 5, Bytes: 500, MinTXID: 5, MaxTXID: 30, Gaps: []Gap{{23, 30}}},
		{Level: 9, Files: 2, Bytes: 3000, MinTXID: 1, MaxTXID: 9},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestChainCoveredAndGaps(t *testing.T) {
	for _, tt := range []struct {
		name    string
		files   []*FileInfo
		covered []Range
		gaps    []Gap
		last    TXID
	}{
		{"empty", nil, nil, nil, 0},
		{"one", []*FileInfo{file(9, 1, 4, 1)}, []Range{{1, 4}}, nil, 4},
		{"no snapshot", []*FileInfo{file(0, 3, 4, 1)}, []Range{{3, 4}}, []Gap{{0, 3}}, 4},
		{"levels fill each other", []*FileInfo{file(0, 5, 5, 1), file(1, 3, 4, 1), file(9, 1, 2, 1)},
			[]Range{{1, 5}}, nil, 5},
		{"overlap", []*FileInfo{file(0, 1, 5, 1), file(0, 2, 3, 1), file(1, 4, 8, 1)}, []Range{{1, 8}}, nil, 8},
		{"gap", []*FileInfo{file(0, 1, 5, 1), file(0, 9, 9, 1), file(0, 7, 7, 1)},
			[]Range{{1, 5}, {7, 7}, {9, 9}}, []Gap{{5, 7}, {7, 9}}, 9},
		{"a snapshot covers a gap", []*FileInfo{file(0, 1, 1, 1), file(0, 9, 9, 1), file(9, 1, 8, 1)},
			[]Range{{1, 9}}, nil, 9},
		{"the end of numbers", []*FileInfo{file(0, 1, math.MaxUint64-1, 1), file(0, math.MaxUint64, math.MaxUint64, 1)},
			[]Range{{1, math.MaxUint64}}, nil, math.MaxUint64},
	} {
		c := NewChain(tt.files)
		if got := c.Covered(); !slices.Equal(got, tt.covered) {
			t.Errorf("%s: covered %v, want %v", tt.name, got, tt.covered)
		}
		if got := c.Gaps(); !slices.Equal(got, tt.gaps) {
			t.Errorf("%s: gaps %v, want %v", tt.name, got, tt.gaps)
		}
		if got := c.MaxTXID(); got != tt.last {
			t.Errorf("%s: last %d, want %d", tt.name, got, tt.last)
		}
	}
}

func TestChainLeavesOutImpossibleFiles(t *testing.T) {
	c := NewChain([]*FileInfo{file(-1, 1, 2, 1), file(10, 1, 2, 1), file(0, 0, 2, 1), file(0, 3, 2, 1)})
	if got := c.Levels(); len(got) != 0 {
		t.Errorf("got %+v, want none", got)
	}
}

func TestChainDoesNotTouchItsInput(t *testing.T) {
	files := randomFiles(rand.New(rand.NewPCG(1, 1)), 50, 100)
	before := slices.Clone(files)
	NewChain(files)
	if !slices.Equal(files, before) {
		t.Error("the slice was sorted in place")
	}
}

// What a Chain hands out is the caller's.
func TestChainResultsAreCopies(t *testing.T) {
	c := NewChain([]*FileInfo{file(0, 1, 1, 1), file(0, 5, 5, 1)})
	c.Levels()[0].Gaps[0] = Gap{}
	c.Covered()[0] = Range{}
	c.Restorable()[0] = 99
	if c.Levels()[0].Gaps[0] != (Gap{1, 5}) || c.Covered()[0] != (Range{1, 1}) || c.Restorable()[0] != 1 {
		t.Error("a result can be changed from outside")
	}
}

// randomFiles makes n files at all levels in a history of the given length.
func randomFiles(rnd *rand.Rand, n int, length uint64) []*FileInfo {
	files := make([]*FileInfo, n)
	for i := range files {
		min := 1 + rnd.Uint64N(length)
		if rnd.IntN(4) == 0 {
			min = 1
		}
		max := min + rnd.Uint64N(1+length/3)
		files[i] = file(rnd.IntN(9), TXID(min), TXID(max), rnd.Int64N(5))
	}
	return files
}
