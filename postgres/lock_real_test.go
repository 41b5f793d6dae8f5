//go:build realservers

package postgres_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/replctl/replicate/cas/castest"
	"github.com/replctl/replicate/internal/pgserver"
	"github.com/replctl/replicate/lease"
	"github.com/replctl/replicate/postgres"
	"github.com/replctl/replicate/store/config"
	"github.com/replctl/replicate/store/config/configtest"
)

// leaseTTL is that of the lease locker in the test of both.
const leaseTTL = 3 * time.Second

// configured is a config store with one of the two lockers.
func configured(s *postgres.Store, advisory bool) *config.Store {
	opts := config.Options{LockTTL: leaseTTL}
	if advisory {
		opts.Locker = postgres.NewAdvisoryLocker(s)
	}
	return config.New(s, opts)
}

// TestConfig: the whole suite of config with advisory locks.
func TestConfig(t *testing.T) {
	pool := pgserver.Start(t, "max_connections=300").Pool(t, "pool_max_conns=16")
	configtest.Run(t, configtest.Harness{Slow: true, New: func(t *testing.T) func() config.Storage {
		opts := pgserver.Fresh()
		return func() config.Storage { return configured(pgserver.Store(t, pool, opts), true) }
	}})
}

func tryLock(t *testing.T, l config.Locker, key int64) config.HeldLock {
	t.Helper()
	lock, err := l.TryLock(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return lock
}

func wantEnds(t *testing.T, lock config.HeldLock, cause error) {
	t.Helper()
	select {
	case <-lock.Context().Done():
		if err := context.Cause(lock.Context()); !errors.Is(err, cause) {
			t.Errorf("the lock's context ends with %v, want %v", err, cause)
		}
	case <-time.After(time.Minute):
		t.Fatal("the lock's context does not end")
	}
}

func TestAdvisoryLock(t *testing.T) {
	server := pgserver.Start(t)
	pool := server.Pool(t, "")
	opts := pgserver.Fresh()
	one := postgres.NewAdvisoryLocker(pgserver.Store(t, pool, opts))
	two := postgres.NewAdvisoryLocker(pgserver.Store(t, pool, opts))
	first := tryLock(t, one, 7)
	for name, l := range map[string]config.Locker{"the holder": one, "another": two} {
		if _, err := l.TryLock(t.Context(), 7); !errors.Is(err, config.ErrLockNotAcquired) {
			t.Errorf("%s takes a lock that is held: %v", name, err)
		}
	}
	elsewhere := postgres.NewAdvisoryLocker(pgserver.Store(t, pool, pgserver.Fresh()))
	for _, other := range []config.HeldLock{tryLock(t, one, 8), tryLock(t, elsewhere, 7)} {
		if err := other.Release(t.Context()); err != nil {
			t.Error(err)
		}
		wantEnds(t, other, lease.ErrReleased)
	}
	// The server ends the connection: the holder is told, and the number grows.
	server.Exec(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'replicate lock 7'")
	wantEnds(t, first, lease.ErrLost)
	if err := first.Release(t.Context()); !errors.Is(err, lease.ErrLost) {
		t.Errorf("releasing a lost lock: %v", err)
	}
	second := tryLock(t, two, 7)
	if second.Fence() <= first.Fence() {
		t.Errorf("the fencing number is %d after %d", second.Fence(), first.Fence())
	}
	if err := errors.Join(second.Release(t.Context()), second.Release(t.Context())); err != nil {
		t.Error(err)
	}
	// Leases go on where advisory locks have left off, and the other way round.
	s := pgserver.Store(t, pool, opts)
	session, err := configured(s, false).AcquireSession(t.Context(), 7)
	if err != nil || session.Generation() != second.Fence()+1 {
		t.Fatalf("a lease after lock %d: %d, %v", second.Fence(), session.Generation(), err)
	}
	if _, err := one.TryLock(t.Context(), 7); !errors.Is(err, config.ErrLockNotAcquired) {
		t.Errorf("the lock is taken while a lease is held: %v", err)
	}
	if err := session.Release(t.Context()); err != nil {
		t.Error(err)
	}
	third := tryLock(t, one, 7)
	if third.Fence() != second.Fence()+2 {
		t.Errorf("the fencing number is %d after a lease with %d", third.Fence(), second.Fence()+1)
	}
	if err := third.Release(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestAdvisoryRace: of many one has the lock, and the numbers of the holders grow.
func TestAdvisoryRace(t *testing.T) {
	pool := pgserver.Start(t).Pool(t, "")
	opts := pgserver.Fresh()
	last := int64(0)
	for range 5 {
		var held []config.HeldLock
		for _, lock := range castest.Results(8, func(int) config.HeldLock {
			lock, err := postgres.NewAdvisoryLocker(pgserver.Store(t, pool, opts)).TryLock(t.Context(), 1)
			if err != nil && !errors.Is(err, config.ErrLockNotAcquired) {
				t.Error(err)
			}
			return lock
		}) {
			if lock != nil {
				held = append(held, lock)
			}
		}
		if len(held) != 1 || held[0].Fence() <= last {
			t.Fatalf("%d have the lock, after number %d", len(held), last)
		}
		last = held[0].Fence()
		if err := held[0].Release(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
