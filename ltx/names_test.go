package ltx

import (
	"errors"
	"math"
	"testing"
)

func TestFormatName(t *testing.T) {
	got, want := FormatName(1, math.MaxUint64), "0000000000000001-ffffffffffffffff.ltx"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestParseName(t *testing.T) {
	min, max, err := ParseName("000000000000000a-00000000000000ff.ltx")
	if err != nil || min != 10 || max != 255 {
		t.Errorf("got %d, %d, %v; want 10, 255", min, max, err)
	}
}

func TestParseNameRefuses(t *testing.T) {
	for _, name := range []string{
		"",
		".ltx",
		"0000000000000001-0000000000000001",
		"0000000000000001-0000000000000001.ltx.tmp",
		"0000000000000001-0000000000000001.LTX",
		"0000000000000001_0000000000000001.ltx",
		"000000000000000A-000000000000000A.ltx",
		"+000000000000001-0000000000000001.ltx",
		"0x00000000000001-0000000000000001.ltx",
		"0000000000000001-00000000000000_1.ltx",
		" 000000000000001-0000000000000001.ltx",
		"00000000000000001-000000000000001.ltx",
		"0000000000000000-0000000000000001.ltx",
		"0000000000000000-0000000000000000.ltx",
		"0000000000000002-0000000000000001.ltx",
		"../0000000000001-0000000000000001.ltx",
		"/0000000000000001-0000000000000001.ltx",
		"0000000000000001-0000000000000001.ltx\n",
	} {
		if min, max, err := ParseName(name); !errors.Is(err, ErrInvalidName) || min != 0 || max != 0 {
			t.Errorf("ParseName(%q) = %d, %d, %v; want ErrInvalidName", name, min, max, err)
		}
	}
}

func TestParseNameRange(t *testing.T) {
	_, _, err := ParseName("0000000000000002-0000000000000001.ltx")
	if !errors.Is(err, ErrInvalidRange) {
		t.Errorf("got %v, want ErrInvalidRange in the chain", err)
	}
}

func TestCheckLevel(t *testing.T) {
	for level, want := range map[int]bool{-1: false, 0: true, 9: true, 10: false, math.MinInt: false} {
		err := CheckLevel(level)
		if got := err == nil; got != want || (!want && !errors.Is(err, ErrInvalidLevel)) {
			t.Errorf("CheckLevel(%d) = %v, want valid: %t", level, err, want)
		}
	}
}

func TestCheckRange(t *testing.T) {
	for r, want := range map[[2]TXID]bool{{0, 0}: false, {0, 1}: false, {1, 1}: true, {1, 9}: true, {2, 1}: false} {
		err := CheckRange(r[0], r[1])
		if got := err == nil; got != want || (!want && !errors.Is(err, ErrInvalidRange)) {
			t.Errorf("CheckRange(%v) = %v, want valid: %t", r, err, want)
		}
	}
}

func FuzzParseName(f *testing.F) {
	f.Add("0000000000000001-0000000000000001.ltx")
	f.Add("000000000000000A-000000000000000A.ltx")
	f.Add("0000000000000002-0000000000000001.ltx")
	f.Fuzz(func(t *testing.T, name string) {
		min, max, err := ParseName(name)
		if err != nil {
			if !errors.Is(err, ErrInvalidName) {
				t.Fatalf("ParseName(%q): %v is not ErrInvalidName", name, err)
			}
			return
		}
		if got := FormatName(min, max); got != name {
			t.Fatalf("ParseName(%q) passes, but prints as %q", name, got)
		}
	})
}
