package config_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/cas/castest"
	"github.com/replctl/replicate/store/config"
)

func TestLostLock(t *testing.T) {
	t.Run("Memory", func(t *testing.T) { testLostLock(t, memory) })
	t.Run("File", func(t *testing.T) { testLostLock(t, directory) })
	t.Run("S3", func(t *testing.T) { testLostLock(t, fakeS3) })
}

// testLostLock: an AcquireLock whose outcome stays unknown does not block its own
// process, and, once the store can be reached again, nobody else either.
func testLostLock(t *testing.T, engine func(t *testing.T) func() cas.Store) {
	records := engine(t)
	other := open(records())
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

func check(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func wantIs(t *testing.T, what string, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("%s: got error %v, want one that is %q", what, err, target)
	}
}
