package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/engines"
	"github.com/replctl/replicate/internal/clock"
	"github.com/replctl/replicate/lease"
)

// forever is a --wait without an end.
const forever time.Duration = -1

// sessionWait is a --wait as lease.Options has it.
func sessionWait(wait time.Duration) time.Duration {
	switch wait {
	case 0:
		return -1
	case forever:
		return 0
	}
	return wait
}

// saysWhose reports whether an error of a leaser tells whose the lease is.
func saysWhose(err error) bool {
	var exists *replicate.LeaseExistsError
	return errors.As(err, &exists) || errors.Is(err, replicate.ErrLeaseNotHeld) ||
		errors.Is(err, replicate.ErrLeaseAlreadyReleased)
}

// underLease waits for the lease, runs fn while it is held, and releases it.
func underLease(ctx context.Context, l engines.LeaseClient, opts lease.Options,
	fn func(context.Context, *lease.Session) error,
) error {
	err := lease.Run(ctx, settledLeaser{l}, opts, fn)
	if !errors.Is(err, lease.ErrWaitOver) {
		return err
	}
	var exists *replicate.LeaseExistsError
	if errors.As(err, &exists) {
		err = errors.New(heldBy(exists))
	}
	return &cliError{exitNotAcquired, fmt.Errorf("lease not acquired within %v: %w", opts.Wait, plain(err)), ""}
}

// settledLeaser is a leaser that repeats an acquisition whose outcome is unknown.
type settledLeaser struct{ engines.LeaseClient }

func (l settledLeaser) AcquireLease(ctx context.Context) (lease *replicate.Lease, err error) {
	err = settle(ctx, func() error {
		lease, err = l.LeaseClient.AcquireLease(ctx)
		return err
	})
	return lease, err
}

// settle repeats what may or may not have been done: the leaser remembers what it
// tried, and finds it again, as long as this process lives.
//
// Where a repetition fails for another reason, the outcome is as unknown as before, unless the
// record has been read: then the error says whose it is.
func settle(ctx context.Context, do func() error) error {
	var unknown error
	for try := 0; ; try++ {
		err := do()
		isUnknown := errors.Is(err, cas.ErrIndeterminate)
		if unknown != nil && err != nil && !isUnknown && !saysWhose(err) {
			return fmt.Errorf("%w; and after it: %w", unknown, err)
		}
		if !isUnknown || try == 2 || ctx.Err() != nil {
			return err
		}
		unknown = err
		_ = clock.System.Sleep(ctx, 100*time.Millisecond<<try)
	}
}
