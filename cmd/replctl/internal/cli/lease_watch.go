package cli

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/spf13/cobra"

	"github.com/replctl/replicate/engines"
	"github.com/replctl/replicate/internal/clock"
)

func newLeaseWatchCommand(a *app) *cobra.Command {
	var every time.Duration
	var flags leaseFlags
	cmd := &cobra.Command{
		Use:   "watch URL",
		Short: "Show the lease whenever it changes",
		Long: `Show the lease now, and again whenever its holder, generation or state changes,
until interrupted; renewals are not shown. With --json each is one line.`,
		Example: "  replctl lease watch /var/backups/db",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if every <= 0 {
				return usageError("--every 1s", "--every: %v is not positive", every)
			}
			l, err := a.openLeaser(args[0], flags)
			if err != nil {
				return err
			}
			return a.watchLease(cmd.Context(), l, every)
		},
	}
	cmd.Flags().DurationVar(&every, "every", time.Second, "how often to look")
	flags.add(cmd)
	a.addJSON(cmd)
	return cmd
}

func (a *app) watchLease(ctx context.Context, l engines.LeaseClient, every time.Duration) error {
	var last leaseJSON
	for contact := false; ; contact = true {
		shown, err := readLease(ctx, l)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx) // interrupting is how it ends
		case err != nil && !contact:
			return err
		case err != nil:
			a.talk("%v", err)
		case shown.json.holder() != last.holder():
			last = shown.json
			if err := a.printChange(shown); err != nil {
				return err
			}
		}
		// Watchers that were started together should not look together.
		pause := every - rand.N(every/4+1)
		if err := clock.System.Sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// holder is what a watcher is told changes of.
func (l leaseJSON) holder() leaseJSON {
	l.ETag, l.ExpiresAt, l.Note = "", nil, ""
	return l
}

func (a *app) printChange(shown shownLease) error {
	if !a.json {
		return a.print("%s  %s\n", stamp(time.Now()), shown)
	}
	return a.printJSONLine(shown.json)
}
