package resource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/replctl/replicate/cas"
)

// maxStored bounds all resources together, in bytes when encoded. A checkpoint of so
// many has room in one manifest.
const maxStored = 1 << 30

// proposal is a write or a delete on its way into the log.
type proposal struct {
	size   int // bytes in a log record
	decide func(*draft) (*change, error)

	done    chan struct{} // closed when err is set
	written *Resource     // nil when there was nothing to do
	err     error
}

// WriteCAS implements [Backend].
func (s *Store) WriteCAS(ctx context.Context, res *Resource) (*Resource, error) {
	if err := checkResource(res); err != nil {
		return nil, fmt.Errorf("write: %w", err)
	}
	res = res.clone()
	size, err := encodedSize(res)
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", res.ID, err)
	}
	written, err := s.propose(ctx, size, func(d *draft) (*change, error) {
		if err := d.checkWrite(res); err != nil {
			return nil, err
		}
		next := *res
		next.Version = d.next()
		return &change{Put: &next}, nil
	})
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", res.ID, err)
	}
	return written.clone(), nil
}

// encodedSize refuses a resource that is too large. The version is not known yet.
func encodedSize(res *Resource) (int, error) {
	encoded, err := json.Marshal(res)
	if err != nil {
		return 0, err
	}
	if len(encoded) > MaxResourceSize {
		return 0, fmt.Errorf("%w: %d bytes when encoded, at most %d allowed", cas.ErrTooLarge, len(encoded), MaxResourceSize)
	}
	return len(encoded), nil
}

// DeleteCAS implements [Backend].
func (s *Store) DeleteCAS(ctx context.Context, id ID, version string) error {
	if err := checkID(id); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	encoded, err := json.Marshal(id)
	if err == nil && len(encoded) > MaxResourceSize {
		return nil // so large a name was never stored
	}
	if err == nil {
		_, err = s.propose(ctx, len(encoded), func(d *draft) (*change, error) {
			switch stored := d.get(id.key()); {
			case stored == nil || stored.ID.UID != id.UID:
				return nil, nil
			case stored.Version != version:
				return nil, fmt.Errorf("%w: %q is stored, not %q", ErrCASFailure, stored.Version, version)
			}
			return &change{Delete: &id}, nil
		})
	}
	if err != nil {
		return fmt.Errorf("delete %s: %w", id, err)
	}
	return nil
}

// draft is the state that the changes of a new record lead to.
type draft struct {
	view    *view
	changed map[key]*Resource // nil: deleted
	record  logRecord
	size    int64
}

func (d *draft) get(k key) *Resource {
	if r, ok := d.changed[k]; ok {
		return r
	}
	return d.view.state.get(k)
}

// next is the version of the next change.
func (d *draft) next() string {
	return strconv.FormatUint(d.view.revision+uint64(len(d.record.Changes))+1, 10)
}

func (d *draft) checkWrite(res *Resource) error {
	stored := d.get(res.ID.key())
	switch {
	case stored == nil && res.Version != "":
		return fmt.Errorf("%w: nothing is stored, not %q", ErrCASFailure, res.Version)
	case stored == nil:
	case stored.ID.UID != res.ID.UID && res.Version == "":
		return fmt.Errorf("%w: it exists; %w: %q is stored, not %q", ErrCASFailure, ErrWrongUID, stored.ID.UID, res.ID.UID)
	case stored.ID.UID != res.ID.UID:
		return fmt.Errorf("%w: %q is stored, not %q", ErrWrongUID, stored.ID.UID, res.ID.UID)
	case stored.Version != res.Version:
		return fmt.Errorf("%w: %q is stored, not %q", ErrCASFailure, stored.Version, res.Version)
	}
	if size := d.size + sizeOf(res); size > maxStored {
		return fmt.Errorf("%w: all resources would have %d bytes, at most %d allowed", cas.ErrTooLarge, size, maxStored)
	}
	return nil
}

func (d *draft) add(c *change) {
	if c.Put != nil {
		d.changed[c.Put.ID.key()] = c.Put
		d.size += sizeOf(c.Put) // what it replaces is counted until the next record
	} else {
		d.changed[c.Delete.key()] = nil
	}
	d.record.Changes = append(d.record.Changes, *c)
}

// propose has decide called, under the turn and perhaps several times, until its
// change is in the log. Nil instead of a change means that there is nothing to do.
func (s *Store) propose(ctx context.Context, size int, decide func(*draft) (*change, error)) (*Resource, error) {
	if ctx.Err() != nil {
		return nil, fmt.Errorf("%w: %w", ErrInconsistent, context.Cause(ctx))
	}
	p := &proposal{size: size, decide: decide, done: make(chan struct{})}
	if err := s.enqueue(ctx, p); err != nil {
		return nil, err
	}
	select {
	case <-p.done:
		return p.written, p.err
	case <-ctx.Done():
	}
	if s.withdraw(p) {
		return nil, fmt.Errorf("%w: %w", ErrInconsistent, context.Cause(ctx))
	}
	select {
	case <-p.done:
		return p.written, p.err
	default:
	}
	return nil, fmt.Errorf("%w: %w", cas.ErrIndeterminate, context.Cause(ctx))
}

// enqueue starts the work if nobody is at it. It is done beside the callers, since
// no caller's context should end the write of another.
func (s *Store) enqueue(ctx context.Context, p *proposal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	s.proposals = append(s.proposals, p)
	if !s.proposing {
		s.proposing = true
		s.background.Go(func() { s.work(context.WithoutCancel(ctx)) })
	}
	return nil
}

func (s *Store) withdraw(p *proposal) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.proposals, p)
	if i < 0 {
		return false
	}
	s.proposals = slices.Delete(s.proposals, i, i+1)
	return true
}

// work goes on until nothing is proposed.
func (s *Store) work(ctx context.Context) {
	for s.workOnce(ctx) {
	}
}

func (s *Store) workOnce(ctx context.Context) bool {
	s.turn <- struct{}{}
	defer s.give()
	batch := s.batch()
	if batch == nil {
		return false
	}
	limited, cancel := context.WithTimeoutCause(ctx, s.opts.Timeout, errTimeout)
	defer cancel()
	appended, err := s.commit(limited, batch)
	for _, p := range batch {
		if err != nil {
			p.err = err
		}
		close(p.done)
	}
	if appended && s.due() {
		_ = s.checkpoint(ctx) // or else a later write finds it due again
	}
	return true
}

var errTimeout = errors.New("the store takes too long")

// maxBatch bounds the changes of one record.
const maxBatch = 1024

// batch is as many proposals as have room in a record; nil ends the work.
func (s *Store) batch() []*proposal {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, size := 0, 0
	for ; n < min(len(s.proposals), maxBatch); n++ {
		// The version, and the words around it.
		if size += s.proposals[n].size + 64; n > 0 && size > MaxResourceSize {
			break
		}
	}
	if n == 0 {
		s.proposing = false
		return nil
	}
	batch := slices.Clone(s.proposals[:n])
	s.proposals = slices.Delete(s.proposals, 0, n)
	return batch
}

// commit decides proposals. Refusals, too, are about the state at an instant after
// the call: that of the append that they share, or else one that is asked for.
func (s *Store) commit(ctx context.Context, batch []*proposal) (appended bool, err error) {
	for asked := false; ; {
		if err := s.prepare(ctx); err != nil {
			return false, settled(err)
		}
		d := s.draft(batch)
		switch {
		case len(d.record.Changes) > 0:
			if applied, err := s.append(ctx, &d.record); applied || err != nil {
				return applied, err
			}
		case asked:
			return false, nil
		default:
			if err := s.sync(ctx); err != nil {
				return false, settled(err)
			}
			asked = true
		}
		if ctx.Err() != nil {
			return false, fmt.Errorf("%w: %w", ErrInconsistent, context.Cause(ctx))
		}
	}
}

func (s *Store) draft(batch []*proposal) *draft {
	d := &draft{view: s.view, changed: make(map[key]*Resource), size: s.view.state.size}
	for _, p := range batch {
		c, err := p.decide(d)
		p.written, p.err = nil, err
		if err == nil && c != nil {
			d.add(c)
			p.written = c.Put
		}
	}
	return d
}

// prepare makes the head if there is none, and room in the log.
func (s *Store) prepare(ctx context.Context) error {
	if s.view.exists() {
		return s.makeRoom(ctx)
	}
	if err := s.sync(ctx); err != nil || s.view.exists() {
		return err
	}
	h := headRecord{Format: format, LogRecords: uint64(s.opts.LogRecords)}
	value, err := h.encode()
	if err != nil {
		return err
	}
	switch rec, err := cas.Swap(ctx, s.cas, headKey, value, ""); {
	case err == nil:
		s.view.adopt(&h, rec.Token)
		return nil
	case !errors.Is(err, cas.ErrConflict):
		return err
	}
	return s.sync(ctx)
}

// makeRoom has a checkpoint made if the log is three quarters full of what is in none.
// The rest is for checkpoints that died, and for restores.
func (s *Store) makeRoom(ctx context.Context) error {
	for s.view.full(s.view.logRecords * 3 / 4) { // again, if others are faster
		err := s.settleHead(ctx)
		if err == nil && s.view.full(s.view.logRecords*3/4) {
			err = s.checkpoint(ctx)
		}
		if err == nil && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return fmt.Errorf("make room in the log: %w", err)
		}
	}
	return nil
}

// due reports whether the view's last record is one whose writer makes a checkpoint.
func (s *Store) due() bool {
	v := s.view
	since := v.position - v.manifest.Position
	return since > 0 && since%(v.logRecords/16) == 0
}
