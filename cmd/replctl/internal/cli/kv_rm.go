package cli

import (
	"github.com/spf13/cobra"

	"github.com/replctl/replicate/store/kv"
)

func newKVRemoveCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "rm URL KEY",
		Short:   "Delete a record",
		Long:    "Delete a record. Its version lives on: a new one of the key goes on from there.",
		Example: "  replctl kv rm s3://bucket/app limit",
		Args:    urlAndKey,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, url, err := a.openKV(cmd.Context(), args[0], 0)
			if err != nil {
				return err
			}
			return kvFailure(s.Delete(cmd.Context(), kv.Key(args[1])), url, args[1])
		},
	}
}
