package config

import (
	"context"
	"fmt"

	"github.com/replctl/replicate/lease"
	"github.com/replctl/replicate/store/internal/record"
)

// Locker hands out locks by another way than leases in the store. postgres.AdvisoryLocker
// is one.
type Locker interface {
	// TryLock takes the lock with that number. If somebody holds it, in this process or
	// another, the error is ErrLockNotAcquired, at once. The lock does not end with ctx.
	//
	// A lock's fencing numbers are 1 or more, and grow with each holder for as long as the
	// records exist: a collection that a later holder has changed refuses an earlier one.
	TryLock(ctx context.Context, key int64) (HeldLock, error)
}

// HeldLock is a lock that somebody holds.
type HeldLock interface {
	// Context ends when the lock is lost, or released.
	Context() context.Context

	// Fence is the fencing number.
	Fence() int64

	// Release gives the lock back. It may be called more than once. An error says that the
	// lock was lost before, or that it is held until whatever holds it finds out.
	Release(ctx context.Context) error
}

// TryLock is AcquireLock for a holder that has to know when the lock is lost, by a lease or by
// Options.Locker.
func (s *Store) TryLock(ctx context.Context, key int64) (HeldLock, error) {
	if s.store == nil {
		return nil, fmt.Errorf("lock %d: %w", key, record.ErrNoStore)
	}
	if s.opts.Locker == nil {
		session, err := s.AcquireSession(ctx, key)
		if err != nil {
			return nil, err
		}
		return sessionLock{session}, nil
	}
	lock, err := s.opts.Locker.TryLock(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("lock %d: %w", key, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held[key] = lock.Fence()
	return lockOf{lock, s, key}, nil
}

// sessionLock is a lease as a HeldLock.
type sessionLock struct{ *lease.Session }

// Fence implements [HeldLock].
func (l sessionLock) Fence() int64 { return l.Generation() }

// lockOf is a lock of a Store. While it is held, or was lost, its fencing number is that of
// the Store's changes.
type lockOf struct {
	HeldLock
	holder *Store
	key    int64
}

// Release implements [HeldLock].
func (l lockOf) Release(ctx context.Context) error {
	err := l.HeldLock.Release(ctx)
	l.holder.mu.Lock()
	defer l.holder.mu.Unlock()
	if err == nil && l.holder.held[l.key] == l.Fence() {
		delete(l.holder.held, l.key)
	}
	return err
}
