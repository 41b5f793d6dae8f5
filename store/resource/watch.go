package resource

import (
	"context"
	"fmt"
	"time"

	"github.com/replctl/replicate/cas"
)

// watch is a cursor that waits for its handle: somebody has to ask the store.
type watch struct {
	*cursor
	s *Store
}

// WatchList implements [Backend].
func (s *Store) WatchList(ctx context.Context, typ UnversionedType, tenancy Tenancy, namePrefix string) (Watch, error) {
	if err := s.refresh(ctx, Strong); err != nil {
		return nil, fmt.Errorf("watch: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return &watch{s.view.machine.cursor(filter{typ, tenancy, namePrefix}), s}, nil
}

// Next implements [Watch].
func (w *watch) Next(ctx context.Context) (*WatchEvent, error) {
	for {
		event, changed, err := w.take()
		if event != nil || err != nil {
			return event, err
		}
		if err := w.s.await(ctx, changed); err != nil {
			return nil, fmt.Errorf("watch: %w", err)
		}
	}
}

// take returns the next event if there is one, and else what to wait for.
func (w *watch) take() (*WatchEvent, wakeup, error) {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	event, _, err := w.cursor.take()
	return event, wakeup{w.s.changed, w.s.failures}, err
}

// wakeup is the state of a handle that a watch has seen, and the channel that is
// closed when it changes.
type wakeup struct {
	changed  <-chan struct{}
	failures uint64
}

// await returns when something has changed, or the poller has failed, since. As
// long as somebody waits there is a poller, one for all.
func (s *Store) await(ctx context.Context, since wakeup) error {
	s.startPolling()
	defer func() {
		s.mu.Lock()
		s.waiting--
		s.mu.Unlock()
	}()
	select {
	case <-since.changed:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failures != since.failures {
		return settled(s.failure)
	}
	return nil
}

func (s *Store) startPolling() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting++
	s.visited = true
	if !s.polling && !s.closed {
		s.polling = true
		s.background.Go(s.poll)
	}
}

// patience is how long a hint that something has changed may be waited for. Hints
// can get lost.
const patience = 10 * time.Second

// poll goes on until nobody has waited for a whole interval, or the handle is closed.
func (s *Store) poll() {
	look := func(ctx context.Context) (bool, error) {
		if s.deserted() {
			return true, nil
		}
		ctx, cancel := context.WithTimeoutCause(ctx, s.opts.Timeout, errTimeout)
		defer cancel()
		if err := s.ask(ctx); err != nil {
			s.fail(err)
		}
		return false, nil
	}
	interval := s.opts.Interval
	if err := cas.Changes(s.life, s.cas, logPrefix, interval, max(patience, interval), look); err != nil { // closed
		s.mu.Lock()
		s.polling = false
		s.mu.Unlock()
	}
}

func (s *Store) deserted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	deserted := s.waiting == 0 && !s.visited
	s.visited = false
	s.polling = !deserted
	return deserted
}

func (s *Store) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures++
	s.failure = err
	s.announce()
}
