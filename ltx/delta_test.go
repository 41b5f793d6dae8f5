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

// The file is, byte by byte, what the other implementation writes, and holds the
// pages that were given, less the lock page.
func TestWriteDelta(t *testing.T) {
	lock := sltx.LockPgno(65536)
	s := deltaSpec(65536, 4, 6, 1, 3, lock-1, lock+1)
	s.header.Flags, s.header.PreApplyChecksum = HeaderFlagNoChecksum, 0
	s.header.Commit, s.header.NodeID = lock+2, 7
	opts := snapshotOptions(s)
	opts.MinTXID, opts.NodeID = 4, 7
	var got bytes.Buffer
	r, err := WriteDelta(&got, opts, []uint32{1, 3, lock - 1, lock, lock + 1}, func(pgno uint32, buf []byte) error {
		copy(buf, s.page(pgno))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s.header.WALOffset = walHeaderSize
	if want := s.encode(t); !bytes.Equal(got.Bytes(), want) {
		t.Errorf("got %d bytes unlike the %d of the encoder", got.Len(), len(want))
	}
	if header, err := opts.Header(); err != nil || header != r.Header {
		t.Errorf("the options promise %+v (%v), and the file has %+v", header, err, r.Header)
	}
	sum, err := Verify(&got)
	want := Summary{Header: r.Header, Trailer: r.Trailer, Pages: 4, Bytes: r.Bytes}
	if diff := cmp.Diff(want, sum); err != nil || diff != "" {
		t.Errorf("%v, (-want +got)\n%s", err, diff)
	}
}

func TestWriteDeltaFails(t *testing.T) {
	opts := SnapshotOptions{TXID: 2, MinTXID: 2, Time: time.UnixMilli(1), PageSize: 512, Commit: 3}
	page := func(uint32, []byte) error { return nil }
	from1 := opts
	from1.MinTXID = 1
	for name, try := range map[string]struct {
		opts  SnapshotOptions
		pgnos []uint32
	}{
		"from 1":      {from1, []uint32{1}},
		"beyond":      {opts, []uint32{4}},
		"descending":  {opts, []uint32{2, 1}},
		"no database": {SnapshotOptions{TXID: 2, MinTXID: 2, PageSize: 512}, []uint32{1}},
	} {
		if _, err := WriteDelta(io.Discard, try.opts, try.pgnos, page); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	broken := errors.New("broken")
	if _, err := WriteDelta(io.Discard, opts, []uint32{1},
		func(uint32, []byte) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("page: got %v", err)
	}
	if _, err := WriteDelta(failingWriter{broken}, opts, []uint32{1}, page); !errors.Is(err, broken) {
		t.Errorf("write: got %v", err)
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }
