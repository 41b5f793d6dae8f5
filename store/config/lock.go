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

// AcquireLock takes the lock with that number if it is free, and keeps it until
// release is called, which never blocks for long, or the process ends. If somebody else
// holds it, in this process too, that is ErrLockNotAcquired, at once, and a
// *replicate.LeaseExistsError that says who.
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

// AcquireSession is AcquireLock for who has to know when the lock is lost: work under
// the session's context ends before another process can have the lock, and its lease
// has a number that grows with each holder.
func (s *Storage) AcquireSession(ctx context.Context, key int64) (*replicate.Session, error) {
	cfg := replicate.LeaseConfig{
		Key:   fmt.Sprintf("%s%016x.json", locksPrefix, uint64(key)),
		Owner: s.opts.LockOwner, TTL: s.opts.LockTTL, MaxTTL: MaxLockTTL,
	}
	leaser := replicate.NewStoreLeaser("config",
		func() replicate.LeaseConfig { return cfg },
		func(context.Context) (cas.Store, error) { return s.store, nil })
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
