package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/replctl/replicate"
)

const leaseAcquireLong = `Acquire the lease, if it is free; with --wait, wait for it.

It prints the lease, with --json for "lease renew" and "lease release" to read, and
lasts for the TTL. Nobody renews it but you: whoever works under it has to have
stopped when it ends. "lease exec" sees to all that.

Exit code 75 means that it was not acquired: standard error says who holds it, and
until when. Exit code 4 means that the record is corrupt.`

func newLeaseAcquireCommand(a *app) *cobra.Command {
	var flags leaseFlags
	var wait time.Duration
	cmd := &cobra.Command{
		Use:     "acquire URL",
		Short:   "Acquire the lease, to be renewed and released by hand",
		Long:    leaseAcquireLong,
		Example: "  replctl lease acquire --json --wait 1m /var/backups/db > lease.json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if wait < 0 {
				return usageError("--wait 1m", "--wait: %v is negative", wait)
			}
			l, err := a.openLeaser(args[0], flags)
			if err != nil {
				return err
			}
			url := shownURL(l, args[0])
			lease, err := a.acquire(cmd.Context(), l, wait)
			if err != nil {
				return leaseFailure(err, url)
			}
			return a.printGrant("acquired", newGrantJSON(url, lease, replicate.LeaseHeld, l.LeaseTTL()))
		},
	}
	flags.addTTL(cmd)
	flags.add(cmd)
	flags.addOwner(cmd)
	flags.addSkew(cmd)
	cmd.Flags().DurationVar(&wait, "wait", 0, "how long to wait for the lease; 0 tries once")
	a.addJSON(cmd)
	return cmd
}

func (a *app) printGrant(done string, g grantJSON) error {
	if a.json {
		return a.printJSON(g)
	}
	return a.print("%s generation %d as %q, until %s\n", done, g.Generation, g.Owner, stampAgo(*g.ExpiresAt))
}

// acquire acquires a lease that goes on when this process ends.
func (a *app) acquire(ctx context.Context, l leaser, wait time.Duration) (*replicate.Lease, error) {
	report := a.newReporter()
	defer report.close()
	left := &leftLeaser{leaser: l}
	s, err := awaitSession(ctx, left, replicate.SessionOptions{OnEvent: func(e replicate.Event) {
		if e.Kind == replicate.EventWaiting {
			report.event(e)
		}
	}}, wait)
	if err != nil {
		return nil, err
	}
	left.leave = true
	err = s.Release(ctx) // ends the renewals, before the first
	lease := s.Lease()
	return &lease, err
}

// leftLeaser is a leaser whose session can end without giving the lease up.
type leftLeaser struct {
	leaser
	leave bool
}

func (l *leftLeaser) ReleaseLease(ctx context.Context, lease *replicate.Lease) error {
	if l.leave {
		return nil
	}
	return l.leaser.ReleaseLease(ctx, lease)
}

// forever is a wait without an end.
const forever time.Duration = -1

var errTooLate = errors.New("the wait is over")

// awaitSession waits for the lease, tries once if wait is 0, and says who holds it
// if it was not to be had.
func awaitSession(ctx context.Context, l leaser, opts replicate.SessionOptions, wait time.Duration) (s *replicate.Session, err error) {
	if wait == 0 {
		err = settle(ctx, func() error {
			s, err = replicate.TryAcquire(ctx, l, opts)
			return err
		})
		return s, err
	}
	if wait > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, wait, errTooLate)
		defer cancel()
	}
	var last error
	notify := opts.OnEvent
	opts.OnEvent = func(e replicate.Event) {
		if e.Kind == replicate.EventWaiting { // none comes once there is a session
			last = e.Err
		}
		notify(e)
	}
	s, err = replicate.Acquire(ctx, l, opts)
	if err == nil || !errors.Is(err, errTooLate) {
		return s, err
	}
	return nil, notInTime(wait, err, last)
}

func notInTime(wait time.Duration, errs ...error) error {
	var exists *replicate.LeaseExistsError
	for _, err := range errs {
		if errors.As(err, &exists) {
			return &cliError{exitNotAcquired, fmt.Errorf("lease not acquired within %v: %s", wait, heldBy(exists)), ""}
		}
	}
	return &cliError{exitNotAcquired, fmt.Errorf("lease not acquired within %v: %w", wait, plain(errs[0])), ""}
}
