package cli

import (
	"fmt"
	"io"
	"time"
)

// meter shows progress on a terminal: how much is done, how fast, and how long it will
// take. It uses one line, which it removes at the end. A short step shows nothing.
type meter struct {
	w     io.Writer
	verb  string
	began time.Time
	unit  func(n int64) string // of what is counted
	next  time.Time            // when to show the next figure
	shown bool
}

func (a *app) newMeter(verb string) *meter {
	m := silentMeter()
	m.verb = verb
	if terminalWidth(a.stderr) > 0 {
		m.w = a.stderr
	}
	return m
}

// silentMeter shows nothing.
func silentMeter() *meter {
	now := time.Now()
	return &meter{w: io.Discard, unit: size, began: now, next: now.Add(500 * time.Millisecond)}
}

func (m *meter) update(done, total int64) {
	if now := time.Now(); now.After(m.next) {
		m.next, m.shown = now.Add(100*time.Millisecond), true
		_, _ = fmt.Fprintf(m.w, "\r\x1b[K%s %s of %s%s",
			m.verb, m.unit(done), m.unit(total), m.pace(done, total, now.Sub(m.began)))
	}
}

// updateBoth shows two figures that grow, of which nobody knows how far.
func (m *meter) updateBoth(a int, first string, b int, second string) {
	if now := time.Now(); now.After(m.next) {
		m.next, m.shown = now.Add(100*time.Millisecond), true
		_, _ = fmt.Fprintf(m.w, "\r\x1b[K%s %d %s, %d %s", m.verb, a, first, b, second)
	}
}

func (m *meter) done() {
	if m.shown {
		_, _ = fmt.Fprint(m.w, "\r\x1b[K")
	}
}

// pace is the rate so far, and what is left of the time at that rate.
func (m *meter) pace(done, total int64, elapsed time.Duration) string {
	if done <= 0 || elapsed <= 0 {
		return ""
	}
	rate := float64(done) / elapsed.Seconds()
	s := fmt.Sprintf(", %s/s", m.unit(int64(rate)))
	if left := total - done; left > 0 {
		s += fmt.Sprintf(", %v left", time.Duration(float64(left)/rate*float64(time.Second)).Round(time.Second))
	}
	return s
}
