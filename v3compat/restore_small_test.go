package v3compat

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/internal/sqlitewal"
)

// small is a backup of two indices of 512-byte pages: two segments of two
// transactions each, and one of one.
type small struct {
	store *blob.Memory
	first []byte // the log of index 0
	cut   int    // where its second segment begins
	next  []byte // the log of index 1
}

const smallPage = 512

func smallPages(n int) []byte {
	db := make([]byte, n*smallPage)
	copy(db, dbMagic)
	binary.BigEndian.PutUint16(db[16:], smallPage)
	return db
}

func smallFrames(chain *sqlitewal.Chain, log []byte, frames ...[2]uint32) []byte {
	for _, f := range frames {
		data := bytes.Repeat([]byte{byte(len(log))}, smallPage)
		if f[0] == 1 {
			data = smallPages(1)
		}
		log = chain.Append(log, sqlitewal.Frame{Pgno: f[0], Commit: f[1], Data: data})
	}
	return log
}

func makeSmall(t testing.TB) *small {
	s := &small{store: blob.NewMemory()}
	h := sqlitewal.Header{PageSize: smallPage, Salt: [2]uint32{1, 2}}
	chain := sqlitewal.NewChain(h)
	s.first = smallFrames(chain, h.Append(nil), [2]uint32{1, 0}, [2]uint32{2, 2}, [2]uint32{3, 3})
	s.cut = len(s.first)
	s.first = smallFrames(chain, s.first, [2]uint32{2, 0}, [2]uint32{1, 3}, [2]uint32{4, 4})
	h.Salt[0]++
	s.next = smallFrames(sqlitewal.NewChain(h), h.Append(nil), [2]uint32{2, 4})
	s.put(t, SnapshotKey(genID, 0), smallPages(2))
	s.put(t, WALSegmentKey(genID, 0, 0), s.first[:s.cut])
	s.put(t, WALSegmentKey(genID, 0, int64(s.cut)), s.first[s.cut:])
	s.put(t, WALSegmentKey(genID, 1, 0), s.next)
	return s
}

func (s *small) put(t testing.TB, key string, data []byte) {
	t.Helper()
	putAt(t, s.store, key, compress(t, data), second(1))
}

func (s *small) delete(t testing.TB, key string) {
	t.Helper()
	if err := s.store.Delete(t.Context(), []string{key}); err != nil {
		t.Fatal(err)
	}
}

const smallFrame = sqlitewal.FrameHeaderSize + smallPage

var (
	snapshotKey0      = SnapshotKey(genID, 0)
	firstKey, lastKey = WALSegmentKey(genID, 0, 0), WALSegmentKey(genID, 1, 0)
)

// smallDamages are what can be wrong with the objects of a small backup.
var smallDamages = map[string]struct {
	damage func(t testing.TB, s *small, at string)
	object string // "" is the second segment
	want   string
}{
	"gap": {func(t testing.TB, s *small, at string) {
		s.delete(t, at)
		s.put(t, WALSegmentKey(genID, 0, int64(s.cut+smallFrame)), s.first[s.cut+smallFrame:])
	}, "", "missing: bytes"},
	"overlap": {func(t testing.TB, s *small, _ string) {
		s.put(t, WALSegmentKey(genID, 0, int64(s.cut-smallFrame)), s.first[s.cut-smallFrame:])
	}, WALSegmentKey(genID, 0, int64(32+2*smallFrame)), "two replicators"},
	"swapped segments": {func(t testing.TB, s *small, at string) {
		s.put(t, at, s.next)
		s.put(t, lastKey, s.first[s.cut:])
	}, "", "salts of another log"},
	"swapped logs": {func(t testing.TB, s *small, _ string) {
		s.put(t, firstKey, s.next)
	}, WALSegmentKey(genID, 0, int64(32+smallFrame)), "missing: bytes"},
	"another log after a header": {func(t testing.TB, s *small, at string) {
		s.put(t, at, s.next[32:])
	}, "", "salts of another log"},
	"a transaction is missing inside": {func(t testing.TB, s *small, at string) {
		s.put(t, at, s.first[s.cut+2*smallFrame:])
	}, "", "checksum does not match"},
	"no header": {func(t testing.TB, s *small, _ string) {
		s.put(t, lastKey, s.next[32:])
	}, lastKey, "no valid WAL header"},
	"short header": {func(t testing.TB, s *small, _ string) { s.put(t, lastKey, s.next[:31]) }, lastKey,
		"no valid WAL header"},
	"nothing": {func(t testing.TB, s *small, at string) { s.put(t, at, nil) }, "", "nothing in it"},
	"cut frame": {func(t testing.TB, s *small, at string) {
		s.put(t, at, s.first[s.cut:len(s.first)-1])
	}, "", "not whole WAL frames"},
	"open transaction before another index": {func(t testing.TB, s *small, at string) {
		s.put(t, at, s.first[s.cut:s.cut+smallFrame])
	}, "", "inside a transaction"},
	"page size": {func(t testing.TB, s *small, _ string) {
		s.put(t, lastKey, sqlitewal.Header{PageSize: 1024}.Append(nil))
	}, lastKey, "a log of 1024-byte pages"},
	"snapshot of something else": {func(t testing.TB, s *small, _ string) { s.put(t, snapshotKey0, text(4096)) },
		snapshotKey0, "not a SQLite database"},
	"snapshot that is cut": {func(t testing.TB, s *small, _ string) { s.put(t, snapshotKey0, smallPages(2)[:1000]) },
		snapshotKey0, "not whole pages"},
	"truncated": {func(t testing.TB, s *small, at string) {
		object := compress(t, s.first[s.cut:])
		putAt(t, s.store, at, object[:len(object)-1], second(1))
	}, "", "truncated LZ4 frame"},
	"flipped bit": {func(t testing.TB, s *small, at string) {
		object := compress(t, s.first[s.cut:])
		object[len(object)-1] ^= 1
		putAt(t, s.store, at, object, second(1))
	}, "", "corrupt LZ4 frame"},
	"more after it": {func(t testing.TB, s *small, at string) {
		putAt(t, s.store, at, append(compress(t, s.first[s.cut:]), 0), second(1))
	}, "", "corrupt LZ4 frame"},
	"encrypted": {func(t testing.TB, s *small, at string) {
		putAt(t, s.store, at, []byte("age-encryption.org/v1\n"), second(1))
	}, "", "encrypted with age"},
	"a transaction of terabytes": {func(t testing.TB, s *small, _ string) {
		s.put(t, lastKey, smallFrames(sqlitewal.NewChain(sqlitewal.Header{PageSize: smallPage}),
			sqlitewal.Header{PageSize: smallPage}.Append(nil), [2]uint32{2, 1 << 31}))
	}, lastKey, "a database of 2147483648 pages"},
	"header says more pages": {func(t testing.TB, s *small, _ string) {
		db := smallPages(1)
		binary.BigEndian.PutUint32(db[28:], 9)
		h := sqlitewal.Header{PageSize: smallPage, Salt: [2]uint32{2, 2}}
		s.put(t, lastKey, sqlitewal.NewChain(h).Append(h.Append(nil), sqlitewal.Frame{Pgno: 1, Commit: 4, Data: db}))
	}, lastKey, "4 pages after it and its header says 9"},
}
