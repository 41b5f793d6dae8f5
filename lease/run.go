package lease

import (
	"context"
	"errors"
	"fmt"

	"github.com/replctl/replicate"
)

// Run waits for the lease, runs fn under it, and releases it when fn has returned,
// or has left by a panic or [runtime.Goexit]. The context of fn ends with the
// session, or with ctx.
//
// The error is fn's. If the lease was lost or could not be released, the error says
// that too: errors.Is finds ErrLost whatever fn returned.
func Run(ctx context.Context, leaser replicate.Leaser, opts Options,
	fn func(context.Context, *Session) error,
) (err error) {
	s, err := Acquire(ctx, leaser, opts)
	if err != nil {
		return err
	}
	workCtx, cancel := context.WithCancelCause(s.Context())
	stop := context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })
	defer func() {
		stop()
		cancel(nil)
		err = withRelease(err, s.Release(ctx))
	}()
	return fn(workCtx, s)
}

// withRelease adds what became of the lease to the error of the work under it,
// unless that error says so already.
func withRelease(err, released error) error {
	switch {
	case err == nil:
		return released
	case released == nil, errors.Is(err, released):
		return err
	}
	return fmt.Errorf("%w (%w)", released, err)
}
