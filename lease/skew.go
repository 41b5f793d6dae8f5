package lease

import (
	"time"

	"github.com/replctl/replicate/internal/clock"
)

// moment is what time it is for a contender, by each clock that it can read. No one
// of them is believed by itself that a lease has ended.
type moment struct {
	local time.Time // this machine's wall clock
	store time.Time // the store's clock when it answered, or up to a second earlier; zero if it has none
}

// estimateSkew compares the store's clock with this machine's. The store's has a
// resolution of a second (HTTP's Date), and was read at some moment between the
// request and the answer. So the offset lies somewhere in an interval; the estimate
// is moved into it, by no more than it must. Starting from zero it thus is never
// further off than the clocks are, however slow the request was.
//
// It returns by how much the time that was reckoned in so far was behind the store's,
// at least. A lease that was reckoned in that time ends so much earlier for others.
func (l *Leaser) estimateSkew(storeTime time.Time, before, after clock.Instant) (behind time.Duration) {
	if storeTime.IsZero() {
		return 0
	}
	behind = max(0, storeTime.Sub(l.correct(after)))
	// The longer of the two: one clock may have stood still, the other been set back.
	trip := max(after.Mono-before.Mono, after.Wall.Sub(before.Wall))
	least := storeTime.Sub(after.Wall)
	l.mu.Lock()
	was := l.skew
	skew := min(max(was, least), least+time.Second+trip)
	l.skew, l.base = skew, after
	l.mu.Unlock()
	if skew != 0 && (was == 0 || (skew-was).Abs() > 2*time.Second) {
		l.event(Event{Kind: EventSkew, Skew: skew})
	}
	return behind
}

// local is the time by this machine. A wall clock that was set back since the last
// look at the store is overruled by the monotonic one, or the next record would
// expire before its holder thinks.
func (l *Leaser) local(now clock.Instant) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	wall := now.Wall
	if steady := l.base.Wall.Add(now.Mono - l.base.Mono); !l.base.Wall.IsZero() && steady.After(wall) {
		wall = steady
	}
	return wall
}

// correct turns a moment of this machine into the wall time to reckon leases in: the
// store's where the two are visibly apart.
func (l *Leaser) correct(now clock.Instant) time.Time {
	wall := l.local(now)
	l.mu.Lock()
	defer l.mu.Unlock()
	return wall.Add(l.skew)
}

// Now is the time in which this leaser reckons when its own leases end: this
// machine's, or the store's where the two are visibly apart.
func (l *Leaser) Now() time.Time {
	cfg, err := l.config().withDefaults()
	if err != nil || l == nil {
		return time.Now()
	}
	return l.correct(cfg.clock.Now())
}
