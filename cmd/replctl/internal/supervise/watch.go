package supervise

import (
	"context"
	"os"
	"time"
)

// Ending says how Watch ends a command and its group.
type Ending struct {
	// Grace is the time from SIGTERM to SIGKILL.
	Grace time.Duration

	// Hurry is asked every 20 ms. When it is true, SIGKILL is sent at once.
	Hurry func() bool

	// Killed is called once, when SIGKILL has been sent.
	Killed func()

	// Patience is how long to wait after SIGKILL for the group to be gone; at least a
	// second.
	Patience time.Duration

	// Say tells what Watch does, for people.
	Say func(format string, args ...any)
}

// Watch passes signals on to the command's group and returns when the command and its
// group have ended: then gone is true. It ends them when ctx ends, and it ends what the
// command has left behind. If the group survives SIGKILL, gone is false.
func (c *Child) Watch(ctx context.Context, signals <-chan os.Signal, how Ending) (gone bool) {
	for {
		select {
		case sig := <-signals:
			c.signal(sig)
			continue
		case <-ctx.Done():
			how.Say("ending the command")
		case <-c.done:
			if c.gone() {
				return true
			}
			how.Say("the command has ended, and has left processes in its group: ending them")
		}
		return c.end(signals, how)
	}
}

// end ends the command's group: gently, and after the grace, or in a hurry, for good.
func (c *Child) end(signals <-chan os.Signal, how Ending) (gone bool) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	c.terminate()
	started, killed := time.Now(), time.Time{}
	for !c.gone() {
		switch {
		case killed.IsZero() && (time.Since(started) >= how.Grace || how.Hurry()):
			c.kill()
			how.Killed()
			killed = time.Now()
		case !killed.IsZero() && time.Since(killed) > max(time.Second, how.Patience):
			how.Say("processes of the command's group survive SIGKILL")
			return false
		}
		select {
		case sig := <-signals:
			c.signal(sig)
		case <-tick.C:
		}
	}
	return true
}
