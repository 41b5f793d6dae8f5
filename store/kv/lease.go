package kv

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/errs"
	"github.com/replctl/replicate/lease"
)

// terms are the note in a lease's record: what readers have to know of it.
type terms struct {
	TTL   milliseconds `json:"ttl_ms"`
	Cache milliseconds `json:"cache_ms"` // how long it may be taken on trust

	// Ending: it was cut short to be released, and is not to be trusted any more.
	Ending bool `json:"ending,omitempty"`
}

type milliseconds int64

func toMilliseconds(d time.Duration) milliseconds { return milliseconds(d / time.Millisecond) }

func (m milliseconds) duration() time.Duration { return time.Duration(m) * time.Millisecond }

// parseTerms returns false for what no Store writes. Of such a lease nothing is known, and
// nothing is taken on trust.
func parseTerms(note []byte) (t terms, ok bool) {
	if json.Unmarshal(note, &t) != nil ||
		t.TTL < toMilliseconds(MinTTL) || t.TTL > toMilliseconds(MaxTTL) || t.Cache < 0 || t.Cache > t.TTL {
		return terms{}, false
	}
	return t, true
}

// StoreLease is a Lease of a [Store]. [Store.NewLease] and [Store.GetLease] return one, and
// those of its Lessor are *StoreLease, too.
type StoreLease struct {
	s       *Store
	id      LeaseId
	fullTTL time.Duration
	leaser  *lease.Leaser
	alive   *lease.Session  // that renews it; nil if nobody does here
	found   replicate.Lease // as it was made or found, where nobody renews it here

	ending atomic.Bool // a release has begun while the lease was there
	ended  atomic.Bool // it was released here
}

var _ Lease = (*StoreLease)(nil)

// Id implements [Lease].
func (l *StoreLease) Id() LeaseId { return l.id }

// FullTTL is how long the lease lasts from when it is made or renewed.
func (l *StoreLease) FullTTL() time.Duration { return l.fullTTL }

// TTL implements [Lease].
func (l *StoreLease) TTL() time.Duration {
	if l.s == nil || l.ended.Load() {
		return 0
	}
	held := l.found
	if l.alive != nil {
		held = l.alive.Lease()
	}
	// A store's clock is known to a second or so: what it says is never more than the whole.
	return min(max(0, held.ExpiresAt.Sub(l.leaser.Now())), l.fullTTL)
}

// Done is closed when a lease that NewLease keeps alive is not kept alive any
// more: because it was lost, which is known a tenth of the TTL before it ends, or
// because it was released. Of a lease that is not kept alive here it is nil.
func (l *StoreLease) Done() <-chan struct{} {
	if l.alive == nil {
		return nil
	}
	return l.alive.Context().Done()
}

// Err is nil until Done is closed, and then says why: ErrLeaseLost or ErrLeaseReleased is
// in its chain. It asks the clocks, too, so that it is right at once after the machine was
// suspended.
func (l *StoreLease) Err() error {
	if l.alive == nil {
		return nil
	}
	return l.alive.Err()
}

// lessor is the Lessor of a Store.
type lessor struct{ s *Store }

// Lessor implements [Storage]. As a Lessor's GetLease and a Lease's Release have no context,
// they take as long as the store does; [Store.GetLease] and [StoreLease.ReleaseContext] have one.
func (s *Store) Lessor() Lessor { return lessor{s} }

func (l lessor) NewLease(ctx context.Context, ttl time.Duration, keepAlive bool) (Lease, error) {
	made, err := l.s.NewLease(ctx, ttl, keepAlive)
	if err != nil {
		return nil, err
	}
	return made, nil
}

func (l lessor) GetLease(id LeaseId) (Lease, error) {
	found, err := l.s.GetLease(context.Background(), id)
	if err != nil {
		return nil, err
	}
	return found, nil
}

// writer is how a leaser writes the record of a lease.
type writer struct {
	owner string
	ttl   time.Duration
	note  json.RawMessage
}

// holder writes the records of a lease that goes on.
func holder(owner string, ttl time.Duration, t terms) (writer, error) {
	note, err := json.Marshal(t)
	return writer{owner, ttl, note}, err
}

// ender writes the records of one that has ended.
func ender() writer { return writer{owner: lease.DefaultOwner(), ttl: lease.DefaultTTL} }

// leaser is the state machine of one lease, whose writer may change.
func (s *Store) leaser(id LeaseId, w *writer) *lease.Leaser {
	configure := func() lease.Config {
		return lease.Config{
			Key: leaseKey(id), Owner: w.owner, TTL: w.ttl, Note: w.note,
			MaxTTL: MaxTTL + trustMargin, MaxSkew: s.opts.MaxSkew,
		}.WithClock(s.opts.clock)
	}
	return lease.NewLeaser("kv", configure, func(context.Context) (cas.Store, error) { return s.store, nil })
}

// NewLease makes a lease: see [Lessor]. With keepAlive it is renewed three times in its TTL.
// If the store cannot be reached for so long that the lease may have ended, it is not
// renewed any more: see [StoreLease.Done].
func (s *Store) NewLease(ctx context.Context, ttl time.Duration, keepAlive bool) (*StoreLease, error) {
	if err := s.ready(); err != nil {
		return nil, fmt.Errorf("new lease: %w", err)
	}
	if ttl < MinTTL || ttl > MaxTTL {
		return nil, fmt.Errorf("new lease: ttl %v: want %v to %v", ttl, MinTTL, MaxTTL)
	}
	t := terms{TTL: toMilliseconds(ttl), Cache: toMilliseconds(min(s.opts.LeaseCache, ttl))}
	w, err := holder(lease.DefaultOwner(), t.TTL.duration(), t)
	if err != nil {
		return nil, fmt.Errorf("new lease: %w", err)
	}
	for {
		l := &StoreLease{s: s, id: randomId(), fullTTL: w.ttl}
		l.leaser = s.leaser(l.id, &w)
		isNew, err := l.take(ctx, keepAlive)
		if err != nil {
			return nil, fmt.Errorf("new lease: %w", err)
		}
		if isNew {
			return l, nil
		}
	}
}

// take makes the lease's record. It is not new if there was one already: an ID
// that has been given is not given again.
func (l *StoreLease) take(ctx context.Context, keepAlive bool) (isNew bool, err error) {
	if keepAlive {
		opts := lease.Options{TTL: l.fullTTL}.WithClock(l.s.opts.clock)
		if l.alive, err = lease.TryAcquire(ctx, kept{l.leaser}, opts); err == nil {
			l.found = l.alive.Lease()
		}
	} else {
		var taken *replicate.Lease
		if taken, err = l.leaser.AcquireLease(ctx); err == nil {
			l.found = *taken
		}
	}
	var exists *replicate.LeaseExistsError
	switch {
	case errors.As(err, &exists):
		return false, nil
	case err != nil:
		return false, err
	case l.found.Generation == 1:
		return true, nil
	}
	_ = l.endRenewals(ctx) // of one that had ended
	return false, nil
}

// kept is a leaser whose session ends without giving the lease up.
type kept struct{ *lease.Leaser }

func (kept) ReleaseLease(context.Context, *replicate.Lease) error { return nil }

// endRenewals returns why the lease was lost before, if it was.
func (l *StoreLease) endRenewals(ctx context.Context) error {
	if l.alive == nil {
		return nil
	}
	return l.alive.Release(ctx)
}

// randomId is positive, and of the size that all readers of JSON have room for in a
// number.
func randomId() LeaseId {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return LeaseId(max(1, binary.BigEndian.Uint64(b[:])>>11))
}

// GetLease returns a lease that has not ended, whoever made it, or ErrNotFound.
func (s *Store) GetLease(ctx context.Context, id LeaseId) (_ *StoreLease, err error) {
	defer errs.Wrap(&err, "get lease %d", id)
	switch {
	case s.ready() != nil:
		return nil, s.ready()
	case id <= NoLeaseId:
		return nil, ErrNotFound
	}
	v := s.view(id)
	for {
		found, err := s.look(ctx, v)
		if err == nil && found == nil {
			err = ErrNotFound
		}
		if err != nil {
			return nil, err
		}
		note, ok := v.leaser.Note(found)
		if !ok {
			continue // it was renewed meanwhile
		}
		t, ok := parseTerms(note)
		if !ok {
			return nil, fmt.Errorf("%w: terms %.200q", ErrCorrupt, note)
		}
		return &StoreLease{s: s, id: id, fullTTL: t.TTL.duration(), leaser: v.leaser, found: *found}, nil
	}
}

// Release implements [Lease].
func (l *StoreLease) Release() error { return l.ReleaseContext(context.Background()) }

// ReleaseContext is Release. It waits as long as readers may take the lease on trust (see
// the package's comment); if ctx ends before, the lease expires a second after that time.
//
// ErrLeaseLost says that the records are gone, and that a lease which was kept alive here
// had been lost before: its records were perhaps missing for a while.
func (l *StoreLease) ReleaseContext(ctx context.Context) error {
	if l.s == nil {
		return fmt.Errorf("release lease: %w", errNoStore)
	}
	lost := l.endRenewals(ctx)
	for {
		there, done, err := l.s.release(ctx, l.id)
		if there {
			l.ending.Store(true)
		}
		if err == nil && done {
			l.ended.Store(true)
		}
		switch {
		case err == nil && !done:
			continue
		case err == nil && lost == nil && l.alive != nil && !l.ending.Load():
			lost = fmt.Errorf("%w: it had ended before", lease.ErrLost)
		}
		if err == nil {
			err = lost
		}
		if err != nil {
			return fmt.Errorf("release lease %d: %w", l.id, err)
		}
		return nil
	}
}

// release ends a lease in three steps: it is cut short, and marked, so that nobody
// takes it on trust from then on; the time passes for which somebody may have before;
// it is released. It is not done if somebody has changed it meanwhile. It reports
// whether the lease was there to begin with.
func (s *Store) release(ctx context.Context, id LeaseId) (there, done bool, err error) {
	w := ender()
	leaser := s.leaser(id, &w)
	held, err := s.look(ctx, &view{id: id, leaser: leaser})
	if err != nil || held == nil {
		return false, err == nil, err
	}
	note, _ := leaser.Note(held) // nobody else uses this leaser
	t, _ := parseTerms(note)
	left := held.ExpiresAt.Sub(leaser.Now())
	w.owner, w.note = held.Owner, note // on behalf of its holder
	if left > 0 && t.Cache > 0 {
		if !t.Ending {
			t.Ending = true
			// Nobody, of whatever clock, sees it expire before the pause is over.
			if w, err = holder(held.Owner, t.Cache.duration()+trustMargin, t); err != nil {
				return true, false, err
			}
			held.ExpiresAt = s.opts.clock.Now().Add(left).Time()
			held, err = leaser.RenewLease(ctx, held)
		}
		if err == nil {
			err = s.opts.clock.Sleep(ctx, t.Cache.duration())
		}
	}
	if err == nil {
		err = leaser.ReleaseLease(ctx, held)
	}
	if errors.Is(err, replicate.ErrLeaseNotHeld) || errors.Is(err, replicate.ErrLeaseAlreadyReleased) {
		return true, false, nil
	}
	return true, err == nil, err
}
