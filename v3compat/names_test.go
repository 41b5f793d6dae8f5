package v3compat

import (
	"errors"
	"math"
	"testing"
)

func TestIsGenerationID(t *testing.T) {
	for s, want := range map[string]bool{
		"0123456789abcdef":   true,
		"ffffffffffffffff":   true,
		"":                   false,
		"0123456789abcde":    false,
		"0123456789abcdef0":  false,
		"0123456789ABCDEF":   false,
		"0123456789abcdeg":   false,
		"../../etc/passwd":   false,
		"0123456789abcde/":   false,
		"+123456789abcdef":   false,
		"0x23456789abcdef":   false,
		"0123456789abcdef\n": false,
		"０1234567890abc":     false, // 16 bytes, one of the digits full-width
	} {
		if got := IsGenerationID(s); got != want {
			t.Errorf("IsGenerationID(%q) = %v, want %v", s, got, want)
		}
		if err := CheckGenerationID(s); errors.Is(err, ErrInvalidGeneration) == want || (err == nil) != want {
			t.Errorf("CheckGenerationID(%q) = %v, want legal: %v", s, err, want)
		}
	}
}

func TestSnapshotName(t *testing.T) {
	for name, want := range map[string]int{
		"00000000.snapshot.lz4": 0,
		"000003e8.snapshot.lz4": 1000,
		"ffffffff.snapshot.lz4": math.MaxUint32,
	} {
		if got, err := ParseSnapshotName(name); err != nil || got != want {
			t.Errorf("ParseSnapshotName(%q) = %d, %v, want %d", name, got, err, want)
		}
		if got := FormatSnapshotName(want); got != name {
			t.Errorf("FormatSnapshotName(%d) = %q, want %q", want, got, name)
		}
	}
	for _, name := range []string{
		"", "00000000", ".snapshot.lz4", "0000000.snapshot.lz4", "000000000.snapshot.lz4",
		"0000000A.snapshot.lz4", "0000000g.snapshot.lz4", "-0000001.snapshot.lz4", "+0000001.snapshot.lz4",
		"0x000001.snapshot.lz4", "0000_001.snapshot.lz4", "00000000.snapshot.lz4.tmp", "00000000.wal.lz4",
		"00000000.SNAPSHOT.LZ4", " 00000000.snapshot.lz4", "snapshots/00000000.snapshot.lz4",
	} {
		if got, err := ParseSnapshotName(name); err == nil {
			t.Errorf("ParseSnapshotName(%q) = %d, want an error", name, got)
		}
	}
}

func TestWALSegmentName(t *testing.T) {
	for name, want := range map[string]Pos{
		"00000000_00000000.wal.lz4":         {},
		"000003e8_000003e9.wal.lz4":         {Index: 1000, Offset: 1001},
		"ffffffff_ffffffff.wal.lz4":         {Index: math.MaxUint32, Offset: math.MaxUint32},
		"00000001_100000000.wal.lz4":        {Index: 1, Offset: 1 << 32},
		"00000001_7fffffffffffffff.wal.lz4": {Index: 1, Offset: math.MaxInt64},
	} {
		index, offset, err := ParseWALSegmentName(name)
		if got := (Pos{Index: index, Offset: offset}); err != nil || got != want {
			t.Errorf("ParseWALSegmentName(%q) = %v, %v, want %v", name, got, err, want)
		}
		if got := FormatWALSegmentName(want.Index, want.Offset); got != name {
			t.Errorf("FormatWALSegmentName(%v) = %q, want %q", want, got, name)
		}
	}
	if _, offset, err := ParseWALSegmentName("00000001_0000000000001020.wal.lz4"); err != nil || offset != 0x1020 {
		t.Errorf("padded name: offset %x, %v, want 1020", offset, err)
	}
	for _, name := range []string{
		"", "00000000.wal.lz4", "00000000_.wal.lz4", "00000000_0000000.wal.lz4", "00000000_00000000000000000.wal.lz4",
		"0000000_00000000.wal.lz4", "000000000_00000000.wal.lz4", "00000000_8000000000000000.wal.lz4",
		"00000000_ffffffffffffffff.wal.lz4", "00000000_0000000A.wal.lz4", "00000000-00000000.wal.lz4",
		"00000000__00000000.wal.lz4", "00000000_0000_000.wal.lz4", "00000000_-0000001.wal.lz4",
		"00000000_00000000.wal", "00000000_00000000.wal.lz4.tmp", "wal/00000000_00000000.wal.lz4",
	} {
		if index, offset, err := ParseWALSegmentName(name); err == nil {
			t.Errorf("ParseWALSegmentName(%q) = %d, %d, want an error", name, index, offset)
		}
	}
}

func TestKeys(t *testing.T) {
	const gen = "0123456789abcdef"
	for got, want := range map[string]string{
		GenerationPrefix(gen):         "generations/0123456789abcdef/",
		SnapshotKey(gen, 10):          "generations/0123456789abcdef/snapshots/0000000a.snapshot.lz4",
		WALSegmentKey(gen, 10, 4152):  "generations/0123456789abcdef/wal/0000000a_00001038.wal.lz4",
		WALSegmentKey(gen, 1, 1<<32):  "generations/0123456789abcdef/wal/00000001_100000000.wal.lz4",
		TimesKey("fedcba9876543210"):  "generations/fedcba9876543210/times.json",
		GenerationsPrefix + TimesName: "generations/times.json",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func FuzzSnapshotName(f *testing.F) {
	for name := range realNames(f, SnapshotsDir) {
		f.Add(name)
	}
	f.Add("0000000A.snapshot.lz4")
	f.Fuzz(func(t *testing.T, name string) {
		index, err := ParseSnapshotName(name)
		if err != nil {
			return
		}
		if got := FormatSnapshotName(index); got != name {
			t.Fatalf("%q parses as %d, which is %q", name, index, got)
		}
	})
}

func FuzzWALSegmentName(f *testing.F) {
	for name := range realNames(f, WALDir) {
		f.Add(name)
	}
	f.Add("00000001_0000000000001020.wal.lz4")
	f.Add("00000001_8000000000000000.wal.lz4")
	f.Fuzz(func(t *testing.T, name string) {
		index, offset, err := ParseWALSegmentName(name)
		if err != nil {
			return
		}
		canonical := FormatWALSegmentName(index, offset)
		if len(canonical) > len(name) || len(canonical) == len(name) && canonical != name {
			t.Fatalf("%q parses as %d, %d, which is %q", name, index, offset, canonical)
		}
		index2, offset2, err := ParseWALSegmentName(canonical)
		if err != nil || index2 != index || offset2 != offset {
			t.Fatalf("%q parses as %d, %d, %v; it was made from %d, %d", canonical, index2, offset2, err, index, offset)
		}
	})
}
