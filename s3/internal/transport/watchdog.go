package transport

import (
	"context"
	"errors"
	"time"

	"github.com/replctl/replicate/s3/internal/answer"
)

// ErrStalled says that nothing moved for the stall timeout.
var ErrStalled = answer.Transient(errors.New("connection stalled"))

// Watchdog ends an attempt on which nothing moves for a while. There is no
// other deadline: what moves may take as long as it takes.
type Watchdog struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	limit  time.Duration
	kept   bool
	wait   *Waiting // or nil
}

// Watch returns a watchdog over one attempt, and the attempt's context. Stop ends it.
func Watch(parent context.Context, limit time.Duration) (context.Context, *Watchdog) {
	ctx, cancel := context.WithCancelCause(parent)
	w := &Watchdog{ctx: ctx, cancel: cancel, limit: limit}
	w.timer = time.AfterFunc(limit, func() { cancel(ErrStalled) })
	return ctx, w
}

// Kick says that something moved, or is about to.
func (w *Watchdog) Kick() {
	w.timer.Reset(w.limit)
	if w.wait != nil {
		w.wait.moved()
	}
}

// Pause is for the time in which nothing is expected to move.
func (w *Watchdog) Pause() {
	w.timer.Stop()
	if w.wait != nil {
		w.wait.Pause()
	}
}

// Keep leaves the attempt alive after it returned: its body is still read.
func (w *Watchdog) Keep() { w.kept = true; w.Pause() }

// Stop ends the attempt, successful or not.
func (w *Watchdog) Stop() {
	w.timer.Stop()
	if w.kept && w.wait != nil {
		w.wait.Done()
	}
	w.cancel(context.Canceled)
}

// Err replaces the "context canceled" of an attempt that the watchdog ended.
func (w *Watchdog) Err(err error) error {
	if err != nil && errors.Is(context.Cause(w.ctx), ErrStalled) {
		return ErrStalled
	}
	return err
}
