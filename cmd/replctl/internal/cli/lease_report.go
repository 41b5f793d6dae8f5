package cli

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/lease"
)

// reporter tells on standard error what happens to a lease. It never blocks: a
// reader of standard error that has stopped must not stop the renewals. It drops lines
// that nobody has read in time.
type reporter struct {
	verbose bool
	lines   chan string
	done    chan struct{}

	mu      sync.Mutex
	closed  bool
	failing bool // the last renewal failed
}

func (a *app) newReporter() *reporter {
	r := &reporter{verbose: a.verbose, lines: make(chan string, 100), done: make(chan struct{})}
	go r.write(a.stderr)
	return r
}

func (r *reporter) write(w io.Writer) {
	defer close(r.done)
	for line := range r.lines {
		_, _ = fmt.Fprintf(w, "replctl: lease: %s\n", harmless(line))
	}
}

func (r *reporter) say(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.put(fmt.Sprintf(format, args...))
}

func (r *reporter) put(line string) {
	if r.closed || line == "" {
		return
	}
	select {
	case r.lines <- line:
	default:
	}
}

// close returns when all is written, or nobody reads it.
func (r *reporter) close() {
	r.mu.Lock()
	if !r.closed {
		r.closed = true
		close(r.lines)
	}
	r.mu.Unlock()
	select {
	case <-r.done:
	case <-time.After(time.Second):
	}
}

// only is event for events of some kinds alone.
func (r *reporter) only(kinds ...lease.EventKind) func(lease.Event) {
	return func(e lease.Event) {
		if slices.Contains(kinds, e.Kind) {
			r.event(e)
		}
	}
}

// event tells of an event. A renewal is told only after one that failed, or with --verbose.
func (r *reporter) event(e lease.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch e.Kind {
	case lease.EventRenewed:
		if !r.failing && !r.verbose {
			return
		}
		r.failing = false
	case lease.EventRenewFailed:
		if r.failing && !r.verbose {
			return
		}
		r.failing = true
	case lease.EventAmbiguous, lease.EventRecovered, lease.EventSkew:
		if !r.verbose {
			return
		}
	}
	r.put(eventLine(e))
}

func waitingLine(e lease.Event) string {
	var exists *replicate.LeaseExistsError
	switch {
	case !errors.As(e.Err, &exists):
		return "waiting: " + e.Err.Error()
	case exists.Generation == 0: // not known
		return "waiting, " + heldBy(exists)
	}
	return fmt.Sprintf("waiting, %s, generation %d", heldBy(exists), exists.Generation)
}

func eventLine(e lease.Event) string {
	switch e.Kind {
	case lease.EventWaiting:
		return waitingLine(e)
	case lease.EventAcquired:
		return fmt.Sprintf("acquired generation %d as %q", e.Lease.Generation, e.Lease.Owner)
	case lease.EventRenewed:
		return fmt.Sprintf("renewed until %s, in %v", stamp(e.Lease.ExpiresAt), e.Latency.Round(time.Millisecond))
	case lease.EventRenewFailed:
		return fmt.Sprintf("renewal failed, held until %s: %v", stamp(e.Lease.ExpiresAt), e.Err)
	case lease.EventLost:
		return fmt.Sprintf("lost: %v", e.Err)
	case lease.EventDraining:
		return fmt.Sprintf("releasing in %v, when the request that was given up cannot arrive any more",
			e.Latency.Round(time.Millisecond))
	case lease.EventReleased:
		return fmt.Sprintf("released generation %d", e.Lease.Generation)
	case lease.EventSkew:
		return fmt.Sprintf("the store's clock is ahead by %v", e.Skew.Round(time.Second))
	}
	if e.Err != nil {
		return fmt.Sprintf("%s: %v", e.Kind, e.Err)
	}
	return string(e.Kind)
}
