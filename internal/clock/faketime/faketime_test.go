package faketime_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/replctl/replicate/internal/clock"
	"github.com/replctl/replicate/internal/clock/faketime"
)

// passed is what went by on either clock.
func passed(from, to clock.Instant) (wall, mono time.Duration) {
	return to.Wall.Sub(from.Wall), to.Mono - from.Mono
}

func TestClock(t *testing.T) {
	for name, c := range map[string]struct {
		change     func(*faketime.Clock) // takes three seconds
		wall, mono time.Duration
	}{
		"running": {func(*faketime.Clock) { time.Sleep(3 * time.Second) }, 3 * time.Second, 3 * time.Second},
		"set ahead": {func(c *faketime.Clock) { c.Set(c.Ahead() + time.Hour); time.Sleep(3 * time.Second) },
			time.Hour + 3*time.Second, 3 * time.Second},
		"set back": {func(c *faketime.Clock) { c.Set(c.Ahead() - time.Hour); time.Sleep(3 * time.Second) },
			-time.Hour + 3*time.Second, 3 * time.Second},
		"suspended": {func(c *faketime.Clock) {
			c.Suspend()
			time.Sleep(2 * time.Second)
			c.Resume()
			time.Sleep(time.Second)
		}, 3 * time.Second, time.Second},
		"still suspended": {func(c *faketime.Clock) { c.Suspend(); time.Sleep(3 * time.Second) }, 3 * time.Second, 0},
		"stopped": {func(c *faketime.Clock) { c.Stop(); time.Sleep(3 * time.Second); c.Resume() }, 3 * time.Second,
			3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := faketime.New(-time.Minute)
				before := m.Now()
				if got := time.Until(before.Wall); got != -time.Minute {
					t.Errorf("the wall clock is %v ahead, want -1m", got)
				}
				c.change(m)
				wall, mono := passed(before, m.Now())
				if wall != c.wall || mono != c.mono {
					t.Errorf("after 3s: wall %v, monotonic %v; want %v, %v", wall, mono, c.wall, c.mono)
				}
			})
		})
	}
}

func TestSleep(t *testing.T) {
	for name, c := range map[string]struct {
		halt func(*faketime.Clock)
		want time.Duration // of true time that a sleep of 10s lasts when halted from 5s to 25s
	}{
		"running":   {nil, 10 * time.Second},
		"suspended": {(*faketime.Clock).Suspend, 30 * time.Second},
		"stopped":   {(*faketime.Clock).Stop, 25 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, start := faketime.New(0), time.Now()
				if c.halt != nil {
					time.AfterFunc(5*time.Second, func() { c.halt(m) })
					time.AfterFunc(25*time.Second, m.Resume)
				}
				if err := m.Sleep(t.Context(), 10*time.Second); err != nil {
					t.Error(err)
				}
				if got := time.Since(start); got != c.want {
					t.Errorf("slept %v, want %v", got, c.want)
				}
			})
		})
	}
}

func TestSleepEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, start := faketime.New(0), time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		if err := m.Sleep(ctx, time.Minute); err == nil || time.Since(start) != 2*time.Second {
			t.Errorf("Sleep: got %v after %v", err, time.Since(start))
		}
		m.Suspend() // who is suspended does not see that the context ended
		time.AfterFunc(time.Minute, m.Resume)
		if err := m.Sleep(ctx, time.Second); err == nil || time.Since(start) != 62*time.Second {
			t.Errorf("Sleep while suspended: got %v after %v", err, time.Since(start))
		}
	})
}
