package configtest

import (
	"math"
	"sync"
	"testing"

	"github.com/replctl/replicate/cas/castest"
	"github.com/replctl/replicate/store/config"
)

func testLock(t *testing.T, h Harness) {
	open := h.New(t)
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

// testLockRace: of many at once one has it.
func testLockRace(t *testing.T, h Harness) {
	open := h.New(t)
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
