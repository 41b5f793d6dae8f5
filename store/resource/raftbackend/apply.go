package raftbackend

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/replctl/replicate/store/resource"
)

// stagedFor is how many log entries a restoration may take between two parts. What is
// longer on its way was given up by its node, and is dropped.
const stagedFor = 1 << 16

// staged is a restoration that is under way: what the next Replace makes of everything.
// There is one at a time. A new one takes the place of the old one.
type staged struct {
	restoration string
	parts       uint64
	index       uint64            // of the log entry of its last part
	machine     *resource.Machine // nil: there is none
}

var errZero = errors.New("a zero value: NewBackend, Snapshot and Restore make what works")

// Apply applies the message of a log entry. The host calls it on every node for every
// message, in the order of the log, and returns the result from Handle.Apply. That is an
// error, or the resource that was written, which nobody may change, or nil. All nodes
// get the same.
func (b *Backend) Apply(buf []byte, idx uint64) any {
	if b.machine == nil {
		return errZero
	}
	m, err := decodeMessage(buf)
	b.mu.Lock()
	defer b.mu.Unlock()
	if idx <= b.index {
		return fmt.Errorf("apply log entry %d: %w: entry %d was applied before it", idx, resource.ErrCorrupt, b.index)
	}
	b.index = idx
	defer b.move()
	if b.staged.machine != nil && idx > b.staged.index+stagedFor {
		b.staged = staged{}
	}
	if err != nil {
		return fmt.Errorf("apply log entry %d: %w", idx, err)
	}
	switch {
	case m.write != nil:
		stored, err := b.machine.Write(m.write, b.version())
		if err != nil {
			return err
		}
		return stored
	case m.remove != nil:
		err = b.machine.Delete(m.remove.id, m.remove.version, b.version())
	case m.part != nil:
		err = b.stage(m.part)
	case m.replace != nil:
		err = b.replace(m.replace)
	}
	if err != nil {
		return err
	}
	return nil
}

// version is that of a change by the last log entry.
func (b *Backend) version() uint64 { return b.offset + b.index }

// stage keeps a part. Parts of a restoration come in their order or not at all.
func (b *Backend) stage(p *part) error {
	if p.number == 0 {
		b.staged = staged{restoration: p.restoration, machine: resource.NewMachine(0)}
	}
	if err := b.staged.is(p.restoration, p.number); err != nil {
		return err
	}
	for i := range p.resources {
		if err := b.staged.machine.Load(&p.resources[i]); err != nil {
			b.staged = staged{}
			return err
		}
	}
	b.staged.parts++
	b.staged.index = b.index
	return nil
}

func (s *staged) is(restoration string, parts uint64) error {
	if s.machine == nil || s.restoration != restoration || s.parts != parts {
		return fmt.Errorf("%w: another restoration has begun, or this one took too long", resource.ErrInconsistent)
	}
	return nil
}

// replace makes what is staged the only resources. Each gets a version of its own, above
// all that were given here and those that r names.
func (b *Backend) replace(r *replacement) error {
	if r.above > maxAbove {
		return fmt.Errorf("%w version %d: there are none after it", resource.ErrInvalid, r.above)
	}
	if err := b.staged.is(r.restoration, r.parts); err != nil {
		return err
	}
	last := max(b.version()-1, r.above)
	next := resource.NewMachine(watchBuffer)
	all := b.staged.machine.Snapshot()
	for res := all.Next(); res != nil; res = all.Next() {
		last++
		res.Version = strconv.FormatUint(last, 10)
		if err := next.Load(res); err != nil {
			return err
		}
	}
	next.Advance(last)
	b.offset = max(last, b.version()) - b.index
	b.staged = staged{}
	b.install(next)
	return nil
}

// install replaces the machine, and ends the watches on the old one. The caller holds mu.
func (b *Backend) install(m *resource.Machine) {
	b.machine.End()
	b.machine = m
}

// move wakes those that wait for an index. The caller holds mu.
func (b *Backend) move() {
	close(b.moved)
	b.moved = make(chan struct{})
}

// applied is the index of the last log entry that was applied.
func (b *Backend) applied() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.index
}

// await waits until the log entry with that index is applied.
func (b *Backend) await(ctx context.Context, index uint64) error {
	if b.applied() >= index {
		return nil
	}
	defer b.sayWhenSlow(fmt.Sprintf("waiting for log entry %d, which the leader has applied", index))()
	for {
		b.mu.Lock()
		reached, closed, moved := b.index >= index, b.closed, b.moved
		b.mu.Unlock()
		switch {
		case reached:
			return nil
		case closed:
			return resource.ErrClosed
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return inconsistent(fmt.Errorf("wait for log entry %d: %w", index, context.Cause(ctx)))
		}
	}
}
