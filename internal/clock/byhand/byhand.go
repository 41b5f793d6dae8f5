// Package byhand is a clock that tests move, for sessions over a real store: while
// nobody moves it, no time passes, and nothing is renewed.
package byhand

import (
	"context"
	"sync"
	"time"

	"github.com/replctl/replicate/internal/clock"
)

// Clock stands still until it is moved.
type Clock struct {
	mu  sync.Mutex
	now clock.Instant
}

var _ clock.Clock = (*Clock)(nil)

// New returns a clock that shows the time of now.
func New() *Clock { return &Clock{now: clock.Instant{Wall: time.Now().Round(0)}} }

// Now implements [clock.Clock].
func (c *Clock) Now() clock.Instant {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Move moves both clocks on. Who sleeps does not notice, like a process that was
// stopped and whose timers have not fired yet.
func (c *Clock) Move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Sleep implements [clock.Clock]: it returns when ctx ends.
func (c *Clock) Sleep(ctx context.Context, _ time.Duration) error {
	<-ctx.Done()
	return context.Cause(ctx)
}
