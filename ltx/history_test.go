package ltx

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	sltx "github.com/superfly/ltx"
)

// A history is what happened to a database, transaction by transaction: it
// grows, shrinks, grows again, and its pages change. states[i] is the database
// after transaction i.
type history struct {
	rnd      *rand.Rand
	pageSize uint32
	flags    uint32
	states   [][][]byte
	wrote    []map[uint32]bool // page numbers
}

func newHistory(seed uint64, pageSize, flags uint32, transactions int) *history {
	h := &history{rnd: rand.New(rand.NewPCG(seed, 1)), pageSize: pageSize, flags: flags,
		states: make([][][]byte, 1), wrote: make([]map[uint32]bool, 1)}
	for range transactions {
		h.transact()
	}
	return h
}

// transact keeps the pages small in number, and writes each that is new.
func (h *history) transact() {
	before := h.states[len(h.states)-1]
	size := len(before)
	switch h.rnd.IntN(4) {
	case 0:
		size = 1 + h.rnd.IntN(40)
	case 1:
		size = min(size+h.rnd.IntN(5), 40)
	}
	size = max(size, 1)
	after, wrote := make([][]byte, size), map[uint32]bool{}
	for i := copy(after, before); i < size; i++ {
		after[i], wrote[uint32(i)+1] = h.newPage(), true
	}
	for range h.rnd.IntN(4) {
		i := h.rnd.IntN(size)
		after[i], wrote[uint32(i)+1] = h.newPage(), true
	}
	h.states, h.wrote = append(h.states, after), append(h.wrote, wrote)
}

func (h *history) newPage() []byte {
	page := make([]byte, h.pageSize)
	for i := 0; i < len(page)/2; i += 8 {
		binary.LittleEndian.PutUint64(page[i:], h.rnd.Uint64())
	}
	return page
}

func (h *history) last() TXID { return TXID(len(h.states) - 1) }

func (h *history) checksum(txid TXID) Checksum {
	if h.flags&HeaderFlagNoChecksum != 0 {
		return 0
	}
	sum := ChecksumFlag
	for i, page := range h.states[txid] {
		sum = ChecksumFlag | (sum ^ sltx.ChecksumPage(uint32(i)+1, page))
	}
	return sum
}

// spec is the file with transactions min to max.
func (h *history) spec(min, max TXID) spec {
	state := h.states[max]
	s := spec{
		header: Header{Version: sltx.Version, Flags: h.flags, PageSize: h.pageSize, Commit: uint32(len(state)),
			MinTXID: min, MaxTXID: max, Timestamp: 1_700_000_000_000 + int64(max)},
		content: func(pgno uint32) []byte { return state[pgno-1] },
		after:   h.checksum(max),
	}
	if min > 1 {
		s.header.PreApplyChecksum = h.checksum(min - 1)
	}
	for i := range state {
		for txid := min; txid <= max; txid++ {
			if h.wrote[txid][uint32(i)+1] {
				s.pages = append(s.pages, uint32(i)+1)
				break
			}
		}
	}
	return s
}

// chain cuts the history into files at random, which may overlap, in the order
// of application, and in both encodings.
func (h *history) chain(tb testing.TB) ([]*FileInfo, memReplica) {
	tb.Helper()
	var files []*FileInfo
	replica := memReplica{}
	for last := TXID(0); last < h.last(); {
		min, max := last+1, last+1+TXID(h.rnd.Uint64N(3))
		if min > 1 && h.rnd.IntN(3) == 0 {
			min -= TXID(h.rnd.Uint64N(uint64(min)))
		}
		f := file(h.rnd.IntN(3), min, max, 0)
		if f.MaxTXID > h.last() {
			f.MaxTXID = h.last()
		}
		var encoding func(uint32, []byte) []byte
		if h.rnd.IntN(4) == 0 {
			encoding = lz4Frame
		}
		replica[f] = h.spec(f.MinTXID, f.MaxTXID).write(tb, encoding)
		f.Size = int64(len(replica[f]))
		files = append(files, f)
		last = f.MaxTXID
	}
	return files, replica
}

// database is the file of the database after a transaction.
func (h *history) database(txid TXID) []byte { return bytes.Join(h.states[txid], nil) }

// result is what restoring it gives, but for the bytes read and written.
func (h *history) result(txid TXID) ApplyResult {
	return ApplyResult{TXID: txid, Time: Time(Header{Timestamp: 1_700_000_000_000 + int64(txid)}),
		PageSize: h.pageSize, Commit: uint32(len(h.states[txid])), Checksum: h.checksum(txid)}
}

var pageSizes = []uint32{512, 1024, 2048, 4096, 8192, 16384, 32768, 65536}
