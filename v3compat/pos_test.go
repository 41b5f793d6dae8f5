package v3compat

import (
	"math"
	"testing"
	"time"
)

// The listings' types have the fields of Litestream's, in its order.
var (
	_ = struct {
		Generation string
		Index      int
		Size       int64
		CreatedAt  time.Time
	}(SnapshotInfo{})
	_ = struct {
		Generation string
		Index      int
		Offset     int64
		Size       int64
		CreatedAt  time.Time
	}(WALSegmentInfo{})
)

const genID = "0123456789abcdef"

func TestParsePos(t *testing.T) {
	for s, want := range map[string]Pos{
		"0123456789abcdef/00000000:00000000":         {genID, 0, 0},
		"0123456789abcdef/0000007a:00001038":         {genID, 0x7a, 4152},
		"0123456789abcdef/ffffffff:7fffffffffffffff": {genID, math.MaxUint32, math.MaxInt64},
		"0123456789abcdef/00000001:100000000":        {genID, 1, 1 << 32},
	} {
		if got, err := ParsePos(s); err != nil || got != want {
			t.Errorf("ParsePos(%q) = %v, %v, want %v", s, got, err, want)
		}
		if got := want.String(); got != s {
			t.Errorf("%#v.String() = %q, want %q", want, got, s)
		}
	}
	if got, err := ParsePos(genID + "/00000001:0000000000001038"); err != nil || got != (Pos{genID, 1, 4152}) {
		t.Errorf("16 digits of offset: %v, %v", got, err)
	}
}

func TestParsePosRefuses(t *testing.T) {
	for _, s := range []string{
		"", "/", "/:", genID, genID + "/", genID + "/00000000", genID + "/00000000:", genID + "/:00000000",
		"0123456789ABCDEF/00000000:00000000", "0123456789abcde/00000000:00000000",
		genID + "/0000000:00000000", genID + "/000000000:00000000", genID + "/00000000:0000000",
		genID + "/00000000:00000000000000000", genID + "/00000000:8000000000000000",
		genID + "/0000000A:00000000", genID + "/00000000:0000000A", genID + "/00000000:00000000 ",
		" " + genID + "/00000000:00000000", genID + "//00000000:00000000", genID + "/00000000:00000000:00000000",
		genID + "/00000000/00000000", genID + "/-0000001:00000000", genID + "/00000000:+0000001",
	} {
		if got, err := ParsePos(s); err == nil {
			t.Errorf("ParsePos(%q) = %v, want an error", s, got)
		}
	}
}

func TestPosZero(t *testing.T) {
	if p := (Pos{}); !p.IsZero() || p.String() != "" {
		t.Errorf("the zero position: IsZero %v, %q", p.IsZero(), p)
	}
	if p := (Pos{Generation: genID}); p.IsZero() {
		t.Errorf("%v is zero", p)
	}
}

func TestInfoPos(t *testing.T) {
	if got, want := (SnapshotInfo{Generation: genID, Index: 7, Size: 9}).Pos(), (Pos{genID, 7, 0}); got != want {
		t.Errorf("snapshot at %v, want %v", got, want)
	}
	if got, want := (WALSegmentInfo{Generation: genID, Index: 7, Offset: 32, Size: 9}).Pos(),
		(Pos{genID, 7, 32}); got != want {
		t.Errorf("segment at %v, want %v", got, want)
	}
}

func FuzzParsePos(f *testing.F) {
	f.Add(genID + "/0000007a:00001038")
	f.Add(genID + "/00000001:0000000000001038")
	f.Add(genID + "/00000001:8000000000000000")
	for name := range realNames(f, WALDir) {
		index, offset, err := ParseWALSegmentName(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(Pos{genID, index, offset}.String())
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePos(s)
		if err != nil {
			return
		}
		canonical := p.String()
		if len(canonical) > len(s) || len(canonical) == len(s) && canonical != s {
			t.Fatalf("%q parses as %#v, which is %q", s, p, canonical)
		}
		if p2, err := ParsePos(canonical); err != nil || p2 != p {
			t.Fatalf("%q parses as %v, %v; it was made from %v", canonical, p2, err, p)
		}
	})
}
