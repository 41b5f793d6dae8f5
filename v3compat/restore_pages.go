package v3compat

import (
	"maps"
	"slices"

	"github.com/replctl/replicate/internal/sqlitewal"
)

const (
	// pendingBytes is how many pages are collected before they are written: of
	// a page that is written again and again only the last version is.
	pendingBytes = 32 << 20

	slabBytes = 1 << 20 // the largest write, and how memory is taken
)

// pages are the pages of a database that were read from a log and not written
// to the database yet. Those of the transaction under way can be taken back.
type pages struct {
	db       Database
	pageSize int64
	size     int64 // of the database file so far, in bytes

	slots   map[uint32]pending // by page number
	slabs   [][]byte
	free    []int32 // slots that were used before
	used    int32   // slots taken from the slabs
	scratch []byte

	tx      uint32
	undo    []undo
	spilled bool // pages of the transaction under way were written

	written map[uint32]struct{} // if not nil: page numbers that were written
}

// pending is a page that was not written yet.
type pending struct {
	slot int32
	tx   uint32 // which transaction it is of
}

// undo is how to take back what a transaction did to a page.
type undo struct {
	pgno uint32
	old  pending
	had  bool // there was an old version
}

func newPages(db Database, pageSize, size int64) *pages {
	return &pages{db: db, pageSize: pageSize, size: size, slots: make(map[uint32]pending)}
}

func (p *pages) perSlab() int32 { return int32(slabBytes / p.pageSize) }

// at is the memory of a slot.
func (p *pages) at(slot int32) []byte {
	start := int64(slot%p.perSlab()) * p.pageSize
	return p.slabs[slot/p.perSlab()][start : start+p.pageSize]
}

// put takes in a page of the transaction under way.
func (p *pages) put(f sqlitewal.Frame) error {
	old, had := p.slots[f.Pgno]
	if had && old.tx == p.tx {
		copy(p.at(old.slot), f.Data)
		return nil
	}
	if len(p.free) == 0 && int64(p.used)*p.pageSize >= pendingBytes {
		p.spilled = p.spilled || len(p.undo) > 0
		if err := p.flush(); err != nil {
			return err
		}
		had = false
	}
	slot := p.take()
	copy(p.at(slot), f.Data)
	p.slots[f.Pgno] = pending{slot, p.tx}
	p.undo = append(p.undo, undo{f.Pgno, old, had})
	return nil
}

// take returns a free slot.
func (p *pages) take() int32 {
	if n := len(p.free); n > 0 {
		slot := p.free[n-1]
		p.free = p.free[:n-1]
		return slot
	}
	slot := p.used
	p.used++
	if int(slot/p.perSlab()) == len(p.slabs) {
		p.slabs = append(p.slabs, make([]byte, slabBytes))
	}
	return slot
}

// open reports whether a transaction is under way.
func (p *pages) open() bool { return p.spilled || len(p.undo) > 0 }

func (p *pages) commit() {
	for _, u := range p.undo {
		if u.had {
			p.free = append(p.free, u.old.slot)
		}
	}
	p.end()
}

// rollback takes back the transaction under way, which was not spilled.
func (p *pages) rollback() {
	for _, u := range slices.Backward(p.undo) {
		p.free = append(p.free, p.slots[u.pgno].slot)
		delete(p.slots, u.pgno)
		if u.had {
			p.slots[u.pgno] = u.old
		}
	}
	p.end()
}

func (p *pages) end() {
	p.undo, p.spilled = p.undo[:0], false
	p.tx++
}

// flush writes all pages, in their order, neighbours at once.
func (p *pages) flush() error {
	numbers := slices.Sorted(maps.Keys(p.slots))
	for len(numbers) > 0 {
		n := 1
		for n < len(numbers) && numbers[n] == numbers[0]+uint32(n) && n < int(p.perSlab()) {
			n++
		}
		if err := p.write(numbers[:n]); err != nil {
			return err
		}
		numbers = numbers[n:]
	}
	clear(p.slots)
	p.free, p.used, p.undo = p.free[:0], 0, p.undo[:0]
	return nil
}

// write writes pages that are neighbours in the database.
func (p *pages) write(run []uint32) error {
	data := p.gather(run)
	off := int64(run[0]-1) * p.pageSize
	if _, err := p.db.WriteAt(data, off); err != nil {
		return err
	}
	p.size = max(p.size, off+int64(len(data)))
	if p.written != nil {
		for _, pgno := range run {
			p.written[pgno] = struct{}{}
		}
	}
	return nil
}

// gather returns the content of a run: where it is, if it is neighbours in
// memory too, as it is after a transaction that wrote pages in their order.
func (p *pages) gather(run []uint32) []byte {
	first := p.slots[run[0]].slot
	start := int64(first%p.perSlab()) * p.pageSize
	inPlace := start+int64(len(run))*p.pageSize <= slabBytes
	for i := 1; i < len(run) && inPlace; i++ {
		inPlace = p.slots[run[i]].slot == first+int32(i)
	}
	if inPlace {
		return p.slabs[first/p.perSlab()][start : start+int64(len(run))*p.pageSize]
	}
	p.scratch = p.scratch[:0]
	for _, pgno := range run {
		p.scratch = append(p.scratch, p.at(p.slots[pgno].slot)...)
	}
	return p.scratch
}

// truncate makes the database n pages long, as a checkpoint does in the end. A
// database that is shorter grows when its pages are written.
func (p *pages) truncate(n uint32) error {
	for pgno, s := range p.slots {
		if pgno > n {
			p.free = append(p.free, s.slot)
			delete(p.slots, pgno)
		}
	}
	return p.resize(min(p.size, int64(n)*p.pageSize))
}

func (p *pages) resize(size int64) error {
	if size == p.size {
		return nil
	}
	p.size = size
	return p.db.Truncate(size)
}
