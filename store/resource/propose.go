package resource

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/store/internal/record"
)

// proposal is a write or a delete on its way into the log.
type proposal struct {
	size   int // bytes in a log record
	decide func(*draft) (*change, error)

	done    chan struct{} // closed when err is set
	written *Resource     // nil when there was nothing to do
	err     error
}

// propose has decide called, under the turn and perhaps several times, until its
// change is in the log. Nil instead of a change means that there is nothing to do.
func (s *Store) propose(ctx context.Context, size int, decide func(*draft) (*change, error)) (*Resource, error) {
	if s.cas == nil {
		return nil, record.ErrNoStore
	}
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
