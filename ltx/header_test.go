package ltx

import (
	"bytes"
	"errors"
	"io"
	"math"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	sltx "github.com/superfly/ltx"
)

// goodHeader is what Litestream's conformance tests write, followed by a few
// arbitrary bytes.
func goodHeader() Header {
	return Header{Version: sltx.Version, PageSize: 4096, Commit: 1, MinTXID: 2, MaxTXID: 3,
		Timestamp: 1_700_000_000_000, PreApplyChecksum: ChecksumFlag}
}

func marshal(tb testing.TB, h Header) []byte {
	tb.Helper()
	b, err := h.MarshalBinary()
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func TestParseHeader(t *testing.T) {
	snapshot, untracked, empty := goodHeader(), goodHeader(), goodHeader()
	snapshot.MinTXID, snapshot.PreApplyChecksum = 1, 0
	untracked.Flags, untracked.PreApplyChecksum = HeaderFlagNoChecksum, 0
	empty.Commit, empty.Timestamp = 0, 0
	for _, want := range []Header{goodHeader(), snapshot, untracked, empty} {
		got, err := ParseHeader(append(marshal(t, want), "test data"...))
		if err != nil {
			t.Errorf("%+v: %v", want, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
}

func TestParseHeaderRefuses(t *testing.T) {
	for name, damage := range map[string]func(*Header){
		"page size zero":        func(h *Header) { h.PageSize = 0 },
		"page size odd":         func(h *Header) { h.PageSize = 4095 },
		"page size huge":        func(h *Header) { h.PageSize = 1 << 31 },
		"commit beyond SQLite":  func(h *Header) { h.Commit = math.MaxUint32 },
		"no first transaction":  func(h *Header) { h.MinTXID = 0 },
		"range reversed":        func(h *Header) { h.MaxTXID = 1 },
		"unknown flag":          func(h *Header) { h.Flags = 1 },
		"timestamp before 1970": func(h *Header) { h.Timestamp = -1 },
		"timestamp after 9999":  func(h *Header) { h.Timestamp = maxTimestamp + 1 },
		"no checksum":           func(h *Header) { h.PreApplyChecksum = 0 },
		"snapshot with a past":  func(h *Header) { h.MinTXID = 1 },
		"negative WAL offset":   func(h *Header) { h.WALOffset = -1 },
	} {
		h := goodHeader()
		damage(&h)
		if _, err := ParseHeader(marshal(t, h)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: got %v, want ErrCorrupt", name, err)
		}
	}
}

func TestParseHeaderMagic(t *testing.T) {
	b := marshal(t, goodHeader())
	copy(b, "LTX2")
	if _, err := ParseHeader(b); !errors.Is(err, ErrCorrupt) {
		t.Errorf("got %v, want ErrCorrupt", err)
	}
}

func TestReadHeaderTruncated(t *testing.T) {
	b := marshal(t, goodHeader())
	for n := range b {
		if _, err := ReadHeader(bytes.NewReader(b[:n])); !errors.Is(err, ErrTruncated) {
			t.Errorf("%d bytes: got %v, want ErrTruncated", n, err)
		}
	}
}

func TestReadHeaderReadsNoMore(t *testing.T) {
	r := bytes.NewReader(append(marshal(t, goodHeader()), "rest"...))
	if _, err := ReadHeader(iotest.OneByteReader(r)); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(r); err != nil || string(rest) != "rest" {
		t.Errorf("left %q, %v; want %q", rest, err, "rest")
	}
}

// A connection that breaks is not a damaged file.
func TestReadHeaderReaderFails(t *testing.T) {
	for _, want := range []error{errors.New("reset"), io.ErrUnexpectedEOF} {
		r := io.MultiReader(bytes.NewReader(marshal(t, goodHeader())[:50]), iotest.ErrReader(want))
		_, err := ReadHeader(r)
		if !errors.Is(err, want) || errors.Is(err, ErrTruncated) || errors.Is(err, ErrCorrupt) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
}

func TestCheckInfo(t *testing.T) {
	file := snapshotSpec(512, 3, 7, 0)
	size := int64(len(file.encode(t)))
	for _, tt := range []struct {
		name string
		info FileInfo
		want error
	}{
		{"right", FileInfo{Level: SnapshotLevel, MinTXID: 1, MaxTXID: 7, Size: size}, nil},
		{"size unknown", FileInfo{Level: 3, MinTXID: 1, MaxTXID: 7}, nil},
		{"other range", FileInfo{MinTXID: 1, MaxTXID: 8, Size: size}, ErrCorrupt},
		{"too short for its pages", FileInfo{MinTXID: 1, MaxTXID: 7, Size: MinFileSize}, ErrTruncated},
		{"too long for its pages", FileInfo{MinTXID: 1, MaxTXID: 7, Size: 1 << 20}, ErrCorrupt},
	} {
		if err := CheckInfo(&tt.info, file.header); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
	}
}

func TestCheckInfoSnapshotLevel(t *testing.T) {
	info := &FileInfo{Level: SnapshotLevel, MinTXID: 2, MaxTXID: 3}
	if err := CheckInfo(info, goodHeader()); !errors.Is(err, ErrCorrupt) {
		t.Errorf("got %v, want ErrCorrupt", err)
	}
}

func FuzzHeader(f *testing.F) {
	f.Add(marshal(f, goodHeader()))
	f.Add(snapshotSpec(512, 2, 1, 0).encode(f))
	f.Add([]byte("LTX1"))
	for _, file := range smallFiles(f) {
		f.Add(file[:HeaderSize])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ParseHeader(b)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrTruncated) {
				t.Fatalf("%v is of no kind", err)
			}
			return
		}
		if err := CheckRange(h.MinTXID, h.MaxTXID); err != nil {
			t.Fatal(err)
		}
		if _, err := Time(h).MarshalJSON(); err != nil {
			t.Fatal(err)
		}
	})
}
