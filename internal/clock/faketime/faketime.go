// Package faketime is the clocks of simulated machines, for tests in a bubble of
// testing/synctest.
//
// True time is the bubble's: it goes on when everybody waits. Each machine has a
// wall clock apart from it, which can be set, and a monotonic clock, which stands
// still while the machine is suspended.
package faketime

import (
	"context"
	"sync"
	"time"

	"github.com/replctl/replicate/internal/clock"
)

// Clock is the clocks of one machine.
type Clock struct {
	start time.Time // of the monotonic clock, in true time

	mu     sync.Mutex
	ahead  time.Duration // of true time, at the start
	rate   float64       // how far both clocks go in a true second, less that second
	still  time.Duration // how long the monotonic clock has stood still so far
	asleep time.Time     // suspended since then; zero if it is not
	halted chan struct{} // closed when it goes on; nil while it runs
}

var _ clock.Clock = (*Clock)(nil)

// New returns a machine whose wall clock is ahead of true time by so much.
func New(ahead time.Duration) *Clock { return &Clock{start: time.Now(), ahead: ahead} }

// Drift has both clocks run fast by a share of the time that passes, from the start
// on: 0.04 is four percent fast, and -0.04 slow. It is called before the first Now.
func (c *Clock) Drift(rate float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rate = rate
}

func (c *Clock) drifted(now time.Time) time.Duration {
	return time.Duration(float64(now.Sub(c.start)) * c.rate)
}

// Now implements [clock.Clock].
func (c *Clock) Now() clock.Instant {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	up := now.Sub(c.start) - c.still
	if !c.asleep.IsZero() {
		up -= now.Sub(c.asleep)
	}
	drifted := c.drifted(now)
	return clock.Instant{Wall: now.Add(c.ahead + drifted).Round(0).UTC(), Mono: up + drifted}
}

// Sleep implements [clock.Clock]. While the machine is halted nobody wakes up, for
// the end of ctx neither.
func (c *Clock) Sleep(ctx context.Context, d time.Duration) error {
	for end := c.Now().Mono + d; ; {
		timer := time.NewTimer(c.trueTime(end - c.Now().Mono))
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
		c.Wait()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if c.Now().Mono >= end {
			return nil
		}
	}
}

// trueTime is how long it takes until d has passed on the clocks.
func (c *Clock) trueTime(d time.Duration) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rate == 0 {
		return d
	}
	return time.Duration(float64(d)/(1+c.rate)) + 1
}

// Wait returns when the machine runs.
func (c *Clock) Wait() {
	for {
		c.mu.Lock()
		halted := c.halted
		c.mu.Unlock()
		if halted == nil {
			return
		}
		<-halted
	}
}

// Ahead is how far the wall clock is ahead of true time.
func (c *Clock) Ahead() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ahead + c.drifted(time.Now())
}

// Set puts the wall clock so far ahead of true time.
func (c *Clock) Set(ahead time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead = ahead - c.drifted(time.Now())
}

// Suspend halts the machine, and its monotonic clock with it.
func (c *Clock) Suspend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asleep = time.Now()
	c.halted = make(chan struct{})
}

// Stop halts what runs on the machine, as SIGSTOP does a process. Both clocks go on.
func (c *Clock) Stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.halted = make(chan struct{})
}

// Resume ends Suspend or Stop.
func (c *Clock) Resume() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.asleep.IsZero() {
		c.still += time.Since(c.asleep)
		c.asleep = time.Time{}
	}
	close(c.halted)
	c.halted = nil
}

// Running reports whether the machine is not halted.
func (c *Clock) Running() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.halted == nil
}
