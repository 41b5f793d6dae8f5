package leasesim

import (
	"flag"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/replctl/replicate/internal/race"
	"github.com/replctl/replicate/lease"
)

var (
	seedFlag      = flag.Uint64("seed", 0, "run this one history, and print it")
	historiesFlag = flag.Uint64("histories", 40, "number of histories of the soak")
	firstFlag     = flag.Uint64("first", 1_000_000, "seed of the soak's first history")
)

// plain is the number of histories that every run checks.
var plain = race.Pick(200, 20)

// kinds are the worlds in which histories play, by turns.
var kinds = []setup{
	{skew: bound, jump: bound, stops: true, faults: 0.15},
	{skew: bound / 2, jump: bound / 2, stops: true, suspends: true, faults: 0.15},
	{storeTime: true, skew: time.Hour, jump: 5 * time.Minute, stops: true, faults: 0.1},
	{storeTime: true, skew: time.Hour, stops: true, suspends: true, faults: 0.1},
	{skew: bound, faults: 0.5},
	// Clocks that run fast and slow drift apart for ever, and the store's is right.
	{storeTime: true, skew: time.Hour, drift: 0.04, stops: true, faults: 0.1},
	// Proxies tell any time, and the machines' clocks are right.
	{storeTime: true, wrongStore: time.Hour, skew: bound, stops: true, faults: 0.1},
	{data: true, faults: 0.3},
}

func setupOf(seed uint64) setup {
	s := kinds[seed%uint64(len(kinds))]
	s.contenders, s.ops = 8+int(seed%3), 1000
	return s
}

// simulate runs a history, in a bubble of its own, and checks it.
func simulate(t *testing.T, seed uint64, s setup) (w *world) {
	synctest.Test(t, func(*testing.T) {
		w = newWorld(seed, s)
		w.run()
	})
	w.linearize()
	return w
}

// prove runs histories on as many processors as there are.
func prove(t *testing.T, first, n uint64) (events map[lease.EventKind]int) {
	worlds := make(chan *world, n)
	t.Run("histories", func(t *testing.T) {
		const lanes = 4
		for lane := range uint64(lanes) {
			t.Run(fmt.Sprint(lane), func(t *testing.T) {
				t.Parallel()
				for seed := first + lane; seed < first+n; seed += lanes {
					w := simulate(t, seed, setupOf(seed))
					report(t, w)
					worlds <- w
				}
			})
		}
	})
	close(worlds)
	events = make(map[lease.EventKind]int)
	for w := range worlds {
		for kind, n := range w.events {
			events[kind] += n
		}
	}
	return events
}

func report(t *testing.T, w *world) {
	t.Helper()
	if len(w.violations) == 0 {
		return
	}
	t.Errorf("seed %d: %d violations:\n%s\nrepeat: go test ./internal/leasesim -run 'TestHistories$' -args -seed %d",
		w.seed, len(w.violations), strings.Join(w.violations[:min(5, len(w.violations))], "\n"), w.seed)
}

func TestHistories(t *testing.T) {
	if *seedFlag != 0 {
		w := simulate(t, *seedFlag, setupOf(*seedFlag))
		t.Log(strings.Join(w.log(), "\n"))
		report(t, w)
		return
	}
	events := prove(t, 1, uint64(plain))
	t.Logf("in %d histories: %v", plain, events)
	// A proof about nothing is none.
	for kind, want := range map[lease.EventKind]int{
		lease.EventAcquired: 15, lease.EventRenewed: 30, lease.EventLost: 2, lease.EventReleased: 10,
		lease.EventAmbiguous: 5, lease.EventRecovered: 2, lease.EventRenewFailed: 2,
	} {
		if got := events[kind]; got < want*plain {
			t.Errorf("%d events %q, want at least %d", got, kind, want*plain)
		}
	}
}

// TestRepeatable: a seed is a history, so that a failure can be looked at.
func TestRepeatable(t *testing.T) {
	for seed := range uint64(len(kinds)) {
		one, two := simulate(t, seed, setupOf(seed)).log(), simulate(t, seed, setupOf(seed)).log()
		for i := range min(len(one), len(two)) {
			if one[i] != two[i] {
				t.Errorf("seed %d: operation %d is %s, and then %s", seed, i, one[i], two[i])
				break
			}
		}
	}
}

func TestSoak(t *testing.T) {
	t.Logf("%v", prove(t, *firstFlag, *historiesFlag))
}
