package config

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/cas"
)

// MaxLockTTL is the longest LockTTL. A lock's record that reaches further into the
// future is replicate.ErrLeaseCorrupt, and not honoured.
const MaxLockTTL = 10 * time.Minute

// releaseTimeout bounds how long giving a lock back may take. What takes longer is left
// to expire. It is a variable for tests of what happens without it, as leaserOf is.
var releaseTimeout = 3 * time.Second

var leaserOf = (*Storage).leaser

// AcquireLock takes the lock with that number if it is free, and keeps it until
// release is called, which takes 3 seconds at most, or the process ends. If somebody else
// holds it, in this process too, that is ErrLockNotAcquired, at once, and a
// *replicate.LeaseExistsError that says who.
//
// If ctx ends, or the store fails, before it is known whether the lock was taken, the
// error is cas.ErrIndeterminate, and AcquireLock tries to give the lock back, for 3
// seconds at most. If that fails too, the next AcquireLock of this Storage knows the lock
// for its own, and takes it.
//
// The lock does not end with ctx. The release function may be called more than once.
func (s *Storage) AcquireLock(ctx context.Context, key int64) (release func(), err error) {
	session, err := s.AcquireSession(ctx, key)
	if err != nil {
		return nil, err
	}
	return sync.OnceFunc(func() {
		_ = session.Release(context.WithoutCancel(ctx)) // at worst it expires
	}), nil
}

// AcquireSession is AcquireLock for a holder that has to know when the lock is lost: work
// under the session's context ends before another process can have the lock, and its
// lease has a number that grows with each holder.
func (s *Storage) AcquireSession(ctx context.Context, key int64) (*replicate.Session, error) {
	leaser := lockLeaser{leaserOf(s, key)}
	session, err := replicate.TryAcquire(ctx, leaser, replicate.SessionOptions{})
	var held *replicate.LeaseExistsError
	if errors.As(err, &held) {
		err = fmt.Errorf("%w: %w", ErrLockNotAcquired, err)
	}
	if err != nil {
		return nil, fmt.Errorf("lock %d: %w", key, err)
	}
	return session, nil
}

// leaser is the one leaser of a lock in this Storage: it knows its own records, also
// those whose write seemed to fail.
func (s *Storage) leaser(key int64) *replicate.StoreLeaser {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leasers[key] == nil {
		cfg := replicate.LeaseConfig{
			Key:   fmt.Sprintf("%s%016x.json", locksPrefix, uint64(key)),
			Owner: s.opts.LockOwner, TTL: s.opts.LockTTL, MaxTTL: MaxLockTTL,
		}
		s.leasers[key] = replicate.NewStoreLeaser("config",
			func() replicate.LeaseConfig { return cfg },
			func(context.Context) (cas.Store, error) { return s.store, nil })
	}
	return s.leasers[key]
}

// lockLeaser is a leaser that does not take long to release.
type lockLeaser struct{ *replicate.StoreLeaser }

// ReleaseLease implements [replicate.Leaser].
func (l lockLeaser) ReleaseLease(ctx context.Context, lease *replicate.Lease) error {
	ctx, cancel := context.WithTimeout(ctx, releaseTimeout)
	defer cancel()
	return l.StoreLeaser.ReleaseLease(ctx, lease)
}

// WithdrawLease gives back a lock that was perhaps taken. A session calls it when
// acquiring fails.
func (l lockLeaser) WithdrawLease(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, releaseTimeout)
	defer cancel()
	return l.StoreLeaser.WithdrawLease(ctx)
}
