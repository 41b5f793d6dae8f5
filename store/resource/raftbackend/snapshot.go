package raftbackend

import (
	"errors"
	"fmt"

	"github.com/replctl/replicate/store/resource"
)

// snapshotFormat is the number of the form that snapshots are written in.
const snapshotFormat = 1

// record is one of a snapshot: one of its fields.
type record struct {
	head     *head
	resource *resource.Resource
	staged   *resource.Resource
	end      *end
}

type head struct {
	format, index, version, offset uint64

	restoration      string
	parts, partIndex uint64
}

type end struct{ records uint64 }

func (r *record) fields(c *coder) {
	optional(c, 1, &r.head, func(h *head, c *coder) {
		c.uint(1, &h.format)
		c.uint(2, &h.index)
		c.uint(3, &h.version)
		c.uint(4, &h.offset)
		c.text(5, &h.restoration)
		c.uint(6, &h.parts)
		c.uint(7, &h.partIndex)
	})
	optional(c, 2, &r.resource, resourceFields)
	optional(c, 3, &r.staged, resourceFields)
	optional(c, 4, &r.end, func(e *end, c *coder) { c.uint(1, &e.records) })
}

// Snapshot is the state of a backend after one log entry. It is for one goroutine.
type Snapshot struct {
	head    head
	all     resource.Snapshot
	staged  resource.Snapshot
	records uint64
	over    bool
}

// Snapshot returns the state as it is. The host calls it between two calls of Apply, and may
// read it while it makes the next ones. It holds on to the resources, and copies them
// one by one.
func (b *Backend) Snapshot() (*Snapshot, error) {
	if b.machine == nil {
		return nil, errZero
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s := &Snapshot{all: b.machine.Snapshot(), staged: resource.NewMachine(0).Snapshot()}
	s.head = head{format: snapshotFormat, index: b.index, version: b.machine.Version(), offset: b.offset}
	if b.staged.machine != nil {
		s.head.restoration, s.head.parts, s.head.partIndex = b.staged.restoration, b.staged.parts, b.staged.index
		s.staged = b.staged.machine.Snapshot()
	}
	return s, nil
}

// Next returns the next record, of at most 1 MiB, and nil after the last.
func (s *Snapshot) Next() ([]byte, error) {
	var r record
	switch {
	case s.all == nil:
		return nil, errZero
	case s.over:
		return nil, nil
	case s.records == 0:
		r.head = &s.head
	case s.all.Len() > 0:
		r.resource = s.all.Next()
	case s.staged.Len() > 0:
		r.staged = s.staged.Next()
	default:
		r.end, s.over = &end{s.records}, true
	}
	s.records++
	return encode(r.fields), nil
}

// Restoration replaces the state of a backend by that of a snapshot. Use one at a time, and
// no Apply of the backend beside it.
type Restoration struct {
	b       *Backend
	head    *head
	machine *resource.Machine
	staged  *resource.Machine
	records uint64
	ended   bool
	err     error // of what failed first
}

// Restore begins a restoration. It ends with Commit or Abort.
func (b *Backend) Restore() (*Restoration, error) {
	if b.machine == nil {
		return nil, errZero
	}
	return &Restoration{b: b, machine: resource.NewMachine(watchBuffer), staged: resource.NewMachine(0)}, nil
}

// Apply adds the next record of a snapshot. After an error only Abort is left to do. A
// record that no snapshot has at this place is resource.ErrCorrupt.
func (r *Restoration) Apply(record []byte) error {
	if r.b == nil {
		return errZero
	}
	if r.err == nil {
		r.err = r.apply(record)
	}
	if r.err != nil {
		return fmt.Errorf("restore record %d: %w", r.records, r.err)
	}
	r.records++
	return nil
}

var errPlace = errors.New("it is not one that a snapshot has here")

func (r *Restoration) apply(encoded []byte) error {
	var rec record
	if err := decode(encoded, rec.fields); err != nil {
		return err
	}
	switch {
	case (r.head == nil) != (rec.head != nil), r.ended:
		return corrupt(errPlace)
	case rec.head != nil:
		r.head = rec.head
		return rec.head.check()
	case rec.resource != nil:
		return asCorrupt(r.machine.Load(rec.resource))
	case rec.staged != nil:
		return asCorrupt(r.staged.Load(rec.staged))
	case rec.end == nil || rec.end.records != r.records:
		return corrupt(errPlace)
	}
	r.ended = true
	return nil
}

func (h *head) check() error {
	if h.format != snapshotFormat {
		return fmt.Errorf("%w: the snapshot has format %d, this program reads %d",
			resource.ErrCorrupt, h.format, snapshotFormat)
	}
	if max(h.index, h.version, h.offset) > 2*maxAbove {
		return corrupt(errors.New("numbers out of range"))
	}
	return nil
}

func asCorrupt(err error) error {
	if err == nil {
		return nil
	}
	return corrupt(err)
}

var errCutShort = errors.New("the snapshot was cut short")

// Commit makes the records that were applied the state. Every watch is closed. It is an error,
// and changes nothing, if the end of the snapshot was not applied.
func (r *Restoration) Commit() error {
	switch {
	case r.err != nil:
		return fmt.Errorf("restore: %w", r.err)
	case !r.ended:
		return fmt.Errorf("restore: %w", corrupt(errCutShort))
	}
	r.machine.Advance(r.head.version)
	b := r.b
	b.mu.Lock()
	defer b.mu.Unlock()
	b.index, b.offset, b.staged = r.head.index, r.head.offset, staged{}
	if r.head.parts > 0 {
		b.staged = staged{r.head.restoration, r.head.parts, r.head.partIndex, r.staged}
	}
	b.install(r.machine)
	b.move()
	r.end()
	return nil
}

// Abort drops what was applied. After Commit it does nothing.
func (r *Restoration) Abort() { r.end() }

func (r *Restoration) end() {
	if r.err == nil {
		r.err = resource.ErrClosed
	}
	r.machine, r.staged = nil, nil
}
