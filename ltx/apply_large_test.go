package ltx

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/replctl/replicate/internal/readahead"
)

// A gauge counts what is between a store and Apply: the bytes that were read,
// and not yet reported as progress.
type gauge struct {
	mu             sync.Mutex
	ahead, most    int64
	open, mostOpen int
	opened         int
}

func (g *gauge) add(n int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ahead += n
	g.most = max(g.most, g.ahead)
}

func (g *gauge) addOpen(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open += n
	g.mostOpen = max(g.mostOpen, g.open)
	if n > 0 {
		g.opened++
	}
}

type gaugedReader struct {
	io.ReadCloser
	g *gauge
}

func (r gaugedReader) Read(b []byte) (int, error) {
	n, err := r.ReadCloser.Read(b)
	r.g.add(int64(n))
	return n, err
}

func (r gaugedReader) Close() error {
	r.g.addOpen(-1)
	return r.ReadCloser.Close()
}

// A slowDB makes the store the faster one, until it has read ahead all it may.
type slowDB struct {
	memDB
	once sync.Once
	g    *gauge
}

func (db *slowDB) WriteAt(p []byte, offset int64) (int, error) {
	db.once.Do(func() {
		for last, same := int64(-1), 0; same < 20; time.Sleep(time.Millisecond) {
			db.g.mu.Lock()
			now := db.g.ahead
			db.g.mu.Unlock()
			if same++; now != last {
				last, same = now, 0
			}
		}
	})
	return db.memDB.WriteAt(p, offset)
}

// TestApplyReadAhead: reading ahead is bounded, by files and by bytes.
func TestApplyReadAhead(t *testing.T) {
	s := snapshotSpec(65536, 260, 1, HeaderFlagNoChecksum)
	s.noise = true
	specs := []spec{s}
	for txid := TXID(2); txid < 14; txid++ {
		d := s
		d.header.MinTXID, d.header.MaxTXID, d.pages = txid, txid, s.pages[:20]
		specs = append(specs, d)
	}
	files, replica := encodeAll(t, specs)
	g := new(gauge)
	open := func(ctx context.Context, f *FileInfo, offset, length int64) (io.ReadCloser, error) {
		g.addOpen(1)
		rc, err := replica.open(ctx, f, offset, length)
		return gaugedReader{rc, g}, err
	}
	opts := ApplyOptions{Concurrency: 1, Progress: func(n int64) { g.add(-n) }}
	if _, err := Apply(t.Context(), files, open, &slowDB{g: g}, opts); err != nil {
		t.Fatal(err)
	}
	// Each stream has a full channel, and a chunk that does not fit.
	if limit := int64(maxStreams * (aheadChunks + 1) * readahead.ChunkSize); g.most > limit {
		t.Errorf("read %d bytes ahead, want at most %d", g.most, limit)
	}
	if g.opened != len(files) || g.mostOpen > maxStreams || g.ahead != 0 {
		t.Errorf("%d files, %d at once, %d bytes left; want %d, at most %d, 0", g.opened, g.mostOpen, g.ahead, len(files),
			maxStreams)
	}
}

// Page frames lie across the chunks in which a file is read.
func TestApplyChunks(t *testing.T) {
	for _, pageSize := range []uint32{2048, 65536} {
		s := snapshotSpec(pageSize, 6<<20/pageSize, 1, 0)
		s.noise = true
		var want []byte
		for _, pgno := range s.pages {
			want = append(want, s.page(pgno)...)
		}
		for name, b := range map[string][]byte{"block": s.encode(t), "frame": s.write(t, lz4Frame)} {
			f := file(0, 1, 1, int64(len(b)))
			var db memDB
			_, err := Apply(t.Context(), []*FileInfo{f}, memReplica{f: b}.open, &db, ApplyOptions{})
			if err != nil || !bytes.Equal(db.data, want) {
				t.Errorf("page size %d, %s: wrong database, %v", pageSize, name, err)
			}
		}
	}
}

// A file that is longer or shorter than it was listed has changed.
func TestApplyOtherSize(t *testing.T) {
	s := snapshotSpec(65536, 100, 1, HeaderFlagNoChecksum)
	s.noise = true
	b := s.encode(t)
	for _, size := range []int{len(b) - 1, len(b) + 1, len(b) - 4<<20, MinFileSize, 1000} {
		f := file(0, 1, 1, int64(size))
		_, err := Apply(t.Context(), []*FileInfo{f}, memReplica{f: b}.open, new(memDB), ApplyOptions{})
		if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrTruncated) || !strings.Contains(err.Error(), IDOf(f).String()) {
			t.Errorf("listed with %d of %d bytes: got %v, want ErrCorrupt or ErrTruncated naming the file", size, len(b), err)
		}
	}
}
