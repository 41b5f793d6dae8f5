package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/spf13/cobra"
)

func newNodeSnapshotCommand(a *app) *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "snapshot URL -o FILE",
		Short: "Write all records of a cluster to a file",
		Long: `Write a snapshot of a cluster to a file: everything that was acknowledged before the command,
as of one moment, with a checksum at its end. "replctl node restore" reads it. The prefix of
the URL does not matter: a snapshot has all records. The file gets its name when it is whole,
and replaces none. Only its owner may read it.`,
		Example: "  replctl node snapshot raft://10.0.0.1:7420 -o cluster.snapshot",
		Args:    oneCluster,
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				return usageError("-o FILE", "node snapshot: to which file?")
			}
			c, err := a.openCluster(args[0])
			if err != nil {
				return err
			}
			defer c.Close()
			err = a.saying("waiting for the leader's snapshot", func() error {
				return writeFile(out, 0o600, true, func(w io.Writer) error { return c.Snapshot(cmd.Context(), w) })
			})
			if errors.Is(err, fs.ErrExist) {
				return &cliError{exitFailure, fmt.Errorf("node snapshot: %s exists", out), "another name"}
			}
			return err
		},
	}
	cmd.Flags().VarP(pathFlag{&out}, "output", "o", "`file` to write")
	return cmd
}
