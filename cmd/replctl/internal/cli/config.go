package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/lease"
	"github.com/replctl/replicate/store/config"
)

const configLong = `Snapshots of a fleet's configuration, below config/ in the directory, bucket or database
that the URL names. A collection is one configuration in any number of versions, of which
one is active. A version's content never changes.

--lock takes the lock with that number for the change, as the leader of the fleet does,
and releases it afterwards. After a later holder has changed a collection, a change of an
earlier holder is refused. Without --lock a change is made whoever holds a lock.

Exit codes: 3, there is no such version, or none that is active; 4, a record is damaged;
75, somebody else holds the lock; 76, it was lost on the way; 1, the version exists with
other content, or the answer of the store was lost. In the last case the error says that
the change may have been made.`

func newConfigCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Save, activate and watch versions of a configuration",
		Long:  configLong,
		Args:  unknownCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newConfigListCommand(a), newConfigGetCommand(a), newConfigSaveCommand(a),
		newConfigActivateCommand(a), newConfigWatchCommand(a), newConfigCollectCommand(a))
	return cmd
}

// openConfig returns the collections at a URL, their records, and the URL as it may be shown.
func (a *app) openConfig(ctx context.Context, rawURL string) (*config.Store, recordsAt, error) {
	at, err := a.openRecords(ctx, rawURL, "config")
	if err != nil {
		return nil, recordsAt{}, err
	}
	return config.New(at.Store, config.Options{}), at, nil
}

// lockFlag is the lock under which a change is made.
type lockFlag struct {
	cmd *cobra.Command
	key int64
}

func (f *lockFlag) add(cmd *cobra.Command) {
	f.cmd = cmd
	cmd.Flags().Int64Var(&f.key, "lock", 0, "take the lock with this `number` for the change")
}

// under makes a change under the lock, if there is one, and returns its fencing number; 0 if
// there is none.
func (f *lockFlag) under(ctx context.Context, s *config.Store, change func(context.Context) error) (int64, error) {
	if !f.cmd.Flags().Changed("lock") {
		return 0, change(ctx)
	}
	session, err := s.AcquireSession(ctx, f.key)
	if err != nil {
		return 0, err
	}
	err = change(session.Context())
	held := session.Lease()
	if failed := session.Release(context.WithoutCancel(ctx)); failed != nil && held.TTL() > 0 {
		said := fmt.Sprintf("replctl: lock %d not released, it ends at %s: %v", f.key, stamp(held.ExpiresAt), failed)
		fmt.Fprintln(f.cmd.ErrOrStderr(), harmless(said))
	}
	return held.Generation, err
}

// configFailure gives an error of these commands an exit code, and advice for the operator.
func configFailure(err error, url, collection string) error {
	list := "replctl config ls " + shellQuote(url)
	if collection != "" {
		list += " " + shellQuote(collection)
	}
	var ce *cliError
	var held *replicate.LeaseExistsError
	switch {
	case err == nil, errors.As(err, &ce), errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, config.ErrInvalidName), errors.Is(err, config.ErrTooLarge):
		return usageError("replctl config --help", "%w", plain(err))
	case errors.Is(err, config.ErrSnapshotNotFound):
		return &cliError{exitNothing, plain(err), list}
	case errors.Is(err, config.ErrSnapshotExists):
		return &cliError{exitFailure, plain(err), "another version"}
	case errors.As(err, &held):
		return &cliError{exitNotAcquired, fmt.Errorf("lock not acquired: %s", heldBy(held)), "the same again, later"}
	case errors.Is(err, config.ErrLockNotAcquired):
		return &cliError{exitNotAcquired, plain(err), "the same again, later"}
	case errors.Is(err, config.ErrLockLost), errors.Is(err, lease.ErrLost):
		return &cliError{exitLost, plain(err), list}
	case errors.Is(err, config.ErrCorrupt), errors.Is(err, replicate.ErrLeaseCorrupt):
		return &cliError{exitDamage, plain(err), ""}
	case errors.Is(err, cas.ErrIndeterminate):
		return &cliError{exitFailure, plain(err), list + ", for it may have been done"}
	}
	return err
}

// snapshotInfoJSON is a version of a collection.
type snapshotInfoJSON struct {
	Collection string    `json:"collection"`
	Version    string    `json:"version"`
	Status     string    `json:"status"`
	CreatedAt  time.Time `json:"created_at"`
}

func newSnapshotInfo(s config.Snapshot) snapshotInfoJSON {
	return snapshotInfoJSON{s.Collection, s.Version, string(s.Status), s.CreatedAt}
}

func newConfigWatchCommand(a *app) *cobra.Command {
	var every time.Duration
	cmd := &cobra.Command{
		Use:   "watch URL COLLECTION",
		Short: "Print the active version whenever it changes",
		Long: `Print which version of a collection is active, and again whenever it is another one, until
interrupted. Of several changes in quick succession the last is printed. With --json each
is one line.

In a directory of this machine a change is seen at once, in a bucket within --every.`,
		Example: "  replctl config watch s3://bucket/app fleet",
		Args:    urlAndCollection,
		RunE: func(cmd *cobra.Command, args []string) error {
			if every <= 0 {
				return usageError("--every 1s", "--every: %v is not positive", every)
			}
			s, at, err := a.openConfig(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			w := &configWatch{app: a, s: s, collection: args[1]}
			err = cas.Changes(cmd.Context(), at.Store, config.HeadsPrefix, every, 5*every, w.look)
			return configFailure(err, at.url, args[1])
		},
	}
	cmd.Flags().DurationVar(&every, "every", time.Second, "how often to look, where nobody tells of changes")
	a.addJSON(cmd)
	return cmd
}

// activeJSON is what watch prints: without a version, none is active.
type activeJSON struct {
	Collection string `json:"collection"`
	Version    string `json:"version,omitempty"`
	Active     bool   `json:"active"`
}

// configWatch prints the active version of a collection.
type configWatch struct {
	*app
	s          *config.Store
	collection string
	contact    bool   // the store has answered
	shown      string // empty while none is active
}

func (w *configWatch) look(ctx context.Context) (done bool, err error) {
	version, err := w.s.GetActiveVersion(ctx, w.collection)
	if errors.Is(err, config.ErrSnapshotNotFound) {
		version, err = "", nil
	}
	switch {
	case ctx.Err() != nil:
		return false, context.Cause(ctx) // interrupting is how it ends
	case err != nil && (!w.contact || errors.Is(err, config.ErrCorrupt)):
		return false, err
	case err != nil:
		w.talk("%v", plain(err))
		return false, nil
	case w.contact && version == w.shown:
		return false, nil
	}
	w.contact, w.shown = true, version
	switch {
	case w.json:
		return false, w.printJSONLine(activeJSON{w.collection, version, version != ""})
	case version == "":
		return false, w.print("%s  none\n", stamp(time.Now()))
	}
	return false, w.print("%s  %s\n", stamp(time.Now()), shownText(version))
}
