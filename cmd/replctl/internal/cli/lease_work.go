package cli

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/replctl/replicate/lease"
	"github.com/replctl/replicate/replica"
)

// workFlags are those of a command that writes to a replica under its lease.
type workFlags struct {
	leaseFlags
	wait time.Duration
}

// addWork adds the flags; when says in what case the lease is taken.
func (f *workFlags) addWork(cmd *cobra.Command, when string) {
	f.addTTL(cmd)
	f.add(cmd)
	f.addOwner(cmd)
	f.addGuard(cmd)
	f.addSkew(cmd)
	cmd.Flags().DurationVar(&f.wait, "wait", 0, when+"how long to wait for the lease; 0 tries once")
}

// checkWork validates the flags. leased says whether the command takes the lease; flag is
// the one that asks for it.
func (f *workFlags) checkWork(leased bool, flag string) error {
	switch {
	case f.wait < 0:
		return usageError("--wait 1m", "--wait: %v is negative", f.wait)
	case !leased && (f.wait != 0 || f.owner != "" || f.ttl != 0 || f.guard != 0 || f.maxSkew != 0):
		return usageError(flag,
			"--wait, --owner, --ttl, --guard and --max-skew are about the lease, which only %s takes", flag)
	}
	return f.check()
}

// work lets fn write to a replica. With a lease, the client is fenced and generation is the
// lease's; without, generation is 0.
func (a *app) work(ctx context.Context, r *opened, url string, flags workFlags, leased bool,
	fn func(ctx context.Context, client replica.Fenceable, generation int64) error,
) error {
	if !leased {
		return fn(ctx, r, 0)
	}
	l, err := a.openLeaser(url, flags.leaseFlags)
	if err != nil {
		return err
	}
	report := a.newReporter()
	defer report.close()
	opts := flags.sessionOptions(report.only(lease.EventWaiting, lease.EventDraining))
	opts.Wait = sessionWait(flags.wait)
	var printed error
	err = underLease(ctx, l, opts, func(ctx context.Context, s *lease.Session) error {
		err := fn(ctx, replica.NewFencedClient(r, s), s.Generation())
		var ce *cliError
		if errors.As(err, &ce) && ce.err == nil { // it has printed what it has to say
			printed = err
			return nil
		}
		return err
	})
	return cmp.Or(leaseFailure(err, shownURL(l, url)), printed)
}
