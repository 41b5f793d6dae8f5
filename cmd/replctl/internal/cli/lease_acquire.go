package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/engines"
	"github.com/replctl/replicate/lease"
)

const leaseAcquireLong = `Acquire the lease, if it is free; with --wait, wait for it.

It prints the lease, with --json in the form that "lease renew" and "lease release" read.
The lease lasts for the TTL, and only you renew it: work under it has to stop before it
ends. "lease exec" does all of that.

Exit code 75 means that the lease was not acquired: standard error names the holder, and
the time when its lease ends. Exit code 4 means that the record is corrupt.`

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
			held, err := a.acquire(cmd.Context(), l, wait)
			if err != nil {
				return leaseFailure(err, url)
			}
			return a.printGrant("acquired", newGrantJSON(url, held, lease.Held, l.LeaseTTL()))
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
func (a *app) acquire(ctx context.Context, l engines.LeaseClient, wait time.Duration) (*replicate.Lease, error) {
	report := a.newReporter()
	defer report.close()
	var session *lease.Session
	opts := lease.Options{Wait: sessionWait(wait), OnEvent: report.only(lease.EventWaiting)}
	err := underLease(ctx, l, opts, func(_ context.Context, s *lease.Session) error {
		session = s
		s.Leave()
		return nil
	})
	if err != nil {
		return nil, err
	}
	lease := session.Lease()
	return &lease, nil
}
