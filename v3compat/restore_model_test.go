package v3compat

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/internal/sqlitewal"
)

// readLog returns the frames that belong to a log, and whether that is all of it.
func readLog(t testing.TB, log []byte) (frames []sqlitewal.Frame, pageSize int, whole bool) {
	t.Helper()
	h, err := sqlitewal.ParseHeader(log)
	if err != nil {
		t.Fatal(err)
	}
	chain := sqlitewal.NewChain(h)
	rest := log[sqlitewal.HeaderSize:]
	for ; len(rest) >= h.FrameSize(); rest = rest[h.FrameSize():] {
		f, err := chain.Next(rest[:h.FrameSize()])
		if err != nil {
			break
		}
		frames = append(frames, f)
	}
	return frames, h.PageSize, len(rest) == 0
}

// checkpoint is what SQLite makes of a database and a log: a second, simple
// implementation of what a restore does.
func checkpoint(t testing.TB, db, log []byte) []byte {
	t.Helper()
	frames, pageSize, _ := readLog(t, log)
	committed := uint32(0)
	newest, tx := map[uint32][]byte{}, map[uint32][]byte{}
	for _, f := range frames {
		tx[f.Pgno] = bytes.Clone(f.Data)
		if f.Commit == 0 {
			continue
		}
		for pgno, data := range tx {
			newest[pgno] = data
		}
		clear(tx)
		committed = f.Commit
	}
	if committed == 0 {
		return bytes.Clone(db)
	}
	out := make([]byte, int(committed)*pageSize)
	copy(out, db)
	for pgno, data := range newest {
		if pgno <= committed {
			copy(out[int(pgno-1)*pageSize:], data)
		}
	}
	return out
}

// history is a backup and the states that it went through.
type history struct {
	store  *blob.Memory
	states []modelState
	ends   []modelState // of each index
}

type modelState struct {
	pos  Pos
	at   time.Time
	data []byte
}

// historyMaker writes a backup as Litestream does.
type historyMaker struct {
	*history
	t     testing.TB
	rng   *rand.Rand
	head  sqlitewal.Header
	db    []byte // at the beginning of the index
	pages uint32
	clock int
}

// makeHistory makes up a backup of a database that grows and shrinks: of five
// indices, some of them with a snapshot.
func makeHistory(t testing.TB, pageSize int, bigEndian bool, seed uint64) *history {
	m := &historyMaker{
		history: &history{store: blob.NewMemory()},
		t:       t,
		rng:     rand.New(rand.NewPCG(seed, uint64(pageSize))),
		head:    sqlitewal.Header{PageSize: pageSize, BigEndian: bigEndian, Salt: [2]uint32{uint32(seed), 77}},
		pages:   4,
	}
	m.db = make([]byte, 4*pageSize)
	copy(m.db, m.page(1))
	for index := range 5 {
		if index == 0 || m.rng.IntN(3) == 0 {
			m.put(SnapshotKey(genID, index), m.db)
			m.states = append(m.states, modelState{Pos{genID, index, 0}, second(m.clock), m.db})
		}
		m.log(index)
		m.ends = append(m.ends, m.states[len(m.states)-1])
		m.db = m.ends[index].data
		m.head.Salt[0]++
	}
	return m.history
}

func (m *historyMaker) put(key string, data []byte) {
	m.clock++
	putAt(m.t, m.store, key, compress(m.t, data), second(m.clock))
}

// log writes the segments of an index, the first of which may be no more than a
// header.
func (m *historyMaker) log(index int) {
	chain := sqlitewal.NewChain(m.head)
	log, start := m.head.Append(nil), 0
	for n := range 1 + m.rng.IntN(4) {
		for range m.rng.IntN(4) + min(n, 1) {
			log = m.transaction(chain, log)
		}
		m.put(WALSegmentKey(genID, index, int64(start)), log[start:])
		m.states = append(m.states, modelState{Pos{genID, index, int64(start)}, second(m.clock), checkpoint(m.t, m.db, log)})
		start = len(log)
	}
}

// transaction writes page 1 if it changes the database's size, as SQLite does.
func (m *historyMaker) transaction(chain *sqlitewal.Chain, log []byte) []byte {
	size := uint32(max(1, int(m.pages)+m.rng.IntN(8)-3))
	frames := 1 + m.rng.IntN(6)
	for i := range frames {
		f := sqlitewal.Frame{Pgno: 1 + m.rng.Uint32N(size)}
		if i == 0 && size != m.pages {
			f.Pgno = 1
		}
		if i == frames-1 {
			f.Commit, m.pages = size, size
		}
		f.Data = m.page(f.Pgno)
		log = chain.Append(log, f)
	}
	return log
}

// page is a page with noise; the first is a database header.
func (m *historyMaker) page(pgno uint32) []byte {
	data := make([]byte, m.head.PageSize)
	binary.BigEndian.PutUint64(data[m.rng.IntN(100):], m.rng.Uint64())
	binary.BigEndian.PutUint64(data[m.head.PageSize-8:], m.rng.Uint64())
	if pgno == 1 {
		copy(data, dbMagic)
		binary.BigEndian.PutUint16(data[16:], uint16(m.head.PageSize%65535)) // 65536 is written as 1
		binary.BigEndian.PutUint32(data[28:], 1)
	}
	return data
}

func TestRestoreModel(t *testing.T) {
	for size := sqlitewal.MinPageSize; size <= sqlitewal.MaxPageSize; size *= 2 {
		for _, big := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d,big=%v", size, big), func(t *testing.T) {
				t.Parallel()
				testHistory(t, makeHistory(t, size, big, uint64(size)))
			})
		}
	}
}

func testHistory(t *testing.T, h *history) {
	t.Helper()
	r := New(h.store)
	for _, want := range h.states {
		got, _, err := restored(t, r, Target{Timestamp: want.at}, RestoreOptions{Concurrency: 2})
		if err != nil || !bytes.Equal(got, want.data) {
			t.Fatalf("%v at %v: %d bytes, %v, want %d", want.pos, want.at, len(got), err, len(want.data))
		}
	}
	for index, want := range h.ends {
		got, _, err := restored(t, r, Target{Generation: genID, Index: &index}, RestoreOptions{})
		if err != nil || !bytes.Equal(got, want.data) {
			t.Fatalf("index %d: %d bytes, %v, want %d", index, len(got), err, len(want.data))
		}
	}
	testStates(t, r, h)
}

// testStates restores the history in one go, and compares the database at each
// state.
func testStates(t *testing.T, r *Reader, h *history) {
	t.Helper()
	plan, err := r.Plan(t.Context(), Target{})
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for i, s := range h.states {
		isSnapshot := i == 0 || s.pos.Offset == 0 && i+1 < len(h.states) && h.states[i+1].pos == s.pos
		if s.at.Before(plan.Snapshot.CreatedAt) || isSnapshot && s.pos != plan.Snapshot.Pos() {
			continue
		}
		want = append(want, fmt.Sprint(s.pos, s.at, sha256Hex(s.data)))
	}
	var db memDB
	var before []byte
	_, err = r.Restore(t.Context(), plan, &db, RestoreOptions{OnState: func(s State) error {
		data := make([]byte, int(s.Size)*s.PageSize)
		copy(data, db.data)
		got = append(got, fmt.Sprint(s.Pos, s.Time, sha256Hex(data)))
		checkChanged(t, s, before, data)
		before = data
		return nil
	}})
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Fatalf("%v, states (-want +got):\n%s", err, diff)
	}
}

// checkChanged checks that a page that is not among those written has not changed.
func checkChanged(t *testing.T, s State, before, after []byte) {
	t.Helper()
	if before == nil {
		return
	}
	for pgno := uint32(1); pgno <= s.Size; pgno++ {
		from, to := int(pgno-1)*s.PageSize, int(pgno)*s.PageSize
		old := make([]byte, s.PageSize)
		if from < len(before) {
			copy(old, before[from:])
		}
		if _, written := slices.BinarySearch(s.Pages, pgno); !written && !bytes.Equal(old, after[from:to]) {
			t.Errorf("%v: page %d has changed and is not among %v", s.Pos, pgno, s.Pages)
		}
	}
}
