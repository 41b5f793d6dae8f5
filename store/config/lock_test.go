package config_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/cas/castest"
	"github.com/replctl/replicate/lease"
	"github.com/replctl/replicate/store/config"
)

// TestLockIsKept: a lock is held for as long as its holder lives, and no longer.
func TestLockIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := new(cas.Memory)
		var unplugged atomic.Bool
		mine := config.New(&castest.Faulty{Store: store, Decide: func(string, string) castest.Fault {
			if unplugged.Load() {
				return castest.FailBefore
			}
			return castest.None
		}}, config.Options{LockTTL: 10 * time.Second, LockOwner: "me"})
		held, err := mine.AcquireSession(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		_, err = open(store).AcquireLock(t.Context(), 1)
		if !errors.Is(err, config.ErrLockNotAcquired) || held.Err() != nil {
			t.Errorf("after an hour: %v, and the holder's session ended with %v", err, held.Err())
		}
		unplugged.Store(true)
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if !errors.Is(held.Err(), lease.ErrLost) {
			t.Errorf("the holder's session ended with %v", held.Err())
		}
		release, err := open(store).AcquireLock(t.Context(), 1)
		if err != nil {
			t.Fatalf("after the end of the lease: %v", err)
		}
		release()
		_ = held.Release(t.Context()) // is lost
	})
}

func TestLockErrors(t *testing.T) {
	store := new(cas.Memory)
	for _, ttl := range []time.Duration{-time.Second, config.MaxLockTTL + 1} {
		if _, err := config.New(store, config.Options{LockTTL: ttl}).AcquireLock(t.Context(), 1); err == nil {
			t.Errorf("a TTL of %v is taken", ttl)
		}
	}
	faulty := &castest.Faulty{Store: store, Decide: func(string, string) castest.Fault { return castest.FailBefore }}
	_, err := open(faulty).AcquireLock(t.Context(), 1)
	if !errors.Is(err, castest.ErrInjected) || errors.Is(err, config.ErrLockNotAcquired) {
		t.Errorf("a store that cannot be reached: %v", err)
	}
}

// hanging is a store that does not answer a write, once it hangs, before the caller
// gives up.
type hanging struct {
	cas.Store
	hangs atomic.Bool
}

func (s *hanging) Write(ctx context.Context, key string, value []byte, expect cas.Token) (cas.Written, error) {
	if s.hangs.Load() {
		<-ctx.Done()
		return cas.Written{}, fmt.Errorf("%w: %w", cas.ErrIndeterminate, context.Cause(ctx))
	}
	return s.Store.Write(ctx, key, value, expect)
}

// TestReleaseIsBounded: releasing a lock never blocks for long, whatever its TTL and
// whatever the store does.
func TestReleaseIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &hanging{Store: new(cas.Memory)}
		release, err := config.New(store, config.Options{LockTTL: config.MaxLockTTL}).AcquireLock(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		store.hangs.Store(true)
		start := time.Now()
		release()
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("the release took %v", took)
		}
	})
}
