package cli

import (
	"bufio"
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/replctl/replicate/sqlite/query"
)

func newDumpCommand(a *app) *cobra.Command {
	var flags *viewFlags
	cmd := &cobra.Command{
		Use:   "dump URL [TABLE...]",
		Short: "Write SQL of a database, or of some tables, as of any moment",
		Long: `Write SQL that makes the database again as it was at a moment, or only some of its tables with
their indexes and triggers: one table back without the rest. It is what .dump of the sqlite3
shell means, and that shell reads it. The output is complete only if the exit code is 0; a part
of it has no COMMIT, and the shell takes nothing of it. A table that is not there is exit
code 3.

` + viewHelp,
		Example: `  replctl dump s3://backups/db users --timestamp 14:02 | sqlite3 users.db`,
		Args: func(_ *cobra.Command, args []string) error {
			return oneURL(nil, args[:min(len(args), 1)])
		},
	}
	flags = addView(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return a.dump(cmd.Context(), args[0], args[1:], flags)
	}
	return cmd
}

func (a *app) dump(ctx context.Context, url string, tables []string, flags *viewFlags) error {
	return a.withDatabase(ctx, url, flags, func(ctx context.Context, m *database) error {
		buffered := bufio.NewWriterSize(a.stdout, 1<<16)
		err := query.Dump(ctx, m.conn, buffered, tables...)
		if errors.Is(err, query.ErrNoTable) {
			return &cliError{exitNothing, err, "replctl tables " + shellQuote(url) + ", which lists them"}
		}
		return errors.Join(err, buffered.Flush())
	})
}
