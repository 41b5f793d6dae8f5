package resource

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/store/internal/record"
)

// Options are settings of a handle. The zero value is ready for use.
type Options struct {
	// Interval is how old an eventual answer may be, and how often a watch asks
	// a store that cannot tell of changes. Default: one second.
	Interval time.Duration

	// WatchBuffer is how many changes, to all types, the handle remembers for its
	// watches, up to 64 MiB of them. A watch that is further behind is closed. Default: 4096.
	WatchBuffer int

	// LogRecords is the number of records in the log, 64 to 65536. It is decided by the
	// first write to a store, and ignored afterwards. More mean fewer checkpoints,
	// more patience with handles that were away, and more space. Default: 4096.
	LogRecords int

	// Timeout bounds how long the store may take for a write, whose caller may have
	// left meanwhile; a checkpoint may take ten times that. Default: 30 seconds.
	Timeout time.Duration
}

const minLogRecords, maxLogRecords = 64, 65536

func (o Options) withDefaults() (Options, error) {
	o.Interval, o.Timeout = cmp.Or(o.Interval, time.Second), cmp.Or(o.Timeout, 30*time.Second)
	o.WatchBuffer, o.LogRecords = cmp.Or(o.WatchBuffer, 4096), cmp.Or(o.LogRecords, 4096)
	if o.Interval < 0 || o.Timeout < 0 || o.WatchBuffer < 0 {
		return o, fmt.Errorf("%w options: interval %v, timeout %v, watch buffer %d: none may be negative",
			ErrInvalid, o.Interval, o.Timeout, o.WatchBuffer)
	}
	if err := checkLogRecords(uint64(o.LogRecords)); err != nil {
		return o, fmt.Errorf("%w options: %w", ErrInvalid, err)
	}
	return o, nil
}

func checkLogRecords(n uint64) error {
	if n < minLogRecords || n > maxLogRecords {
		return fmt.Errorf("%d log records, want %d to %d", n, minLogRecords, maxLogRecords)
	}
	return nil
}

// Store is a handle on the resources in a cas.Store. It is safe for concurrent
// use. Any number of handles, in any processes, may be on one store. Open makes one; the
// methods of the zero Store return errors.
type Store struct {
	cas  cas.Store
	opts Options

	// turn is held by the goroutine that talks to the log. Only it changes the view, and
	// it may read the view without mu.
	turn chan struct{}

	// life ends with Close, and background is what Close waits for.
	life       context.Context
	end        context.CancelFunc
	background sync.WaitGroup

	mu        sync.Mutex
	view      *view
	changed   chan struct{} // closed when the view has changed, or asking failed
	begun     uint64        // rounds of asking for what the log has
	current   uint64        // the last round that succeeded
	asked     time.Time     // when the last round was over
	failures  uint64        // of the poller
	failure   error
	waiting   int  // watches
	visited   bool // by a watch, since the poller last looked
	polling   bool
	proposals []*proposal
	proposing bool // somebody is working on them
	closed    bool

	chunkMu sync.Mutex
	chunks  map[uint32]chunkSlot
}

var _ Backend = (*Store)(nil)

// Open returns a handle. It sends no request; a store without any record is empty.
func Open(store cas.Store, opts Options) (*Store, error) {
	opts, err := opts.withDefaults()
	if store == nil {
		err = record.ErrNoStore
	}
	if err != nil {
		return nil, fmt.Errorf("open resources: %w", err)
	}
	s := &Store{
		cas: store, opts: opts,
		turn: make(chan struct{}, 1), changed: make(chan struct{}),
		view: newView(opts.WatchBuffer), chunks: make(map[uint32]chunkSlot),
	}
	s.life, s.end = context.WithCancel(context.Background())
	return s, nil
}

// Close ends the watches of the handle, and waits for what it is writing: a write
// whose caller has left, a checkpoint. A handle that is not closed loses nothing.
func (s *Store) Close() error {
	if s.cas == nil {
		return fmt.Errorf("close resources: %w", record.ErrNoStore)
	}
	s.mu.Lock()
	s.closed = true
	s.view.machine.End()
	s.announce()
	s.mu.Unlock()
	s.end()
	s.background.Wait()
	return nil
}

// Read implements [Backend].
func (s *Store) Read(ctx context.Context, consistency Consistency, id ID) (*Resource, error) {
	err := checkID(id)
	if err == nil {
		err = s.refresh(ctx, consistency)
	}
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	return s.machine().Read(id)
}

// List implements [Backend].
func (s *Store) List(
	ctx context.Context, consistency Consistency, typ UnversionedType, tenancy Tenancy, namePrefix string,
) ([]*Resource, error) {
	if err := s.refresh(ctx, consistency); err != nil {
		return nil, fmt.Errorf("list: %w", err)
	}
	return s.machine().List(typ, tenancy, namePrefix), nil
}

// ListByOwner implements [Backend].
func (s *Store) ListByOwner(ctx context.Context, owner ID) ([]*Resource, error) {
	if err := s.refresh(ctx, Eventual); err != nil {
		return nil, fmt.Errorf("list by owner: %w", err)
	}
	return s.machine().ListByOwner(owner), nil
}

// machine is that of the view.
func (s *Store) machine() *Machine {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.view.machine
}

// refresh makes the view as current as asked for.
func (s *Store) refresh(ctx context.Context, c Consistency) error {
	switch {
	case s.cas == nil:
		return record.ErrNoStore
	case c != Eventual && c != Strong:
		return fmt.Errorf("%w consistency %d", ErrInvalid, c)
	case ctx.Err() != nil:
		return fmt.Errorf("%w: %w", ErrInconsistent, context.Cause(ctx))
	}
	s.mu.Lock()
	asked, known := s.asked, s.current > 0
	closed := s.closed
	s.mu.Unlock()
	switch {
	case closed:
		return ErrClosed
	case c == Eventual && known && time.Since(asked) < s.opts.Interval:
		return nil
	}
	err := s.ask(ctx)
	if err != nil && c == Eventual && known && ctx.Err() == nil && !errors.Is(err, ErrCorrupt) {
		return nil // as of the last time
	}
	return settled(err)
}

// ask waits for a round that begins after the call: its own, or that of another caller
// that has waited as well.
func (s *Store) ask(ctx context.Context) error {
	s.mu.Lock()
	round := s.begun + 1
	s.mu.Unlock()
	if err := s.take(ctx); err != nil {
		return err
	}
	defer s.give()
	s.mu.Lock()
	done := s.current >= round
	s.mu.Unlock()
	if done {
		return nil
	}
	return s.sync(ctx)
}

func (s *Store) take(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *Store) give() { <-s.turn }

// settled is the error of what has certainly not changed anything, although some
// request on the way may have had an unknown outcome.
func settled(err error) error {
	if err == nil || errors.Is(err, ErrInconsistent) && !errors.Is(err, cas.ErrIndeterminate) {
		return err
	}
	return settledError{err}
}

// settledError is ErrInconsistent and all that its cause is, but not indeterminate.
type settledError struct{ cause error }

func (e settledError) Error() string { return fmt.Sprintf("%v: %v", ErrInconsistent, e.cause) }

func (e settledError) Is(target error) bool {
	return target == ErrInconsistent || target != cas.ErrIndeterminate && errors.Is(e.cause, target)
}

func (e settledError) As(target any) bool { return errors.As(e.cause, target) }

// announce wakes the watches. The caller holds mu.
func (s *Store) announce() {
	close(s.changed)
	s.changed = make(chan struct{})
}
