package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/engines"
	"github.com/replctl/replicate/lease"
)

const leaseRenewLong = `Renew a lease that "lease acquire" printed, and print it anew. The old one is void:
the next renewal, and the release, take what this one printed.

The TTL is that of the lease unless --ttl says otherwise, and --max-ttl at least as
long.

Exit code 76 means that the lease is lost: it has ended, somebody else has it, or it
was broken. Whatever was done under it has to stop. Exit code 1 may mean that the
store could not be reached: the lease goes on until it ends, so try again.`

func newLeaseRenewCommand(a *app) *cobra.Command {
	var flags leaseFlags
	var name string
	cmd := &cobra.Command{
		Use:     "renew URL --lease FILE",
		Short:   "Renew a lease that was acquired by hand",
		Long:    leaseRenewLong,
		Example: "  replctl lease renew --json --lease lease.json /var/backups/db > new.json && mv new.json lease.json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			grant, err := readLeaseFile(name, cmd.InOrStdin())
			if err != nil {
				return err
			}
			if flags.ttl == 0 {
				flags.ttl = grant.ttl()
			}
			if !cmd.Flags().Changed("max-ttl") {
				flags.maxTTL = max(flags.maxTTL, grant.ttl())
			}
			l, err := a.openGranted(cmd.Context(), args[0], flags, grant)
			if err != nil {
				return err
			}
			renewed, err := renew(cmd.Context(), l, grant)
			if err != nil {
				return grant.failure(err, shownURL(l, args[0]))
			}
			return a.printGrant("renewed", newGrantJSON(shownURL(l, args[0]), renewed, lease.Held, l.LeaseTTL()))
		},
	}
	leaseFileFlag(cmd, &name)
	flags.addTTL(cmd)
	flags.add(cmd)
	a.addJSON(cmd)
	return cmd
}

func renew(ctx context.Context, l engines.LeaseClient, grant grantJSON) (lease *replicate.Lease, err error) {
	err = settle(ctx, func() error {
		lease, err = l.RenewLease(ctx, grant.lease())
		return err
	})
	return lease, err
}

// openGranted returns the leaser of a lease that was printed, with the lease's owner.
//
// It looks at the record first: for the store's clock, by which the expiry is
// reckoned, and because a lease that was edited must not set the generation back.
func (a *app) openGranted(ctx context.Context, rawURL string, flags leaseFlags, grant grantJSON) (engines.LeaseClient,
	error) {
	flags.owner = grant.Owner
	l, err := a.openLeaser(rawURL, flags)
	if err != nil {
		return nil, err
	}
	current, _, err := l.ReadLease(ctx)
	if err != nil && !errors.Is(err, replicate.ErrLeaseCorrupt) {
		return nil, err
	}
	if current == nil || current.ETag != grant.ETag {
		return l, nil
	}
	switch differs := current.Generation != grant.Generation || current.Owner != grant.Owner; {
	case differs && err != nil: // the record was read otherwise than it was written
		return nil, err
	case differs:
		return nil, usageError("the lease as acquire or renew printed it",
			"--lease: has generation %d of %q, and the record with its etag has generation %d of %q",
			grant.Generation, grant.Owner, current.Generation, current.Owner)
	}
	return l, nil
}

// failure is leaseFailure, with a word about a lease of another place.
func (g grantJSON) failure(err error, url string) error {
	err = leaseFailure(err, url)
	var ce *cliError
	if errors.As(err, &ce) && ce.code != exitUsage && g.URL != url {
		ce.try = "the url that the lease was acquired with, " + g.URL
	}
	return err
}
