package cli

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/replctl/replicate/internal/clock"
	"github.com/replctl/replicate/store/kv"
)

// changeJSON is a record as watch prints it. If there is no record, it has the key alone,
// and gone is true.
type changeJSON struct {
	recordJSON
	Gone bool `json:"gone"`
}

func newKVWatchCommand(a *app) *cobra.Command {
	var every time.Duration
	cmd := &cobra.Command{
		Use:   "watch URL KEY",
		Short: "Print a record whenever it changes",
		Long: `Print a record now, and again whenever it changes, is deleted or made, until
interrupted. Of several changes in quick succession the last is printed. With --json each
is one line.

In a directory of this machine a change is seen at once, in a bucket within --every.`,
		Example: "  replctl kv watch s3://bucket/app limit",
		Args:    urlAndKey,
		RunE: func(cmd *cobra.Command, args []string) error {
			if every <= 0 {
				return usageError("--every 1s", "--every: %v is not positive", every)
			}
			s, url, err := a.openKV(cmd.Context(), args[0], every)
			if err != nil {
				return err
			}
			return kvFailure(a.watchRecord(cmd.Context(), s, args[1], every), url, args[1])
		},
	}
	cmd.Flags().DurationVar(&every, "every", time.Second, "how often to look, where nobody tells of changes")
	a.addJSON(cmd)
	return cmd
}

func (a *app) watchRecord(ctx context.Context, s *kv.Store, key string, every time.Duration) error {
	var shown kv.Version // 0 while there is no record: no record has that one
	for contact := false; ; {
		r, err := nextVersion(ctx, s, kv.Key(key), shown)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx) // interrupting is how it ends
		case err != nil && !contact, errors.Is(err, kv.ErrCorrupt):
			return err
		case err != nil:
			a.talk("%v", plain(err))
		case !contact || r.Version != 0 || shown != 0:
			if err := a.printVersion(key, r); err != nil {
				return err
			}
		}
		if err == nil {
			shown, contact = r.Version, true
		}
		if shown != 0 && err == nil {
			continue
		}
		// Nobody tells when a record is created: look again.
		if err := clock.System.Sleep(ctx, every); err != nil {
			return err
		}
	}
}

// nextVersion returns the version after the one that was shown, as soon as there is one;
// the zero Record if there is none.
func nextVersion(ctx context.Context, s *kv.Store, key kv.Key, shown kv.Version) (r kv.Record, err error) {
	if shown != 0 {
		r, err = s.WaitForVersionChange(ctx, key, shown)
	} else {
		r, err = s.Get(ctx, key)
	}
	if errors.Is(err, kv.ErrNotFound) {
		return kv.Record{}, nil
	}
	return r, err
}

func (a *app) printVersion(key string, r kv.Record) error {
	now := stamp(time.Now())
	switch {
	case a.json:
		doc := changeJSON{Gone: r.Version == 0}
		if !doc.Gone {
			doc.recordJSON = newRecordJSON(r)
		} else {
			doc.Key, doc.KeyBase64 = textOrBase64(key)
		}
		return a.printJSONLine(doc)
	case r.Version == 0:
		return a.print("%s  none\n", now)
	}
	return a.print("%s  version %d  %s\n", now, r.Version, shownText(string(r.Value)))
}
