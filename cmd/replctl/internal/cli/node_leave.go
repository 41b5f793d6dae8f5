package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/replctl/replicate/cas"
)

func newNodeLeaveCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "leave URL ID",
		Short: "Take a node out of its cluster for good",
		Long: `Remove a member: one that is gone, or one that is to be stopped. A majority of the voters
must be there. The node must not be started again with its directory; with an empty one it
may join again. Stop it after it has left: it does not stop by itself.

Exit code 1 with "outcome unknown": "replctl node status" says whether it is still a member.`,
		Example: "  replctl node leave raft://10.0.0.1:7420,10.0.0.2:7420 c",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return fmt.Errorf("want the URL of a cluster and a node's id, not %d arguments", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.openCluster(args[0])
			if err != nil {
				return err
			}
			defer c.Close()
			err = a.saying("waiting for a leader", func() error { return c.Leave(cmd.Context(), args[1]) })
			if errors.Is(err, cas.ErrIndeterminate) {
				return &cliError{exitFailure, plain(err), "replctl node status " + shellQuote(args[0])}
			}
			if err != nil {
				return err
			}
			return a.print("%s is no member any more\n", args[1])
		},
	}
}
