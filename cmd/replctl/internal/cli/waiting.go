package cli

import (
	"fmt"
	"time"

	"github.com/replctl/replicate/s3"
)

// sayWait says on standard error what a client waits for.
func (a *app) sayWait(w s3.Wait) {
	a.talk("replctl: waiting for the store: %s", waitText(w, time.Now()))
}

// waitText is one wait in words: what, for how long, why, and until when.
func waitText(w s3.Wait, now time.Time) string {
	s := w.Op
	if w.Key != "" {
		s += " " + w.Key
	}
	s += fmt.Sprintf(": no answer for %v", now.Sub(w.Since).Round(time.Second))
	if w.Attempt > 0 {
		s += fmt.Sprintf(", %s: %v", count(w.Attempt, "failed attempt", "failed attempts"), w.Err)
	}
	if left := w.Until.Sub(now); left > 0 {
		s += fmt.Sprintf("; it gives up in %v", left.Round(time.Second))
	}
	return s
}
