package lease_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/clock"
	"github.com/replctl/replicate/internal/clock/faketime"
	"github.com/replctl/replicate/lease"
)

// Times that follow from the defaults: a lease of 30s is renewed every 10s, and
// given up for lost 3s before its end.
const (
	sessionTTL   = 30 * time.Second
	sessionGuard = 3 * time.Second
)

// scriptedStore is a store in memory that counts, and lets a test stand in its way.
type scriptedStore struct {
	cas.Store
	mu                       sync.Mutex
	reads, unchanged, writes int

	// onRead and onWrite, if set, are called in place of the store, and may call it.
	onRead  func(ctx context.Context, read func() (cas.Record, error)) (cas.Record, error)
	onWrite func(ctx context.Context, write func() (cas.Written, error)) (cas.Written, error)
}

func (s *scriptedStore) Read(ctx context.Context, key string, known cas.Token) (r cas.Record, err error) {
	read := func() (cas.Record, error) { return s.Store.Read(context.Background(), key, known) }
	if s.onRead != nil {
		r, err = s.onRead(ctx, read)
	} else {
		r, err = read()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	if r.Unchanged {
		s.unchanged++
	}
	return r, err
}

func (s *scriptedStore) Write(ctx context.Context, key string, value []byte, expect cas.Token) (cas.Written, error) {
	s.mu.Lock()
	s.writes++
	onWrite := s.onWrite
	s.mu.Unlock()
	write := func() (cas.Written, error) { return s.Store.Write(context.Background(), key, value, expect) }
	if onWrite != nil {
		return onWrite(ctx, write)
	}
	return write()
}

// script has writes from now on do something else; nil for what they should.
func (s *scriptedStore) script(onWrite func(ctx context.Context, write func() (cas.Written, error)) (cas.Written,
	error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onWrite = onWrite
}

func (s *scriptedStore) counts() (reads, unchanged, writes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reads, s.unchanged, s.writes
}

// contender is a machine with a leaser on a store.
type contender struct {
	*lease.Leaser
	*scriptedStore
	clock *faketime.Clock
	opts  lease.Options

	mu     sync.Mutex
	events []lease.Event
}

func newContender(store cas.Store, owner string) *contender {
	c := &contender{scriptedStore: &scriptedStore{Store: store}, clock: faketime.New(0)}
	c.Leaser = lease.NewLeaser("test",
		func() lease.Config { return lease.Config{Owner: owner}.WithClock(c.clock) },
		func(context.Context) (cas.Store, error) { return c.scriptedStore, nil })
	c.opts = lease.Options{OnEvent: func(e lease.Event) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.events = append(c.events, e)
	}}.WithClock(c.clock)
	return c
}

// kinds are the events so far.
func (c *contender) kinds() (kinds []lease.EventKind) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.events {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

func (c *contender) acquire(t *testing.T) *lease.Session {
	t.Helper()
	s, err := lease.TryAcquire(t.Context(), c, c.opts)
	if err != nil {
		t.Fatalf("TryAcquire: %v", err)
	}
	return s
}

// inBubble runs a test in simulated time.
func inBubble(t *testing.T, test func(t *testing.T, store *cas.Memory)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, new(cas.Memory)) })
}

func release(t *testing.T, s *lease.Session) {
	t.Helper()
	if err := s.Release(t.Context()); err != nil {
		t.Errorf("Release: %v", err)
	}
}

// wantLost checks that a session is over as lost, by everything that it says.
func wantLost(t *testing.T, s *lease.Session) {
	t.Helper()
	if s.Valid() || s.Left() != 0 || !errors.Is(s.Err(), lease.ErrLost) {
		t.Errorf("valid %v, left %v, error %v; want a lost session", s.Valid(), s.Left(), s.Err())
	}
	if cause := context.Cause(s.Context()); !errors.Is(cause, lease.ErrLost) {
		t.Errorf("the context ended with %v, want ErrLost", cause)
	}
	if err := s.Release(t.Context()); !errors.Is(err, lease.ErrLost) {
		t.Errorf("Release: got %v, want ErrLost", err)
	}
}

// wantHeld checks that nobody else gets the lease now.
func wantHeld(t *testing.T, store cas.Store, owner string) {
	t.Helper()
	_, err := newContender(store, "somebody else").AcquireLease(t.Context())
	var exists *replicate.LeaseExistsError
	if !errors.As(err, &exists) || exists.Owner != owner {
		t.Errorf("AcquireLease: got %v, want one held by %s", err, owner)
	}
}

// wantFree checks that the lease is there for the next, with its generation.
func wantFree(t *testing.T, store cas.Store, generation int64) {
	t.Helper()
	lease, err := newContender(store, "the next").AcquireLease(t.Context())
	if err != nil {
		t.Fatalf("AcquireLease: %v", err)
	}
	if lease.Generation != generation {
		t.Errorf("generation %d, want %d", lease.Generation, generation)
	}
}

// lateTimers is a clock whose timers of some lengths never fire.
type lateTimers struct {
	clock.Clock
	never func(time.Duration) bool
}

func (c lateTimers) Sleep(ctx context.Context, d time.Duration) error {
	if c.never(d) {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	return c.Clock.Sleep(ctx, d)
}

func always(time.Duration) bool { return true }
