package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/replctl/replicate/s3"
	"github.com/replctl/replicate/sqlite"
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

// sayAfter is how long something may take that nobody is told of.
const sayAfter = 2 * time.Second

// saying does something, and says what if it takes long. Nothing is said after it has returned.
func (a *app) saying(what string, do func() error) error {
	said := make(chan struct{})
	late := time.AfterFunc(sayAfter, func() {
		defer close(said)
		a.talk("replctl: %s", what)
	})
	err := do()
	if !late.Stop() {
		<-said
	}
	return err
}

// openImage opens an image of a database. If another process has locked it, that is said.
func (a *app) openImage(ctx context.Context, path string) (im *sqlite.Image, err error) {
	what := "waiting for " + path + ", which another process has locked; it gives up after half a minute"
	err = a.saying(what, func() error {
		im, err = sqlite.Open(ctx, path)
		return err
	})
	return im, err
}
