package s3

import (
	"context"
	"errors"
	"time"
)

var errStalled = errors.New("connection stalled")

// watchdog ends an attempt on which nothing moves for a while. There is no
// other deadline: what moves may take as long as it takes.
type watchdog struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	limit  time.Duration
	kept   bool
	wait   *waiting // or nil
}

func watch(parent context.Context, limit time.Duration) *watchdog {
	ctx, cancel := context.WithCancelCause(parent)
	w := &watchdog{ctx: ctx, cancel: cancel, limit: limit}
	w.timer = time.AfterFunc(limit, func() { cancel(errStalled) })
	return w
}

// kick says that something moved, or is about to.
func (w *watchdog) kick() {
	w.timer.Reset(w.limit)
	if w.wait != nil {
		w.wait.moved()
	}
}

// pause is for the time in which nothing is expected to move.
func (w *watchdog) pause() {
	w.timer.Stop()
	if w.wait != nil {
		w.wait.pause()
	}
}

// keep leaves the attempt alive after it returned: its body is still read.
func (w *watchdog) keep() { w.kept = true; w.pause() }

// stop ends the attempt, successful or not.
func (w *watchdog) stop() {
	w.timer.Stop()
	if w.kept && w.wait != nil {
		w.wait.done()
	}
	w.cancel(context.Canceled)
}

// err replaces the "context canceled" of an attempt that the watchdog ended.
func (w *watchdog) err(err error) error {
	if err != nil && errors.Is(context.Cause(w.ctx), errStalled) {
		return errStalled
	}
	return err
}
