package cli

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/internal/moment"
	"github.com/replctl/replicate/lease"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/prune"
)

const pruneLong = `Show what of a replica is not needed any more, and what can be restored without it;
delete it with --yes.

--keep-within promises: every state since that time that can be restored now can be
restored afterwards. --keep-snapshots promises that the newest N snapshots stay. One of
the two has to be given. The latest state and the newest snapshot always stay, and so
does what they need. The output names the states that are lost, and those that are left.

Before anything is shown or deleted, the names of what is kept have to prove that every
promised state is there, and the snapshots that the promise needs are read from end to
end. If one of them is damaged, nothing is deleted (exit code 4): an older one may be the
last that is whole. --trust-snapshots saves the reading.

These LTX files stay: the last snapshot before the promised time, every file that ends
after it, and what Litestream has yet to compact. In a v0.3 generation the last snapshot
before that time stays, and everything that is not before it; a generation that ended
earlier is deleted as a whole. Foreign objects and the lease are not touched.

A Litestream that replicates to the place may go on meanwhile and apply its own
retention: an object that is gone counts as deleted for it. Keep more than its longest
compaction interval takes.

With --yes everything happens under the replica's lease, which is waited for as long as
--wait says: exit code 75 if it is not acquired, 76 if it is lost on the way. Snapshots
of a v0.3 backup are deleted before the WAL that they are restored with: after a crash, or
if a store refuses, what is left can be restored as before. At the end the place is listed,
and an object that the store said was deleted and that is still there is named (exit
code 1).`

type pruneFlags struct {
	workFlags
	within    agoFlag
	snapshots int
	dryRun    bool
	yes       bool
	trust     bool
}

// agoFlag is a length of time, with days and weeks. It is a pflag.Value.
type agoFlag struct {
	text string
	d    time.Duration
}

func (f *agoFlag) Set(s string) (err error) {
	if f.d, err = moment.ParseDuration(s); err != nil {
		return errors.New("want a number and a unit, such as 36h, 7d or 4w")
	}
	f.text = s
	return nil
}

func (f *agoFlag) Type() string { return "duration" }

func (f *agoFlag) String() string { return f.text }

// pruneJSON is a plan, and whether it was done.
type pruneJSON struct {
	URL           string           `json:"url"`
	Deleted       bool             `json:"deleted"`
	Since         time.Time        `json:"since"`
	KeepSnapshots int              `json:"keep_snapshots"`
	Objects       []planObjectJSON `json:"objects"`
	Bytes         int64            `json:"bytes"`
	Kept          int              `json:"kept"`
	KeptBytes     int64            `json:"kept_bytes"`
	Before        []windowJSON     `json:"restorable_before"`
	Restorable    []windowJSON     `json:"restorable"`

	LeaseGeneration int64 `json:"lease_generation,omitempty"`
}

func newPruneCommand(a *app) *cobra.Command {
	flags := &pruneFlags{}
	cmd := &cobra.Command{
		Use:   "prune URL",
		Short: "Show, or delete, what is not needed any more",
		Long:  pruneLong,
		Example: `  replctl prune s3://backups/db --keep-within 30d
  replctl prune s3://backups/db --keep-within 30d --keep-snapshots 3 --yes`,
		Args: oneURL,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.prune(cmd.Context(), args[0], flags)
		},
	}
	cmd.Flags().Var(&flags.within, "keep-within", "keep every state of this time up to now, such as 36h, 7d or 4w")
	cmd.Flags().IntVar(&flags.snapshots, "keep-snapshots", 0, "keep the newest `N` snapshots of each format (at least 1)")
	cmd.Flags().BoolVar(&flags.dryRun, "dry-run", false, "only show it; so it is without --yes, too")
	cmd.Flags().BoolVar(&flags.yes, "yes", false, "delete it, under the lease")
	cmd.Flags().BoolVar(&flags.trust, "trust-snapshots", false, "do not read the snapshots that the promise is built on")
	flags.addWork(cmd, "with --yes: ")
	a.addJSON(cmd)
	return cmd
}

func (f *pruneFlags) check() error {
	switch {
	case f.within.text == "" && f.snapshots == 0:
		return usageError("--keep-within 30d", "prune: what is to be kept? --keep-within or --keep-snapshots is missing")
	case f.snapshots < 0:
		return usageError("--keep-snapshots 3", "--keep-snapshots: %d is negative", f.snapshots)
	case f.dryRun && f.yes:
		return usageError("one of them", "prune: --dry-run and --yes contradict each other")
	}
	return f.checkWork(f.yes, "--yes")
}

func (a *app) prune(ctx context.Context, url string, flags *pruneFlags) error {
	if err := flags.check(); err != nil {
		return err
	}
	r, err := a.openReplica(url)
	if err != nil {
		return err
	}
	if !flags.yes {
		plan, doc, err := a.planPrune(ctx, r, r, flags)
		if err != nil {
			return err
		}
		return a.printPrune(plan, doc)
	}
	if err := r.orNothing(ctx, 0); err != nil { // no lease is left in a place that is none
		return err
	}
	return a.work(ctx, r, url, flags.workFlags, true,
		func(ctx context.Context, client replica.Fenceable, generation int64) error {
			return a.pruneNow(ctx, r, client, flags, generation)
		})
}

func (a *app) planPrune(ctx context.Context, r *opened, client replica.Fenceable, flags *pruneFlags,
) (*prune.Plan, pruneJSON, error) {
	since := time.Now().Add(-flags.within.d)
	m := a.newMeter("verifying")
	plan, err := prune.NewPlan(ctx, client, prune.Options{
		Since: since, Snapshots: flags.snapshots, Trust: flags.trust, Progress: m.update,
	})
	m.done()
	if errors.Is(err, replica.ErrNoReplica) {
		return nil, pruneJSON{}, r.nothing(ctx)
	} else if err != nil {
		return nil, pruneJSON{}, err
	}
	doc := pruneJSON{
		URL: r.url, Since: since.UTC(), KeepSnapshots: max(1, flags.snapshots),
		Objects: planObjects(plan.Objects), Bytes: plan.Bytes, Kept: plan.Kept, KeptBytes: plan.KeptBytes,
		Before: windowDocs(plan.Before), Restorable: windowDocs(plan.Restorable),
	}
	return plan, doc, nil
}

func (a *app) pruneNow(ctx context.Context, r *opened, client replica.Fenceable,
	flags *pruneFlags, generation int64,
) error {
	plan, doc, err := a.planPrune(ctx, r, client, flags)
	if err != nil {
		return err
	}
	if err := prune.Run(ctx, client, plan); err != nil {
		return pruneFailure(err)
	}
	doc.Deleted, doc.LeaseGeneration = true, generation
	return a.printPrune(plan, doc)
}

// pruneFailure is one line, which names each object that may still be there.
func pruneFailure(err error) error {
	var kept *blob.DeleteError
	if !errors.As(err, &kept) || errors.Is(err, lease.ErrLost) || errors.Is(err, replicate.ErrLeaseNotHeld) {
		return err
	}
	return &cliError{exitFailure, plain(err), "the same again; what is not named is gone"}
}
