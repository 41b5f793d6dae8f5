package kv

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/cas"
)

// terms are what a lease's record says of it, in the place of its owner's name: for
// readers, which have to know how long they may take it on trust, and for people.
type terms struct {
	ending     bool // it was cut short to be released, and is not to be trusted any more
	ttl, cache time.Duration
	owner      string
}

func (t terms) String() string {
	kind := "kv"
	if t.ending {
		kind = "kv-ending"
	}
	return fmt.Sprintf("%s ttl=%v cache=%v %s", kind, t.ttl, t.cache, t.owner)
}

// parseTerms reads what String wrote. Of anything else nothing is known, and nothing
// taken on trust.
func parseTerms(s string) (t terms, ok bool) {
	fields := strings.SplitN(s, " ", 4)
	if len(fields) != 4 || fields[0] != "kv" && fields[0] != "kv-ending" {
		return terms{}, false
	}
	ttl, err1 := time.ParseDuration(strings.TrimPrefix(fields[1], "ttl="))
	cache, err2 := time.ParseDuration(strings.TrimPrefix(fields[2], "cache="))
	if err1 != nil || err2 != nil || ttl < MinTTL || ttl > MaxTTL || cache < 0 || cache > ttl {
		return terms{}, false
	}
	return terms{fields[0] == "kv-ending", ttl, cache, fields[3]}, true
}

// lease implements [Lease].
type lease struct {
	s     *Store
	id    LeaseId
	ttl   time.Duration
	alive *replicate.Session // that renews it; nil if nobody does here

	ending atomic.Bool // a release has begun while the lease was there
}

func (l *lease) Id() LeaseId { return l.id }

func (l *lease) TTL() time.Duration { return l.ttl }

// Done implements [Lease].
func (l *lease) Done() <-chan struct{} {
	if l.alive == nil {
		return nil
	}
	return l.alive.Context().Done()
}

// Err implements [Lease].
func (l *lease) Err() error {
	if l.alive == nil {
		return nil
	}
	return l.alive.Err()
}

// leaser is the state machine of one lease, whose owner and TTL may change.
func (s *Store) leaser(id LeaseId, owner *string, ttl *time.Duration) *replicate.StoreLeaser {
	return replicate.NewStoreLeaser("kv",
		func() replicate.LeaseConfig {
			return replicate.LeaseConfig{Key: leaseKey(id), Owner: *owner, TTL: *ttl, MaxTTL: MaxTTL + trustMargin, MaxSkew: s.opts.MaxSkew, Clock: s.opts.Clock}
		},
		func(context.Context) (cas.Store, error) { return s.store, nil })
}

// NewLease implements [Lessor].
func (s *Store) NewLease(ctx context.Context, ttl time.Duration, keepAlive bool) (Lease, error) {
	if ttl < MinTTL || ttl > MaxTTL {
		return nil, fmt.Errorf("new lease: ttl %v: want %v to %v", ttl, MinTTL, MaxTTL)
	}
	t := terms{false, ttl.Truncate(time.Millisecond), min(s.opts.LeaseCache, ttl).Truncate(time.Millisecond), replicate.DefaultLeaseOwner()}
	owner := t.String()
	for {
		l := &lease{s: s, id: randomId(), ttl: t.ttl}
		isNew, err := l.take(ctx, s.leaser(l.id, &owner, &t.ttl), keepAlive)
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
func (l *lease) take(ctx context.Context, leaser *replicate.StoreLeaser, keepAlive bool) (isNew bool, err error) {
	var taken *replicate.Lease
	if keepAlive {
		opts := replicate.SessionOptions{TTL: l.ttl, Clock: l.s.opts.Clock}
		if l.alive, err = replicate.TryAcquire(ctx, kept{leaser}, opts); err == nil {
			first := l.alive.Lease()
			taken = &first
		}
	} else {
		taken, err = leaser.AcquireLease(ctx)
	}
	var exists *replicate.LeaseExistsError
	switch {
	case errors.As(err, &exists):
		return false, nil
	case err != nil:
		return false, err
	case taken.Generation == 1:
		return true, nil
	}
	_ = l.endRenewals(ctx) // of one that had ended
	return false, nil
}

// kept is a leaser whose session ends without giving the lease up.
type kept struct{ *replicate.StoreLeaser }

func (kept) ReleaseLease(context.Context, *replicate.Lease) error { return nil }

// endRenewals returns why the lease was lost before, if it was.
func (l *lease) endRenewals(ctx context.Context) error {
	if l.alive == nil {
		return nil
	}
	return endSession(l.alive, ctx)
}

// endSession is a variable for tests of what happens without its error.
var endSession = (*replicate.Session).Release

// randomId is positive, and of the size that all readers of JSON have room for in a
// number.
func randomId() LeaseId {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return LeaseId(max(1, binary.BigEndian.Uint64(b[:])>>11))
}

// GetLease implements [Lessor].
func (s *Store) GetLease(ctx context.Context, id LeaseId) (Lease, error) {
	if id <= NoLeaseId {
		return nil, fmt.Errorf("get lease %d: %w", id, ErrNotFound)
	}
	found, err := s.look(ctx, s.view(id))
	if err == nil && found == nil {
		err = ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("get lease %d: %w", id, err)
	}
	t, ok := parseTerms(found.Owner)
	if !ok {
		return nil, fmt.Errorf("get lease %d: %w: terms %q", id, ErrCorrupt, found.Owner)
	}
	return &lease{s: s, id: id, ttl: t.ttl}, nil
}

// Release implements [Lease].
func (l *lease) Release(ctx context.Context) error {
	lost := l.endRenewals(ctx)
	for {
		there, done, err := l.s.release(ctx, l.id)
		if there {
			l.ending.Store(true)
		}
		switch {
		case err == nil && !done:
			continue
		case err == nil && lost == nil && l.alive != nil && !l.ending.Load():
			lost = fmt.Errorf("%w: it had ended before", replicate.ErrSessionLost)
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
	owner, ttl := endedBy(), replicate.DefaultLeaseTTL
	leaser := s.leaser(id, &owner, &ttl)
	held, err := s.look(ctx, &view{leaser: leaser})
	if err != nil || held == nil {
		return false, err == nil, err
	}
	t, _ := parseTerms(held.Owner)
	left := held.ExpiresAt.Sub(leaser.Now())
	owner = held.Owner // on behalf of its holder
	if left > 0 && t.cache > 0 {
		if !t.ending {
			t.ending = true
			owner, ttl = t.String(), t.cache+trustMargin // nobody, of whatever clock, sees it expire before the pause is over
			held.Owner, held.ExpiresAt = owner, s.opts.Clock.Now().Add(left).Time()
			held, err = leaser.RenewLease(ctx, held)
		}
		if err == nil {
			err = s.opts.Clock.Sleep(ctx, t.cache)
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
