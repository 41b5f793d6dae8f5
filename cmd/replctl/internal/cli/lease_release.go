package cli

import (
	"context"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/lease"
)

const leaseReleaseLong = `Release a lease that "lease acquire" or "lease renew" printed, so that nobody has to
wait for its end. Whatever was done under it has to have stopped. The record stays,
marked, and keeps the generation.

It works after the lease has ended, too, as long as nobody else has taken it. Exit
code 76 means that somebody has, or that it was renewed since, or broken; it is left
alone. Exit code 1 with "already released" means that it was released before: the
lease is free, or somebody else has it by now.`

func newLeaseReleaseCommand(a *app) *cobra.Command {
	var flags leaseFlags
	var name string
	cmd := &cobra.Command{
		Use:     "release URL --lease FILE",
		Short:   "Release a lease that was acquired by hand",
		Long:    leaseReleaseLong,
		Example: "  replctl lease release --lease lease.json /var/backups/db",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.release(cmd.Context(), args[0], name, cmd.InOrStdin(), flags)
		},
	}
	leaseFileFlag(cmd, &name)
	flags.add(cmd)
	a.addJSON(cmd)
	return cmd
}

func (a *app) release(ctx context.Context, rawURL, name string, stdin io.Reader, flags leaseFlags) error {
	grant, err := readLeaseFile(name, stdin)
	if err != nil {
		return err
	}
	l, err := a.openGranted(ctx, rawURL, flags, grant)
	if err != nil {
		return err
	}
	url := shownURL(l, rawURL)
	if err := settle(ctx, func() error { return l.ReleaseLease(ctx, grant.lease()) }); err != nil {
		return grant.failure(err, url)
	}
	// A released record has ended by every clock.
	released := &replicate.Lease{Generation: grant.Generation, Owner: grant.Owner, ExpiresAt: time.Unix(0, 0)}
	return a.printReleased("released", newGrantJSON(url, released, lease.Released, 0))
}

func (a *app) printReleased(done string, g grantJSON) error {
	if a.json {
		return a.printJSON(g)
	}
	return a.print("%s generation %d\n", done, g.Generation)
}
