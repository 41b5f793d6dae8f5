package cli

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"slices"
	"sync/atomic"
	"syscall"

	"github.com/replctl/replicate/cmd/replctl/internal/supervise"
)

// interrupted is the cause of a context that a signal has ended.
type interrupted struct{ sig os.Signal }

func (e interrupted) Error() string {
	if e.sig == os.Interrupt {
		return "interrupted"
	}
	return e.sig.String()
}

func (e interrupted) Is(target error) bool { return target == context.Canceled }

// untilSignal is a context that ends with SIGINT or SIGTERM. A second signal ends the
// process at once. A SIGINT while [onInterrupt] has a handler is for that handler alone.
func untilSignal(parent context.Context) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	var handler atomic.Pointer[func()]
	ctx = context.WithValue(ctx, interruptKey{}, &handler)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		for ctx.Err() == nil {
			select {
			case sig := <-signals:
				if handle := handler.Load(); handle != nil && sig == os.Interrupt {
					(*handle)()
					continue
				}
				signal.Stop(signals)
				cancel(interrupted{sig})
			case <-ctx.Done():
			}
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		cancel(nil)
	}
}

type interruptKey struct{}

// onInterrupt has each SIGINT call f, and not end ctx, until release is called. Ctx stems from
// untilSignal; for another one onInterrupt does nothing.
func onInterrupt(ctx context.Context, f func()) (release func()) {
	handler, ok := ctx.Value(interruptKey{}).(*atomic.Pointer[func()])
	if !ok {
		return func() {}
	}
	handler.Store(&f)
	return func() { handler.Store(nil) }
}

// bySignal gives an error after a signal the exit code of the signal, as a shell has it:
// 130 for SIGINT, 143 for SIGTERM. An error with an exit code of its own keeps it, except
// for "nothing there" and "inconclusive": the signal may have cut the command short.
func bySignal(ctx context.Context, err error) error {
	var end interrupted
	if err == nil || !errors.As(context.Cause(ctx), &end) {
		return err
	}
	var ce *cliError
	if errors.As(err, &ce) && !slices.Contains([]int{exitFailure, exitNothing, exitInconclusive}, ce.code) {
		return err
	}
	return &cliError{code: supervise.SignalCode(end.sig), err: end}
}
