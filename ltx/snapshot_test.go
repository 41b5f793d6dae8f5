package ltx

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	sltx "github.com/superfly/ltx"
)

func snapshotOptions(s spec) SnapshotOptions {
	return SnapshotOptions{TXID: s.header.MaxTXID, Time: Time(s.header), PageSize: s.header.PageSize,
		Commit: s.header.Commit, Checksum: !s.header.NoChecksum()}
}

// The file is, byte by byte, what the other implementation writes.
func TestWriteSnapshot(t *testing.T) {
	for i, pageSize := range pageSizes {
		for _, noise := range []bool{false, true} {
			s := snapshotSpec(pageSize, 3000>>i|1, 7, uint32(i%2)*HeaderFlagNoChecksum)
			s.noise = noise
			var got bytes.Buffer
			opts := snapshotOptions(s)
			opts.Concurrency = i % 4
			r, err := WriteSnapshot(&got, opts, func(pgno uint32, buf []byte) error {
				copy(buf, s.page(pgno))
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			s.header.WALOffset = 32
			if want := s.encode(t); !bytes.Equal(got.Bytes(), want) {
				t.Errorf("page size %d: got %d bytes unlike the %d of the encoder", pageSize, got.Len(), len(want))
			}
			sum, err := Verify(&got)
			want := Summary{Header: r.Header, Trailer: r.Trailer, Pages: int64(len(s.pages)), Bytes: r.Bytes}
			if diff := cmp.Diff(want, sum); err != nil || diff != "" {
				t.Errorf("page size %d: %v, (-want +got)\n%s", pageSize, err, diff)
			}
		}
	}
}

func TestWriteSnapshotHeader(t *testing.T) {
	opts := SnapshotOptions{TXID: 5, Time: time.UnixMilli(1_700_000_000_123), PageSize: 512, Commit: 1, NodeID: 9,
		WALOffset: 32, WALSize: 536, WALSalt1: 1, WALSalt2: 2}
	r, err := WriteSnapshot(io.Discard, opts, func(uint32, []byte) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	want := Header{Version: sltx.Version, Flags: HeaderFlagNoChecksum, PageSize: 512, Commit: 1, MinTXID: 1, MaxTXID: 5,
		Timestamp: 1_700_000_000_123, NodeID: 9, WALOffset: 32, WALSize: 536, WALSalt1: 1, WALSalt2: 2}
	if diff := cmp.Diff(want, r.Header); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	opts.MinTXID, want.MinTXID = 4, 4
	if r, err = WriteSnapshot(io.Discard, opts, func(uint32, []byte) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, r.Header); diff != "" {
		t.Errorf("from 4: (-want +got)\n%s", diff)
	}
}

func TestWriteSnapshotFails(t *testing.T) {
	opts := snapshotOptions(snapshotSpec(65536, 200, 3, 0))
	want := errors.New("disk error")
	for _, at := range []uint32{1, 7, 200} {
		_, err := WriteSnapshot(io.Discard, opts, func(pgno uint32, _ []byte) error {
			if pgno == at {
				return want
			}
			return nil
		})
		if !errors.Is(err, want) {
			t.Errorf("read of page %d: got %v, want %v", at, err, want)
		}
	}
	r, w := io.Pipe()
	r.CloseWithError(want)
	if _, err := WriteSnapshot(w, opts, func(uint32, []byte) error { return nil }); !errors.Is(err, want) {
		t.Errorf("write: got %v, want %v", err, want)
	}
	for name, bad := range map[string]SnapshotOptions{
		"no pages":       {TXID: 1, PageSize: 512},
		"page size":      {TXID: 1, PageSize: 1000, Commit: 1},
		"no transaction": {PageSize: 512, Commit: 1},
		"backwards":      {TXID: 1, MinTXID: 2, PageSize: 512, Commit: 1},
		"checksum":       {TXID: 2, MinTXID: 2, PageSize: 512, Commit: 1, Checksum: true},
		"time":           {TXID: 1, PageSize: 512, Commit: 1, Time: time.Unix(-1, 0)},
	} {
		if _, err := WriteSnapshot(io.Discard, bad, func(uint32, []byte) error { return nil }); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}
