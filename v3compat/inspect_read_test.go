package v3compat

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/internal/sqlitewal"
)

const (
	testPage  = 1024
	testFrame = sqlitewal.FrameHeaderSize + testPage

	walMagic   = 0x377f0682
	walVersion = 3007000
)

// database is what a snapshot of n pages decompresses to.
func database(n int) []byte {
	data := make([]byte, n*testPage)
	copy(data, dbMagic)
	binary.BigEndian.PutUint16(data[16:], testPage)
	return data
}

// walHeader is a valid header of a log.
func walHeader(magic, pageSize uint32) []byte {
	head := binary.BigEndian.AppendUint32(nil, magic)
	for _, word := range []uint32{walVersion, pageSize, 0, 0xdeadbeef, 0x12345678} {
		head = binary.BigEndian.AppendUint32(head, word)
	}
	sum := sqlitewal.Checksum{}.Update(magic&1 != 0, head)
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(head, sum[0]), sum[1])
}

// segmentOf is what a segment of n frames decompresses to.
func segmentOf(offset int64, frames int) []byte {
	data := make([]byte, frames*testFrame)
	if offset == 0 {
		data = append(walHeader(walMagic, testPage), data...)
	}
	return data
}

func at(frames int) int64 { return int64(sqlitewal.HeaderSize + frames*testFrame) }

// readable is a generation without a flaw: two snapshots, three indices.
func readable(t testing.TB) *blob.Memory {
	store := blob.NewMemory()
	put := func(key string, data []byte, n int) { putAt(t, store, key, compress(t, data), second(n)) }
	put(SnapshotKey(genID, 0), database(2), 0)
	put(WALSegmentKey(genID, 0, 0), segmentOf(0, 3), 1)
	put(WALSegmentKey(genID, 0, at(3)), segmentOf(at(3), 1), 2)
	put(WALSegmentKey(genID, 0, at(4)), segmentOf(at(4), 2), 3)
	put(WALSegmentKey(genID, 1, 0), segmentOf(0, 0), 4) // a header and no frame
	put(WALSegmentKey(genID, 1, at(0)), segmentOf(at(0), 1), 5)
	put(SnapshotKey(genID, 2), database(3), 6)
	put(WALSegmentKey(genID, 2, 0), segmentOf(0, 1), 7)
	return store
}

// replaced is readable with the content of one object changed.
func replaced(t testing.TB, key string, change func(object []byte) []byte) *blob.Memory {
	t.Helper()
	store := readable(t)
	rc, err := store.Open(t.Context(), key, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	object, err := io.ReadAll(rc)
	if err != nil {
		t.Fatal(err)
	}
	info, err := store.Stat(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	putAt(t, store, key, change(object), info.ModTime)
	return store
}

// by replaces an object by one with the given content.
func by(t testing.TB, data []byte) func([]byte) []byte {
	return func([]byte) []byte { return compress(t, data) }
}

func cut(object []byte) []byte { return object[:len(object)-5] }

func flip(object []byte) []byte {
	object = slices.Clone(object)
	object[len(object)-1] ^= 1
	return object
}

type contentTest struct {
	key        string
	change     func([]byte) []byte
	restorable []string
	problems   []string
}

func damagedContent(t *testing.T) map[string]contentTest {
	first, second := SnapshotKey(genID, 0), SnapshotKey(genID, 2)
	wrongSum := walHeader(walMagic, testPage)
	wrongSum[31]++
	oldVersion := walHeader(walMagic, testPage)
	oldVersion[7]++
	return map[string]contentTest{
		"nothing": {first, slices.Clone[[]byte], []string{"0:0-2:0"}, nil},
		"snapshot truncated": {first, cut, []string{"2:0-2:0"}, []string{
			"error snapshots/00000000.snapshot.lz4 truncated LZ4 frame"}},
		"snapshot corrupt": {second, flip, []string{"0:0-2:0"}, []string{
			"error snapshots/00000002.snapshot.lz4 corrupt LZ4 frame"}},
		"snapshot of something else": {second, by(t, text(4096)), []string{"0:0-2:0"}, []string{
			"error snapshots/00000002.snapshot.lz4 not a SQLite database"}},
		"snapshot of an empty database": {second, by(t, nil), []string{"0:0-2:0"}, nil},
		"snapshot with part of a page": {second, by(t, database(3)[:2*testPage+100]), []string{"0:0-2:0"}, []string{
			"error snapshots/00000002.snapshot.lz4 a SQLite database that is cut"}},
		"segment truncated": {WALSegmentKey(genID, 0, at(3)), cut, []string{"0:0-0:0", "2:0-2:0"}, []string{
			"error wal/00000000_00000c68.wal.lz4 truncated LZ4 frame"}},
		"segment corrupt": {WALSegmentKey(genID, 1, 0), flip, []string{"0:0-0:1080", "2:0-2:0"}, []string{
			"error wal/00000001_00000000.wal.lz4 corrupt LZ4 frame"}},
		"hole": {WALSegmentKey(genID, 0, at(3)), gone, []string{"0:0-0:0", "2:0-2:0"}, []string{
			"error wal/00000000_00000c68.wal.lz4 bytes 00000c68 to 0000107f of index 00000000 are missing"}},
		"overlap": {WALSegmentKey(genID, 0, 0), by(t, segmentOf(0, 4)), []string{"0:0-0:0", "2:0-2:0"}, []string{
			"error wal/00000000_00000c68.wal.lz4 starts at byte 00000c68 of index 00000000"}},
		"part of a frame": {WALSegmentKey(genID, 2, 0), by(t, segmentOf(0, 1)[:at(1)-8]), []string{"0:0-2:0"}, []string{
			"error wal/00000002_00000000.wal.lz4 its 1072 bytes are not whole WAL frames of 1024-byte pages"}},
		"segment of nothing": {WALSegmentKey(genID, 2, 0), by(t, nil), []string{"0:0-2:0"}, []string{
			"error wal/00000002_00000000.wal.lz4 nothing in it"}},
		"part of a header": {WALSegmentKey(genID, 2, 0), by(t, make([]byte, 31)), []string{"0:0-2:0"}, []string{
			"error wal/00000002_00000000.wal.lz4 no valid WAL header"}},
		"wrong magic": {WALSegmentKey(genID, 2, 0), by(t, walHeader(walMagic+2, testPage)), []string{"0:0-2:0"}, []string{
			"error wal/00000002_00000000.wal.lz4 no valid WAL header"}},
		"wrong version": {WALSegmentKey(genID, 2, 0), by(t, oldVersion), []string{"0:0-2:0"}, []string{
			"error wal/00000002_00000000.wal.lz4 no valid WAL header"}},
		"wrong page size": {WALSegmentKey(genID, 2, 0), by(t, walHeader(walMagic, 1000)), []string{"0:0-2:0"}, []string{
			"error wal/00000002_00000000.wal.lz4 no valid WAL header"}},
		"wrong checksum": {WALSegmentKey(genID, 2, 0), by(t, wrongSum), []string{"0:0-2:0"}, []string{
			"error wal/00000002_00000000.wal.lz4 no valid WAL header"}},
		"big-endian checksums": {WALSegmentKey(genID, 2, 0), by(t, walHeader(walMagic+1, testPage)), []string{"0:0-2:0"},
			nil},
		"encrypted": {second, func([]byte) []byte { return []byte("age-encryption.org/v1\n") }, []string{"0:0-2:0"}, []string{
			"warning  1 of 8 objects are encrypted with age"}},
	}
}

func TestInspectRead(t *testing.T) {
	for name, test := range damagedContent(t) {
		t.Run(name, func(t *testing.T) {
			store := replaced(t, test.key, test.change)
			if name == "hole" {
				if err := store.Delete(t.Context(), []string{test.key}); err != nil {
					t.Fatal(err)
				}
			}
			for concurrency := range 3 {
				rep := inspect(t, store, InspectOptions{Read: true, Concurrency: concurrency})
				if diff := cmp.Diff(test.restorable, stretches(rep.Restorable)); diff != "" {
					t.Errorf("restorable: %s", diff)
				}
				if diff := cmp.Diff(test.problems, findings(rep.Problems)); diff != "" {
					t.Errorf("problems: %s", diff)
				}
			}
		})
	}
}

// gone stands for deletion.
func gone(object []byte) []byte { return object }

func TestInspectReadsEverythingOnce(t *testing.T) {
	store := readable(t)
	s := &countingStore{Reader: store}
	var read int64
	rep := inspect(t, s, InspectOptions{Read: true, Progress: func(n int64) { read += n }})
	if read != rep.Bytes {
		t.Errorf("progress was told of %d bytes, want %d", read, rep.Bytes)
	}
	if got, want := s.opens.Load(), int64(8); got != want {
		t.Errorf("%d objects opened, want %d", got, want)
	}
	if got := s.open.Load(); got != 0 {
		t.Errorf("%d readers left open", got)
	}
}

// countingStore is safe for concurrent use.
type countingStore struct {
	blob.Reader
	opens, open atomic.Int64
	fail        func(key string) error
}

func (s *countingStore) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if s.fail != nil {
		if err := s.fail(key); err != nil {
			return nil, err
		}
	}
	rc, err := s.Reader.Open(ctx, key, offset, length)
	if err != nil {
		return nil, err
	}
	s.opens.Add(1)
	s.open.Add(1)
	return &countedReader{rc, s}, nil
}

type countedReader struct {
	io.ReadCloser
	s *countingStore
}

func (r *countedReader) Close() error {
	r.s.open.Add(-1)
	return r.ReadCloser.Close()
}

// Not being able to look is an error, not a finding.
func TestInspectReadFails(t *testing.T) {
	for _, cause := range []error{errBroken, io.ErrUnexpectedEOF} {
		s := &countingStore{Reader: readable(t), fail: func(key string) error {
			if key == WALSegmentKey(genID, 0, 0) {
				return fmt.Errorf("open %s: %w", key, cause)
			}
			return nil
		}}
		rep, err := New(s).Inspect(t.Context(), genID, InspectOptions{Read: true})
		if !errors.Is(err, cause) || !strings.Contains(err.Error(), WALSegmentKey(genID, 0, 0)) {
			t.Errorf("got %v, %v, want %v and the key", rep, err, cause)
		}
		if got := s.open.Load(); got != 0 {
			t.Errorf("%d readers left open", got)
		}
	}
}

// One object that cannot be read is a finding about that object.
func TestInspectReadRefused(t *testing.T) {
	for _, cause := range []error{fs.ErrPermission, blob.ErrUnreadable, syscall.EIO} {
		key := WALSegmentKey(genID, 0, 0)
		s := &countingStore{Reader: readable(t), fail: func(k string) error {
			if k == key {
				return fmt.Errorf("open %s: %w", key, cause)
			}
			return nil
		}}
		rep, err := New(s).Inspect(t.Context(), genID, InspectOptions{Read: true})
		if err != nil {
			t.Fatal(err)
		}
		named := slices.ContainsFunc(rep.Problems, func(p Problem) bool {
			return p.Severity == SeverityError && p.Object == key && strings.Contains(p.Message, cause.Error())
		})
		if !named || rep.Refused != 1 || (rep.Refusal == nil) != errors.Is(cause, blob.ErrUnreadable) {
			t.Errorf("%v: %d refused, %v, problems %v", cause, rep.Refused, rep.Refusal, rep.Problems)
		}
	}
}

func TestInspectReadGone(t *testing.T) {
	s := &countingStore{Reader: readable(t), fail: func(key string) error {
		if key == WALSegmentKey(genID, 0, 0) {
			return fs.ErrNotExist
		}
		return nil
	}}
	rep := inspect(t, s, InspectOptions{Read: true})
	want := []string{"error wal/00000000_00000000.wal.lz4 gone since the listing"}
	if diff := cmp.Diff(want, findings(rep.Problems)); diff != "" {
		t.Error(diff)
	}
}

func TestInspectReadCancelled(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	s := &countingStore{Reader: readable(t), fail: func(string) error { cancel(errBroken); return nil }}
	if rep, err := New(s).Inspect(ctx, genID, InspectOptions{Read: true, Concurrency: 2}); !errors.Is(err, errBroken) {
		t.Errorf("got %v, %v, want the cause of the cancellation", rep, err)
	}
	if got := s.open.Load(); got != 0 {
		t.Errorf("%d readers left open", got)
	}
}

func TestPageSizeOf65536(t *testing.T) {
	db := make([]byte, 65536)
	copy(db, dbMagic)
	db[17] = 1
	store := blob.NewMemory()
	put(t, store, SnapshotKey(genID, 0), compress(t, db))
	put(t, store, WALSegmentKey(genID, 0, 0), compress(t, walHeader(walMagic, 65536)))
	if rep := inspect(t, store, InspectOptions{Read: true}); len(rep.Problems) != 0 {
		t.Errorf("problems %v, want none", rep.Problems)
	}
}

// What Litestream v0.3.13 wrote is without a flaw and restorable from end to end.
func TestInspectRealReplica(t *testing.T) {
	r := New(realReplica(t))
	generations, err := r.Generations(t.Context())
	if err != nil || len(generations) != 2 {
		t.Fatalf("generations %v, %v", generations, err)
	}
	for _, gen := range generations {
		for _, read := range []bool{false, true} {
			rep, err := r.Inspect(t.Context(), gen, InspectOptions{Read: read})
			if err != nil {
				t.Fatal(err)
			}
			if len(rep.Problems) != 0 {
				t.Errorf("%s, read %v: problems %v, want none", gen, read, rep.Problems)
			}
			last := rep.WALSegments[len(rep.WALSegments)-1].Pos()
			if n := len(rep.Restorable); n != 1 || rep.Restorable[0].From != rep.Snapshots[0].Pos() ||
				rep.Restorable[0].To.Index < last.Index {
				t.Errorf("%s, read %v: restorable %v, want from %v to %v", gen, read, rep.Restorable, rep.Snapshots[0].Pos(), last)
			}
		}
	}
}
