package lease

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/clock"
	"github.com/replctl/replicate/internal/lazy"
)

// Leaser is the lease state machine: the one implementation of [replicate.Leaser],
// over any cas.Store. The engines' Leaser types are fronts that configure it.
//
// Every write is a compare-and-swap of a record with a nonce, so that a lost
// answer is found out by reading (cas.Swap). The package comment says when a lease is
// taken over, and what the operations cost.
type Leaser struct {
	kind      string
	configure func() Config
	open      func(context.Context) (cas.Store, error)
	observers observers

	store  lazy.Value[cas.Store]
	logger atomic.Pointer[slog.Logger]

	mu      sync.Mutex
	highest int64 // generation ever seen
	seen    observed
	skew    time.Duration // of the store's clock against this machine's; zero if not visible
	base    clock.Instant // when the store was last looked at

	// inDoubt are writes whose outcome could not be found out, by their nonces.
	// A record that turns up with one of them is this leaser's own.
	inDoubt map[string]doubt
}

// doubt is a write whose outcome is not known. It can be applied only while the
// record has the token that it expects.
type doubt struct {
	why    purpose
	expect cas.Token
}

// observed is the record as last read.
type observed struct {
	token cas.Token
	rec   *record
	err   error         // that decoding it gave
	since time.Duration // on the monotonic clock: unchanged since then, at least
}

// purpose of a write: to acquire, or, on behalf of whoever holds the lease already,
// to renew or release it. Only they may replace what was written for them.
type purpose bool

const (
	toAcquire purpose = false
	forHolder purpose = true
)

var _ replicate.Leaser = (*Leaser)(nil)

// NewLeaser returns a leaser of the engine named kind. It calls open when it
// is first used, and again if that failed, and configure for each operation.
func NewLeaser(kind string, configure func() Config, open func(context.Context) (cas.Store, error)) *Leaser {
	return &Leaser{kind: kind, configure: configure, open: open}
}

// Type implements [replicate.Leaser].
func (l *Leaser) Type() string {
	if l == nil {
		return ""
	}
	return l.kind
}

// config is the configuration of a call. That of a literal is the zero one.
func (l *Leaser) config() Config {
	if l == nil || l.configure == nil {
		return Config{}
	}
	return l.configure()
}

// SetLogger sets where the leaser reports what is not worth an error; nil is the default
// logger.
func (l *Leaser) SetLogger(logger *slog.Logger) {
	if l != nil {
		l.logger.Store(logger)
	}
}

// Observe has notify told of events until stop is called. Calls come from whatever
// goroutine uses the leaser. There may be any number of observers; a Session is one
// of them while it lasts.
func (l *Leaser) Observe(notify func(Event)) (stop func()) {
	if l == nil {
		return func() {}
	}
	return l.observers.add(notify)
}

func (l *Leaser) event(e Event) {
	logger := cmp.Or(l.logger.Load(), slog.Default()).WithGroup(l.kind + "-leaser")
	logger.Debug(string(e.Kind), "generation", e.Lease.Generation, "owner", e.Lease.Owner, "error", e.Err)
	l.observers.tell(e)
}

var errNoConstructor = errors.New("the leaser has no store: its constructor makes one that has")

func (l *Leaser) init(ctx context.Context) (cas.Store, Config, error) {
	if l == nil || l.open == nil {
		return nil, Config{}, errNoConstructor
	}
	cfg, err := l.config().withDefaults()
	if err == nil {
		err = cas.CheckKey(cfg.Key)
	}
	if err != nil {
		return nil, cfg, err
	}
	store, err := l.store.Get(ctx, l.open)
	if err == nil && store == nil {
		err = errNoConstructor
	}
	if err != nil {
		return nil, cfg, fmt.Errorf("open %s lease: %w", l.kind, err)
	}
	return store, cfg, nil
}

// Records returns the store that the lease's record is in, for others beside it.
func (l *Leaser) Records(ctx context.Context) (cas.Store, error) {
	store, _, err := l.init(ctx)
	return store, err
}

// AcquireLease implements [replicate.Leaser].
func (l *Leaser) AcquireLease(ctx context.Context) (*replicate.Lease, error) {
	store, cfg, err := l.init(ctx)
	if err != nil {
		return nil, err
	}
	// A race may be lost to somebody who has let go again by the time that this
	// is known. Then it is run once more, but not for ever.
	for try := 0; ; try++ {
		lease, err := l.tryAcquire(ctx, store, cfg)
		if err == nil || !errors.Is(err, errTakeable) {
			return lease, wrap("acquire", cfg, err)
		}
		if try == 3 {
			return nil, wrap("acquire", cfg, fmt.Errorf("the record changes faster than it can be taken: %w", err))
		}
	}
}

// errTakeable: the race was lost, but the lease is free again.
var errTakeable = errors.New("lost a race for a lease that is free again")

func (l *Leaser) tryAcquire(ctx context.Context, store cas.Store, cfg Config) (*replicate.Lease, error) {
	seen, now, err := l.look(ctx, store, cfg)
	if err != nil {
		return nil, err
	}
	if err := seen.checkTakeover(now, cfg); err != nil && !l.isOwn(seen.rec, toAcquire) {
		return nil, err
	}
	rec := &record{Lease: replicate.Lease{Generation: l.next(), Owner: cfg.Owner}}
	lease, current, err := l.write(ctx, store, cfg, rec, seen.token, toAcquire)
	if err == nil {
		l.event(Event{Kind: EventAcquired, Lease: *lease})
		return lease, nil
	}
	if !lost(err) {
		return nil, err
	}
	now = moment{cfg.clock.Now().Wall, current.StoreTime}
	if err := l.observe(current, cfg).checkTakeover(now, cfg); err != nil {
		return nil, err
	}
	return nil, errTakeable
}

// look reads the record, and tells what time it was when the answer came.
func (l *Leaser) look(ctx context.Context, store cas.Store, cfg Config) (observed, moment, error) {
	l.mu.Lock()
	known := l.seen
	l.mu.Unlock()
	before := cfg.clock.Now()
	r, err := store.Read(ctx, cfg.Key, known.token)
	after := cfg.clock.Now()
	if errors.Is(err, cas.ErrTooLarge) {
		return observed{}, moment{}, fmt.Errorf("%w: %w", replicate.ErrLeaseCorrupt, err)
	} else if err != nil {
		return observed{}, moment{}, err
	}
	l.estimateSkew(r.StoreTime, before, after)
	if r.StoreTime.IsZero() {
		l.mu.Lock()
		l.base = after
		l.mu.Unlock()
	}
	seen := known
	if r.Unchanged { // since it was known; what another goroutine has seen meanwhile may be newer
		seen.since = after.Mono - known.since
	} else {
		seen = l.observe(r, cfg)
	}
	return seen, moment{after.Wall, r.StoreTime}, nil
}

// observe remembers what was read, and since when it has been the same.
func (l *Leaser) observe(r cas.Record, cfg Config) observed {
	now := cfg.clock.Now().Mono
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.Token != l.seen.token || !r.Exists() {
		l.seen = observed{token: r.Token, since: now}
		if r.Exists() {
			l.seen.rec, l.seen.err = decode(r.Value)
		}
		if l.seen.rec != nil {
			l.highest = max(l.highest, l.seen.rec.Generation)
		}
	}
	s := l.seen
	s.since = now - s.since // from here on: how long
	return s
}

// next is the generation after every one that was ever seen here. The memory
// matters where a Litestream leaser has deleted the record.
func (l *Leaser) next() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.highest + 1
}

// write puts rec in place of the expected version, with an expiry counted from
// before the request is sent, and returns it as a held lease.
//
// The store's answer may show that the time in which the expiry was reckoned was
// behind the store's: the clock runs slow. Then others see the lease end earlier, and
// so does the lease that is returned. If that is much, the record is written once more,
// with the time that is known now. A store that is as far ahead again at once answers
// by several clocks: it cannot be believed, and this machine's clock counts, by which
// others have to see the end, too.
func (l *Leaser) write(
	ctx context.Context, store cas.Store, cfg Config, rec *record, expect cas.Token, why purpose,
) (*replicate.Lease, cas.Record, error) {
	for again := false; ; again = true {
		anchor := cfg.clock.Now()
		l.date(rec, anchor, cfg)
		current, err := l.swap(ctx, store, cfg, rec, expect, why)
		if err != nil {
			return nil, current, err
		}
		behind := l.estimateSkew(current.StoreTime, anchor, cfg.clock.Now())
		if behind > cfg.TTL/8 && !again {
			l.keepInDoubt(rec, expect, why) // it is this leaser's, should the next write fail
			expect = current.Token
			continue
		}
		if behind > cfg.TTL/8 {
			behind = 0
		}
		deadline := anchor.Add(cfg.TTL - behind)
		if cfg.clock.Now().Reached(deadline) {
			l.keepInDoubt(rec, expect, why) // it is there, and nobody is told
			return nil, current, fmt.Errorf("%w: the store took longer to answer than the lease lasts (%v)",
				replicate.ErrLeaseNotHeld, cfg.TTL)
		}
		lease := rec.Lease
		lease.ExpiresAt = deadline.Time()
		lease.ETag = string(current.Token)
		return &lease, current, nil
	}
}

// date gives a record its times, reckoned from a moment before it is sent.
func (l *Leaser) date(rec *record, anchor clock.Instant, cfg Config) {
	stored, local := l.correct(anchor).UTC(), l.local(anchor).UTC().Add(cfg.TTL)
	rec.TTL = milliseconds(cfg.TTL / time.Millisecond)
	rec.ExpiresAt = stored.Add(cfg.TTL)
	rec.LocalExpiresAt = nil
	if !local.Equal(rec.ExpiresAt) {
		rec.LocalExpiresAt = &local
	}
	rec.WrittenAt = &stored
	if rec.AcquiredAt == nil {
		rec.AcquiredAt = &stored
	}
}

// swap writes rec and reports answers that were lost, and found again. Where the
// expected version was replaced by a write of this leaser for the same purpose that
// had seemed to fail, that one is replaced in turn.
func (l *Leaser) swap(
	ctx context.Context, store cas.Store, cfg Config, rec *record, expect cas.Token, why purpose,
) (cas.Record, error) {
	watched := &watchedStore{Store: store, lost: func(err error) {
		l.event(Event{Kind: EventAmbiguous, Lease: rec.Lease, Err: err})
	}}
	for {
		rec.Note = cfg.Note
		data, err := rec.encode()
		if err != nil {
			return cas.Record{}, err
		}
		current, err := cas.Swap(ctx, watched, cfg.Key, data, expect)
		if lost(err) && !current.Exists() { // it is gone, or who has won could not be read
			// It may be a write of this leaser that seemed to fail: nothing is lost yet.
			l.keepInDoubt(rec, expect, why)
			var readErr error
			if current, readErr = store.Read(ctx, cfg.Key, ""); readErr != nil {
				return cas.Record{}, fmt.Errorf("the record has changed (%s), and cannot be read: %w", err.Error(), readErr)
			}
		}
		switch {
		case err == nil:
			l.remember(current, rec, cfg)
			if watched.count > 0 {
				l.event(Event{Kind: EventRecovered, Lease: rec.Lease})
			}
			return current, nil
		case errors.Is(err, cas.ErrIndeterminate) && !errors.Is(err, cas.ErrSuperseded):
			l.keepInDoubt(rec, expect, why)
			return current, err
		case !lost(err) || current.Token == expect || !l.isOwn(l.observe(current, cfg).rec, why):
			return current, err
		}
		if expect = current.Token; why == toAcquire {
			rec.Generation = max(rec.Generation, l.next())
		}
	}
}

func (l *Leaser) keepInDoubt(rec *record, expect cas.Token, why purpose) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.inDoubt == nil {
		l.inDoubt = make(map[string]doubt)
	}
	l.inDoubt[rec.Nonce] = doubt{why, expect}
}

// isOwn reports whether a record is of a write of this leaser that seemed to fail,
// and that was to the same purpose.
func (l *Leaser) isOwn(rec *record, why purpose) bool {
	if rec == nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	was, ok := l.inDoubt[rec.Nonce]
	return ok && was.why == why
}

// remember remembers what was written. It ends all doubt about earlier writes: they
// were conditional on what is gone now.
func (l *Leaser) remember(r cas.Record, rec *record, cfg Config) {
	written, now := *rec, cfg.clock.Now().Mono
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen = observed{token: r.Token, rec: &written, since: now}
	l.highest = max(l.highest, rec.Generation)
	l.inDoubt = nil
}

// watchedStore counts the writes whose answer was lost.
type watchedStore struct {
	cas.Store
	lost  func(error)
	count int
}

func (s *watchedStore) Write(ctx context.Context, key string, value []byte, expect cas.Token) (cas.Written, error) {
	token, err := s.Store.Write(ctx, key, value, expect)
	if errors.Is(err, cas.ErrIndeterminate) {
		s.count++
		s.lost(err)
	}
	return token, err
}

// lost reports whether a write's error means that somebody else's record is there.
func lost(err error) bool {
	return errors.Is(err, cas.ErrSuperseded) || errors.Is(err, cas.ErrConflict) && !errors.Is(err, cas.ErrIndeterminate)
}

func wrap(op string, cfg Config, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s lease %s: %w", op, cfg.Key, err)
}
