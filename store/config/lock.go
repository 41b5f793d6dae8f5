package config

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/lease"
	"github.com/replctl/replicate/store/internal/record"
)

// MaxLockTTL is the longest LockTTL. A lock's record that reaches further into the
// future is replicate.ErrLeaseCorrupt, and not honoured.
const MaxLockTTL = 10 * time.Minute

// releaseTimeout bounds how long giving a lock back may take. What takes longer is left
// to expire. It is a variable for tests of what happens without it, as leaserOf is.
var releaseTimeout = 3 * time.Second

var leaserOf = (*Store).leaser

// AcquireLock implements [Storage]. The lock does not end with ctx, and release takes 3
// seconds at most. If somebody holds the lock, the error is also a
// *replicate.LeaseExistsError that says who.
//
// If ctx ends or the store fails before the outcome is known, the error is
// cas.ErrIndeterminate, and AcquireLock tries for 3 seconds to give the lock back. If that
// fails too, the next AcquireLock of this Store recognises the lock as its own and takes it.
//
// While this Store holds a lock, the heads of the collections that it changes carry the
// lock's fencing number. After a later holder has changed a collection, this Store's
// changes to it return ErrLockLost.
func (s *Store) AcquireLock(ctx context.Context, key int64) (release func(), err error) {
	lock, err := s.TryLock(ctx, key)
	if err != nil {
		return nil, err
	}
	return sync.OnceFunc(func() {
		_ = lock.Release(context.WithoutCancel(ctx)) // at worst it expires
	}), nil
}

// AcquireSession is AcquireLock for a holder that has to know when the lock is lost: work
// under the session's context ends before another process can have the lock, and its
// lease has a number that grows with each holder. A Store with a Locker has no sessions:
// see [Store.TryLock].
func (s *Store) AcquireSession(ctx context.Context, key int64) (*lease.Session, error) {
	switch {
	case s.store == nil:
		return nil, fmt.Errorf("lock %d: %w", key, record.ErrNoStore)
	case s.opts.Locker != nil:
		return nil, fmt.Errorf("lock %d: the store has a locker, which holds no sessions: use TryLock", key)
	}
	leaser := lockLeaser{leaserOf(s, key), s, key}
	session, err := lease.TryAcquire(ctx, leaser, lease.Options{})
	var held *replicate.LeaseExistsError
	if errors.As(err, &held) {
		err = fmt.Errorf("%w: %w", ErrLockNotAcquired, err)
	}
	if err != nil {
		return nil, fmt.Errorf("lock %d: %w", key, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held[key] = session.Lease().Generation
	return session, nil
}

// fences returns the fencing numbers of the locks that this Store holds, or has lost
// without releasing them.
func (s *Store) fences() []fence {
	s.mu.Lock()
	defer s.mu.Unlock()
	fences := make([]fence, 0, len(s.held))
	for _, lock := range slices.Sorted(maps.Keys(s.held)) {
		fences = append(fences, fence{lock, s.held[lock]})
	}
	return fences
}

// LockKey is the key of the record of a lock: a lease of package lease.
func LockKey(key int64) string { return fmt.Sprintf("%s%016x.json", locksPrefix, uint64(key)) }

// leaser returns the one leaser of a lock in this Store. It recognises its own records,
// also those whose write seemed to fail.
func (s *Store) leaser(key int64) *lease.Leaser {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leasers[key] == nil {
		cfg := lease.Config{
			Key: LockKey(key), Owner: s.opts.LockOwner, TTL: s.opts.LockTTL, MaxTTL: MaxLockTTL,
		}
		s.leasers[key] = lease.NewLeaser("config",
			func() lease.Config { return cfg },
			func(context.Context) (cas.Store, error) { return s.records(), nil })
	}
	return s.leasers[key]
}

// lockLeaser is the leaser of a lock of a Store. Releasing takes it releaseTimeout at most.
type lockLeaser struct {
	*lease.Leaser
	holder *Store
	key    int64
}

// ReleaseLease implements [replicate.Leaser].
func (l lockLeaser) ReleaseLease(ctx context.Context, lease *replicate.Lease) error {
	ctx, cancel := context.WithTimeout(ctx, releaseTimeout)
	defer cancel()
	err := l.Leaser.ReleaseLease(ctx, lease)
	l.holder.mu.Lock()
	defer l.holder.mu.Unlock()
	if err == nil && l.holder.held[l.key] == lease.Generation {
		delete(l.holder.held, l.key)
	}
	return err
}

// WithdrawLease gives back a lock that was perhaps taken. A session calls it when
// acquiring fails.
func (l lockLeaser) WithdrawLease(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, releaseTimeout)
	defer cancel()
	return l.Leaser.WithdrawLease(ctx)
}
