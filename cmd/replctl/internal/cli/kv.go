package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/store/kv"
)

const kvLong = `Small records with versions, below kv/ in the directory or bucket that the URL
names; a replica may be in the same place. Any number of processes may use them at once:
a record changes by compare-and-swap on its version, which grows with each change and
never repeats.

A key is 1 to 512 bytes, a value up to about a megabyte. A deleted record leaves a small
object behind in a bucket, which keeps the version. In a directory it leaves nothing, and
new records begin above the highest version that was deleted.

Exit codes: 3, there is no such record; 4, it is damaged; 1, its version is another one,
it exists already, or the answer of the store was lost. In the last case the error says
that the change may have been made.`

func newKVCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "kv",
		Short: "Read and write small records with versions",
		Long:  kvLong,
		Args:  unknownCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newKVGetCommand(a), newKVPutCommand(a), newKVListCommand(a), newKVRemoveCommand(a),
		newKVWatchCommand(a))
	return cmd
}

// openKV returns the records at a URL, which is not contacted yet, and the URL as it may
// be shown (see shownURL).
func (a *app) openKV(ctx context.Context, rawURL string, poll time.Duration) (s *kv.Store, url string, err error) {
	at, err := a.openRecords(ctx, rawURL, "kv")
	if err != nil {
		return nil, "", err
	}
	s, err = kv.New(at.Store, kv.Options{PollEvery: poll})
	return s, at.url, err
}

// urlAndKey is what the commands for one record take.
func urlAndKey(_ *cobra.Command, args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("want a URL and a key, not %d arguments", len(args))
	}
	return checkKVKey(args[1])
}

func checkKVKey(key string) error {
	if key == "" || len(key) > kv.MaxKeyLen {
		return fmt.Errorf("key of %d bytes: want 1 to %d", len(key), kv.MaxKeyLen)
	}
	return nil
}

// kvFailure gives an error of these commands an exit code, and advice for the operator.
func kvFailure(err error, url, key string) error {
	get := "replctl kv get " + shellQuote(url) + " " + shellQuote(key) + " --json"
	var ce *cliError
	switch {
	case err == nil, errors.As(err, &ce), errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, kv.ErrNotFound):
		return &cliError{exitNothing, plain(err), "replctl kv ls " + shellQuote(url)}
	case errors.Is(err, kv.ErrWrongVersion), errors.Is(err, kv.ErrAlreadyExists):
		return &cliError{exitFailure, plain(err), get}
	case errors.Is(err, kv.ErrCorrupt):
		return &cliError{exitDamage, plain(err), ""}
	case errors.Is(err, cas.ErrIndeterminate):
		return &cliError{exitFailure, plain(err), get + ", for it may have been done"}
	}
	return err
}
