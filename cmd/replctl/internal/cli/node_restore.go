package cli

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/raft"
)

func newNodeRestoreCommand(a *app) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "restore URL FILE",
		Short: "Replace all records of a cluster with those of a snapshot",
		Long: `Restore what "replctl node snapshot" has written: into a new cluster after a disaster. A
cluster that has records is refused without --force, since they would be gone.

Stop all writers first. What is written meanwhile is lost, and whoever read a version before may
find that version with another value. The whole file is checked before anything is replaced.

Exit code 1 with "outcome unknown": "replctl node status" shows how many records there are.`,
		Example: "  replctl node restore raft://10.0.0.1:7420 cluster.snapshot",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return fmt.Errorf("want the URL of a cluster and a file, not %d arguments", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkPath(args[1]); err != nil {
				return usageError("replctl node restore --help", "node restore: %s: %w", args[1], err)
			}
			from, err := os.Open(args[1])
			if err != nil {
				return fmt.Errorf("node restore: %w", err)
			}
			defer from.Close()
			c, err := a.openCluster(args[0])
			if err != nil {
				return err
			}
			defer c.Close()
			if !force {
				if err := a.wantEmpty(cmd.Context(), c); err != nil {
					return err
				}
			}
			err = a.saying("waiting for the leader, and until it has the snapshot", func() error {
				return c.Restore(cmd.Context(), from)
			})
			if errors.Is(err, cas.ErrIndeterminate) {
				return &cliError{exitFailure, plain(err), "replctl node status " + shellQuote(args[0])}
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "replace the records that the cluster has")
	return cmd
}

// wantEmpty refuses a cluster that has records. Those of its leases count.
func (a *app) wantEmpty(ctx context.Context, c *raft.Client) error {
	records, err := c.With(raft.Options{})
	if err != nil {
		return err
	}
	return a.saying("waiting for a leader", func() error {
		for entry, err := range records.List(ctx, "", "") {
			if err != nil {
				return err
			}
			return &cliError{exitFailure, fmt.Errorf("node restore: the cluster has records, such as %s", entry.Key),
				"--force, if they are to be replaced"}
		}
		return nil
	})
}
