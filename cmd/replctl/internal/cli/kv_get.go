package cli

import (
	"github.com/spf13/cobra"

	"github.com/replctl/replicate/store/kv"
)

func newKVGetCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "get URL KEY",
		Short: "Print a record's value",
		Long: "Print a record's value, as it is and nothing else; with --json the whole record.\n" +
			"On a terminal, what the terminal would obey is escaped.",
		Example: "  replctl kv get s3://bucket/app limit",
		Args:    urlAndKey,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, url, err := a.openKV(cmd.Context(), args[0], 0)
			if err != nil {
				return err
			}
			r, err := s.Get(cmd.Context(), kv.Key(args[1]))
			if err != nil {
				return kvFailure(err, url, args[1])
			}
			if a.json {
				return a.printJSON(newRecordJSON(r))
			}
			return a.printValue(r.Value)
		},
	}
	a.addJSON(cmd)
	return cmd
}

// printValue writes a value as it is: on a terminal, without what the terminal would obey.
func (a *app) printValue(value []byte) error {
	if terminalWidth(a.stdout) > 0 {
		value = []byte(harmlessLines(string(value)))
	}
	_, err := a.stdout.Write(value)
	return err
}
