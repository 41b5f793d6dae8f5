// Package clock is time as leases need it: the wall clock, which may jump, and
// the monotonic one, which may stand still while the machine is suspended, apart
// from each other, so that each can be distrusted and each can be faked.
package clock

import (
	"context"
	"time"
)

// Clock tells both times and waits.
type Clock interface {
	// Now is both clocks, read together.
	Now() Instant
	// Sleep waits for d on the monotonic clock, or until ctx ends; then it
	// returns the context's cause.
	Sleep(ctx context.Context, d time.Duration) error
}

// Instant is a moment on both clocks.
type Instant struct {
	Wall time.Time     // without a monotonic part
	Mono time.Duration // since a start that is the clock's own

	stamp time.Time // both in one, as package time has it; zero for a fake
}

// Add is the moment d later, on both clocks.
func (i Instant) Add(d time.Duration) Instant {
	sum := Instant{Wall: i.Wall.Add(d), Mono: i.Mono + d}
	if !i.stamp.IsZero() {
		sum.stamp = i.stamp.Add(d)
	}
	return sum
}

// Time is the moment as package time knows it, with a monotonic part if it is of
// the machine's clock.
func (i Instant) Time() time.Time {
	if i.stamp.IsZero() {
		return i.Wall
	}
	return i.stamp
}

// After reports whether t has passed, on either clock, if t knows both.
func (i Instant) After(t time.Time) bool {
	return i.Wall.After(t.Round(0)) || i.Time().After(t)
}

// Reached reports whether the earlier of two deadlines, one on each clock, has
// come.
func (i Instant) Reached(deadline Instant) bool { return i.Until(deadline) <= 0 }

// Until is the time left until the earlier of two deadlines.
func (i Instant) Until(deadline Instant) time.Duration {
	return min(deadline.Wall.Sub(i.Wall), deadline.Mono-i.Mono)
}

// System is the machine's clock.
var System Clock = system{}

type system struct{}

var start = time.Now()

func (system) Now() Instant {
	now := time.Now()
	return Instant{Wall: now.Round(0), Mono: now.Sub(start), stamp: now}
}

func (system) Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
