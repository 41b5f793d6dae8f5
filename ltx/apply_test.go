package ltx

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/replctl/replicate/internal/testreplica"
)

// A memDB is a database in memory. It complains about bytes that are written
// twice.
type memDB struct {
	mu      sync.Mutex
	data    []byte
	written map[int64]bool // offsets of 512-byte blocks
	err     error          // of WriteAt
}

func (db *memDB) WriteAt(p []byte, offset int64) (int, error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.err != nil {
		return 0, db.err
	}
	if end := int(offset) + len(p); end > len(db.data) {
		db.data = append(db.data, make([]byte, end-len(db.data))...)
	}
	if db.written == nil {
		db.written = map[int64]bool{}
	}
	for at := offset; at < offset+int64(len(p)); at += 512 {
		if db.written[at] {
			return 0, fmt.Errorf("offset %d is written twice", at)
		}
		db.written[at] = true
	}
	return copy(db.data[offset:], p), nil
}

func (db *memDB) Truncate(size int64) error {
	db.mu.Lock()
	defer db.mu.Unlock()
	if size > int64(len(db.data)) {
		db.data = append(db.data, make([]byte, size-int64(len(db.data)))...)
	}
	db.data = db.data[:size]
	return nil
}

// A memReplica is files in memory.
type memReplica map[*FileInfo][]byte

func (r memReplica) open(_ context.Context, f *FileInfo, offset, length int64) (io.ReadCloser, error) {
	b, ok := r[f]
	if !ok {
		return nil, fmt.Errorf("no such file")
	}
	b = b[min(offset, int64(len(b))):]
	if length > 0 {
		b = b[:min(length, int64(len(b)))]
	}
	return io.NopCloser(iotest.HalfReader(bytes.NewReader(b))), nil
}

func TestApplyReplica(t *testing.T) {
	r := openReplica(t, "v0.5")
	files := memReplica{}
	for _, f := range r.files {
		files[f] = r.read(t, f)
	}
	want := testreplica.Expected(t, "v0.5")
	c := NewChain(r.files)
	path, err := c.Reach(c.MaxTXID())
	if err != nil {
		t.Fatal(err)
	}
	for _, opts := range []ApplyOptions{{}, {Concurrency: 1}, {Concurrency: 5}} {
		var db memDB
		var progress int64
		opts.Progress = func(n int64) { progress += n }
		got, err := Apply(t.Context(), path.Files, files.open, &db, opts)
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(db.data); hex.EncodeToString(sum[:]) != want.DBSHA256 {
			t.Errorf("got database %x, want %s", sum, want.DBSHA256)
		}
		wantResult := ApplyResult{TXID: c.MaxTXID(), Time: got.Time, PageSize: 4096, Commit: uint32(len(db.data) / 4096),
			BytesRead: path.Bytes, BytesWritten: int64(len(db.data))}
		if diff := cmp.Diff(wantResult, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		if progress != path.Bytes {
			t.Errorf("progress %d, want %d", progress, path.Bytes)
		}
	}
}
