// Package walpages writes the pages that a write-ahead log has to a database: those of
// committed transactions, each page once for many versions of it.
package walpages

import (
	"io"
	"maps"
	"slices"

	"github.com/replctl/replicate/internal/sqlitewal"
)

const (
	// PendingBytes is how many pages are collected before they are written: of
	// a page that is written again and again only the last version is.
	PendingBytes = 32 << 20

	slabBytes = 1 << 20 // the largest write, and how memory is taken
)

// Database is what the pages are written to.
type Database interface {
	io.WriterAt
	Truncate(size int64) error
}

// Pages are the pages of a database that were read from a log and not written
// to the database yet. Those of the transaction under way can be taken back.
type Pages struct {
	// PageSize is in bytes.
	PageSize int64

	db   Database
	size int64 // of the database file so far, in bytes

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

// New is for a database file of size bytes. With track it can tell what was written; see
// [Pages.Changed].
func New(db Database, pageSize, size int64, track bool) *Pages {
	p := &Pages{PageSize: pageSize, db: db, size: size, slots: make(map[uint32]pending)}
	if track {
		p.written = make(map[uint32]struct{})
	}
	return p
}

func (p *Pages) perSlab() int32 { return int32(slabBytes / p.PageSize) }

// at is the memory of a slot.
func (p *Pages) at(slot int32) []byte {
	start := int64(slot%p.perSlab()) * p.PageSize
	return p.slabs[slot/p.perSlab()][start : start+p.PageSize]
}

// Put takes in a page of the transaction under way.
func (p *Pages) Put(f sqlitewal.Frame) error {
	old, had := p.slots[f.Pgno]
	if had && old.tx == p.tx {
		copy(p.at(old.slot), f.Data)
		return nil
	}
	if len(p.free) == 0 && int64(p.used)*p.PageSize >= PendingBytes {
		p.spilled = p.spilled || len(p.undo) > 0
		if err := p.Flush(); err != nil {
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
func (p *Pages) take() int32 {
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

// Open reports whether a transaction is under way.
func (p *Pages) Open() bool { return p.spilled || len(p.undo) > 0 }

// Commit ends the transaction under way.
func (p *Pages) Commit() {
	for _, u := range p.undo {
		if u.had {
			p.free = append(p.free, u.old.slot)
		}
	}
	p.end()
}

// Rollback takes back the transaction under way, which was not spilled.
func (p *Pages) Rollback() {
	for _, u := range slices.Backward(p.undo) {
		p.free = append(p.free, p.slots[u.pgno].slot)
		delete(p.slots, u.pgno)
		if u.had {
			p.slots[u.pgno] = u.old
		}
	}
	p.end()
}

func (p *Pages) end() {
	p.undo, p.spilled = p.undo[:0], false
	p.tx++
}

// Flush writes all pages, in their order, neighbours at once.
func (p *Pages) Flush() error {
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
func (p *Pages) write(run []uint32) error {
	data := p.gather(run)
	off := int64(run[0]-1) * p.PageSize
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
func (p *Pages) gather(run []uint32) []byte {
	first := p.slots[run[0]].slot
	start := int64(first%p.perSlab()) * p.PageSize
	inPlace := start+int64(len(run))*p.PageSize <= slabBytes
	for i := 1; i < len(run) && inPlace; i++ {
		inPlace = p.slots[run[i]].slot == first+int32(i)
	}
	if inPlace {
		return p.slabs[first/p.perSlab()][start : start+int64(len(run))*p.PageSize]
	}
	p.scratch = p.scratch[:0]
	for _, pgno := range run {
		p.scratch = append(p.scratch, p.at(p.slots[pgno].slot)...)
	}
	return p.scratch
}

// Truncate makes the database n pages long, as a checkpoint does in the end. A
// database that is shorter grows when its pages are written.
func (p *Pages) Truncate(n uint32) error {
	for pgno, s := range p.slots {
		if pgno > n {
			p.free = append(p.free, s.slot)
			delete(p.slots, pgno)
		}
	}
	return p.Resize(min(p.size, int64(n)*p.PageSize))
}

// Resize gives the database file a size, in bytes.
func (p *Pages) Resize(size int64) error {
	if size == p.size {
		return nil
	}
	p.size = size
	return p.db.Truncate(size)
}

// Spilled reports whether pages of the transaction under way were written already, so
// that they cannot be taken back.
func (p *Pages) Spilled() bool { return p.spilled }

// Changed are the numbers of the pages that were written since the last call, and of those
// by which the database has grown, which SQLite need not write, up to its size: ascending.
// low is the smallest size that it had meanwhile. Both are in pages.
func (p *Pages) Changed(low, size uint32) []uint32 {
	maps.DeleteFunc(p.written, func(pgno uint32, _ struct{}) bool { return pgno > low })
	numbers := slices.Sorted(maps.Keys(p.written))
	for pgno := low + 1; pgno <= size && pgno > 0; pgno++ {
		numbers = append(numbers, pgno)
	}
	clear(p.written)
	return numbers
}
