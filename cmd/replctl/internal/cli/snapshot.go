package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/replica"
)

const snapshotLong = `Write a snapshot of a database into a replica: the whole database, as an LTX file
that Litestream 0.5 restores as well. The database may be in use: it is read through
a read transaction, as of one moment, its WAL included. If it has a WAL, nobody has to
wait for that; if not, writers wait until it is done.

The snapshot gets the number of the transaction after the last one in the replica, and
never replaces anything. If a replicator such as Litestream was the last to write to the
replica, the snapshot is refused: the replicator numbers transactions too, and if it is
running, the two would not make one database. It is also refused where a v0.3 backup is.
With --continue it is written nevertheless; the replicator must have been stopped.

A database that has nothing in common with the replica's newest snapshot is refused: it is
another database, and would become the replica's latest state. That is a guess from the
tables, a few pages and SQLite's counters of changes; --force writes nevertheless.

It is written twice: at level 9, where restores look for it, and at level 0, from where
Litestream goes on when it is pointed at this replica. --archive leaves level 0 out: half
the bytes, for a place to which Litestream will never replicate. If Litestream did, it
would start again at transaction 1, and restore the snapshot instead of what it wrote.

With --lease it is written under the replica's lease, which is waited for as long as
--wait says: exit code 75 if it is not acquired, 76 if it is lost on the way. Then the
snapshot was written as a whole, or not at all.`

type snapshotFlags struct {
	workFlags
	lease, proceed, archive, force bool
}

type snapshotFileJSON struct {
	URL       string           `json:"url"`
	TXID      string           `json:"txid"`
	CreatedAt time.Time        `json:"created_at"`
	Objects   []planObjectJSON `json:"objects"`
	PageSize  uint32           `json:"page_size"`
	Pages     uint32           `json:"pages"`

	LeaseGeneration int64 `json:"lease_generation,omitempty"`
}

func newSnapshotCommand(a *app) *cobra.Command {
	var flags snapshotFlags
	cmd := &cobra.Command{
		Use:     "snapshot DB URL",
		Short:   "Write a snapshot of a database into a replica",
		Long:    snapshotLong,
		Example: "  replctl snapshot /var/lib/app/db.sqlite s3://backups/db",
		Args:    databaseAndURL,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.snapshot(cmd.Context(), args[0], args[1], flags)
		},
	}
	cmd.Flags().BoolVar(&flags.proceed, "continue", false,
		"also in a replica that a replicator has written to, and has left")
	cmd.Flags().BoolVar(&flags.force, "force", false, "write even if the replica looks like another database's")
	cmd.Flags().BoolVar(&flags.archive, "archive", false,
		"write it once, for a place to which Litestream will never replicate")
	cmd.Flags().BoolVar(&flags.lease, "lease", false, "write under the replica's lease")
	flags.addWork(cmd, "with --lease: ")
	a.addJSON(cmd)
	return cmd
}

func databaseAndURL(_ *cobra.Command, args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("want two arguments, a database file and the url of a replica, not %d", len(args))
	}
	if err := checkPath(args[0]); err != nil {
		return fmt.Errorf("database %q: %w", args[0], err)
	}
	return nil
}

func (a *app) snapshot(ctx context.Context, db, url string, flags snapshotFlags) error {
	if err := flags.checkWork(flags.lease, "--lease"); err != nil {
		return err
	}
	r, err := a.openReplica(url)
	if err != nil {
		return err
	}
	return a.work(ctx, r, url, flags.workFlags, flags.lease,
		func(ctx context.Context, client replica.Fenceable, generation int64) error {
			return a.writeSnapshot(ctx, r, client, db, flags, generation)
		})
}

func (a *app) writeSnapshot(ctx context.Context, r *opened, client replicate.ReplicaClient, db string,
	flags snapshotFlags, generation int64,
) error {
	im, err := a.openImage(ctx, db)
	if err != nil {
		return err
	}
	defer im.Close()
	m := a.newMeter("reading")
	pageSize := int64(im.PageSize())
	files, err := replica.WriteSnapshot(ctx, client, im, replica.SnapshotOptions{
		Time: time.Now(), Continue: flags.proceed, Archive: flags.archive, Force: flags.force,
		Progress: func(done, total int64) { m.update(done*pageSize, total*pageSize) },
	})
	m.done()
	switch {
	case errors.Is(err, replica.ErrReplicated):
		return &cliError{exitFailure, err, "another url; or, if the replicator is stopped, --continue"}
	case errors.Is(err, replica.ErrOtherDatabase):
		return &cliError{exitFailure, err,
			"another url; or, if this is that database after all (a VACUUM changes every page), --force"}
	case err != nil:
		return err
	}
	info := files[len(files)-1]
	doc := snapshotFileJSON{
		URL: r.url, TXID: info.MaxTXID.String(), CreatedAt: info.CreatedAt.UTC(),
		PageSize: im.PageSize(), Pages: im.Pages(), LeaseGeneration: generation,
	}
	of, err := replica.Open(ctx, r)
	if err != nil {
		return err
	}
	for _, f := range files {
		doc.Objects = append(doc.Objects, planObjectJSON{of.Key(f), f.Size})
	}
	return a.printSnapshot(doc)
}

func (a *app) printSnapshot(s snapshotFileJSON) error {
	if a.json {
		return a.printJSON(s)
	}
	for _, o := range s.Objects {
		if err := a.print("wrote %s, %s\n", o.Key, size(o.Size)); err != nil {
			return err
		}
	}
	return a.print("state transaction %s of %s, a database of %s\n",
		s.TXID, preciseStamp(s.CreatedAt), size(int64(s.PageSize)*int64(s.Pages)))
}
