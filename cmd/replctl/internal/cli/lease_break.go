package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/engines"
	"github.com/replctl/replicate/lease"
)

const leaseBreakLong = `Break the lease: replace the record of whoever holds it, or a corrupt record, by a
released record with a higher generation.

The holder is not asked. It finds out when it next renews, and may write until then:
make sure that it is dead, or that its writes are refused for their old generation.

--generation N breaks the lease only if its generation is N. If the generation cannot be
read, name the record by the etag that "lease show" prints, and give the generation to go
on from, which has to be higher than any that was in use. Exit code 1 means that another
record is there, and that it was left alone.`

func newLeaseBreakCommand(a *app) *cobra.Command {
	var flags leaseFlags
	var opts lease.BreakOptions
	cmd := &cobra.Command{
		Use:   "break URL --generation N",
		Short: "Take the lease from whoever holds it",
		Long:  leaseBreakLong,
		Example: `  replctl lease break --generation 7 /var/backups/db
  replctl lease break --etag 9f86d081884c7d65 --next-generation 100 /var/backups/db`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkBreak(cmd, opts); err != nil {
				return err
			}
			l, err := a.openLeaser(args[0], flags)
			if err != nil {
				return err
			}
			url := shownURL(l, args[0])
			held, err := l.BreakLease(cmd.Context(), opts)
			if err != nil {
				return breakFailure(cmd.Context(), l, err, url)
			}
			return a.printReleased("broken: released", newGrantJSON(url, held, lease.Released, 0))
		},
	}
	cmd.Flags().Int64Var(&opts.Generation, "generation", 0, "generation that the lease has")
	cmd.Flags().StringVar(&opts.ETag, "etag", "", "etag that the record has")
	cmd.Flags().Int64Var(&opts.NextGeneration, "next-generation", 0, "generation to go on from, with --etag")
	flags.add(cmd)
	flags.addOwner(cmd)
	a.addJSON(cmd)
	return cmd
}

func checkBreak(cmd *cobra.Command, opts lease.BreakOptions) error {
	given := cmd.Flags().Changed
	const try = "--generation N, or --etag E --next-generation N"
	switch {
	case given("generation") == given("etag"):
		return usageError(try, "which record? want either --generation or --etag")
	case given("etag") != given("next-generation"):
		return usageError(try, "--etag and --next-generation go together")
	case given("generation") && opts.Generation < 1, given("etag") && opts.NextGeneration < 1:
		return usageError(try, "a generation is at least 1")
	case given("etag") && opts.ETag == "":
		return usageError(try, "--etag is empty")
	}
	return nil
}

// breakFailure is leaseFailure for lease break. If another record is there than the one
// that was named, it says which. Nothing was held, and so nothing is lost.
func breakFailure(ctx context.Context, l engines.LeaseClient, err error, url string) error {
	if !errors.Is(err, replicate.ErrLeaseNotHeld) {
		return leaseFailure(err, url)
	}
	shown, readErr := readLease(ctx, l)
	if readErr != nil {
		return leaseFailure(readErr, url)
	}
	err = fmt.Errorf("lease not broken, it is another one: %s", shown)
	return &cliError{exitFailure, err, "replctl lease show " + shellQuote(url)}
}
