package replicate

import (
	"time"

	"github.com/replctl/replicate/internal/clock"
)

// estimateSkew compares the store's clock with this machine's. The store's has a
// resolution of a second (HTTP's Date), and was read at some moment between the
// request and the answer. So the offset lies somewhere in an interval; the estimate
// is moved into it, by no more than it must. Starting from zero it thus is never
// further off than the clocks are, however slow the request was.
func (l *StoreLeaser) estimateSkew(storeTime time.Time, before, after clock.Instant) {
	l.mu.Lock()
	l.base = after
	was := l.skew
	l.mu.Unlock()
	if storeTime.IsZero() {
		return
	}
	// The longer of the two: one clock may have stood still, the other been set back.
	trip := max(after.Mono-before.Mono, after.Wall.Sub(before.Wall))
	least := storeTime.Sub(after.Wall)
	skew := min(max(was, least), least+time.Second+trip)
	l.mu.Lock()
	l.skew = skew
	l.mu.Unlock()
	if skew != 0 && (was == 0 || (skew-was).Abs() > 2*time.Second) {
		l.event(Event{Kind: EventSkew, Skew: skew})
	}
}

// correct turns a moment of this machine into the wall time to reckon leases in:
// the store's where the two are visibly apart. A wall clock that was set back since
// the last look at the store is overruled by the monotonic one, or the next record
// would expire before its holder thinks.
func (l *StoreLeaser) correct(now clock.Instant) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	wall := now.Wall
	if steady := l.base.Wall.Add(now.Mono - l.base.Mono); !l.base.Wall.IsZero() && steady.After(wall) {
		wall = steady
	}
	return wall.Add(l.skew)
}

// Now is the time in which this leaser reckons when leases end: this machine's, or
// the store's where the two are visibly apart.
func (l *StoreLeaser) Now() time.Time {
	cfg, err := l.configure().withDefaults()
	if err != nil {
		return time.Now()
	}
	return l.correct(cfg.Clock.Now())
}
