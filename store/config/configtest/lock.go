package configtest

import (
	"context"
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/cas/castest"
	"github.com/replctl/replicate/store/config"
)

func testLock(t *testing.T, h Harness) {
	open := h.instances(t)
	holder := open()
	for _, key := range []int64{0, 1, -1, math.MaxInt64, math.MinInt64} { // each is another lock
		release, err := holder.AcquireLock(t.Context(), key)
		check(t, "AcquireLock", err)
		for _, s := range []config.Storage{holder, open()} {
			_, err := s.AcquireLock(t.Context(), key)
			wantIs(t, "AcquireLock of what is held", err, config.ErrLockNotAcquired)
		}
		defer release()
	}
	release, err := open().AcquireLock(t.Context(), 2)
	check(t, "AcquireLock", err)
	release()
	release()
	release, err = open().AcquireLock(t.Context(), 2)
	check(t, "AcquireLock of what was released", err)
	release()
}

// testSession: the number of a lock's lease grows with each holder, and an error says
// who that is.
func testSession(t *testing.T, h Harness) {
	records := h.Records(t)
	for want := int64(1); want <= 3; want++ {
		s, err := over(records()).AcquireSession(t.Context(), 7)
		check(t, "AcquireSession", err)
		if got := s.Lease().Generation; got != want || s.Err() != nil || s.Context().Err() != nil {
			t.Errorf("the session has number %d, want %d, and ended with %v", got, want, s.Err())
		}
		_, err = over(records()).AcquireLock(t.Context(), 7)
		var held *replicate.LeaseExistsError
		if !errors.As(err, &held) || held.Owner == "" {
			t.Errorf("AcquireLock of what is held: %v: want to know who holds it", err)
		}
		check(t, "Release", s.Release(t.Context()))
	}
}

// testLockRace: of many at once one has it.
func testLockRace(t *testing.T, h Harness) {
	open := h.instances(t)
	for range h.rounds(10) {
		var mu sync.Mutex
		var releases []func()
		castest.Race(8, func(int) {
			release, err := open().AcquireLock(t.Context(), 1)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				releases = append(releases, release)
			} else {
				wantIs(t, "a loser", err, config.ErrLockNotAcquired)
			}
		})
		if len(releases) != 1 {
			t.Errorf("%d have the lock", len(releases))
		}
		for _, release := range releases {
			release()
		}
	}
}

// testLostLock: an AcquireLock whose outcome stays unknown does not block its own
// process, and, once the store can be reached again, nobody else either.
func testLostLock(t *testing.T, h Harness) {
	records := h.Records(t)
	other := over(records())
	for _, reachable := range []bool{false, true} { // while the lock is given back
		ctx, cancel := context.WithCancel(t.Context())
		var down atomic.Bool
		writes := 0
		s := config.New(&castest.Faulty{Store: records(), Between: func(string) {
			cancel() // as the answer is under way
			down.Store(!reachable)
		}, Decide: func(op, _ string) castest.Fault {
			if op == "write" {
				if writes++; writes == 1 {
					return castest.AppliedThenReplaced
				}
			}
			if down.Load() {
				return castest.FailBefore
			}
			return castest.None
		}}, config.Options{})
		_, err := s.AcquireLock(ctx, 1)
		wantIs(t, "AcquireLock that is interrupted", err, cas.ErrIndeterminate)
		if reachable {
			release, err := other.AcquireLock(t.Context(), 1)
			check(t, "AcquireLock of what was given back", err)
			release()
			continue
		}
		down.Store(false)
		_, err = other.AcquireLock(t.Context(), 1)
		wantIs(t, "AcquireLock of what another has, perhaps", err, config.ErrLockNotAcquired)
		release, err := s.AcquireLock(t.Context(), 1)
		check(t, "AcquireLock, again", err)
		_, err = s.AcquireLock(t.Context(), 1)
		wantIs(t, "AcquireLock of what the same process holds", err, config.ErrLockNotAcquired)
		release()
	}
}
