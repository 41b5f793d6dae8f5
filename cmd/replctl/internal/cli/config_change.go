package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/replctl/replicate/store/config"
)

// configChangeJSON is a version after a change.
type configChangeJSON struct {
	snapshotInfoJSON
	LockGeneration int64 `json:"lock_generation,omitempty"`
}

func newConfigSaveCommand(a *app) *cobra.Command {
	var lock lockFlag
	cmd := &cobra.Command{
		Use:   "save URL COLLECTION VERSION FILE",
		Short: "Save a version of a configuration",
		Long: `Save the content of a file as a version of a collection, and print the version and its
status. The file - is standard input. A new version is pending until it is activated. To save a
version again with the same content changes nothing; with other content it is exit code 1,
also if the version was deleted since.`,
		Example: "  replctl config save s3://bucket/app fleet v7 fleet.yml",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 4 {
				return fmt.Errorf("want a URL, a collection, a version and a file, not %d arguments", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			content, err := configContent(args[3])
			if err != nil {
				return err
			}
			return a.changeConfig(cmd.Context(), args, &lock, func(ctx context.Context, s *config.Store) error {
				return s.SaveSnapshot(ctx, args[1], args[2], content)
			})
		},
	}
	lock.add(cmd)
	a.addJSON(cmd)
	return cmd
}

func newConfigActivateCommand(a *app) *cobra.Command {
	var lock lockFlag
	cmd := &cobra.Command{
		Use:   "activate URL COLLECTION VERSION",
		Short: "Make a version the active one",
		Long: `Make a version of a collection the active one, whatever its status, and print it. The one
that was active becomes inactive at the same instant.`,
		Example: "  replctl config activate s3://bucket/app fleet v7 --lock 1",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 3 {
				return fmt.Errorf("want a URL, a collection and a version, not %d arguments", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.changeConfig(cmd.Context(), args, &lock, func(ctx context.Context, s *config.Store) error {
				return s.ActivateSnapshot(ctx, args[1], args[2])
			})
		},
	}
	lock.add(cmd)
	a.addJSON(cmd)
	return cmd
}

// changeConfig changes a version, URL COLLECTION VERSION, and prints what it is then.
func (a *app) changeConfig(ctx context.Context, args []string, lock *lockFlag,
	change func(context.Context, *config.Store) error,
) error {
	s, at, err := a.openConfig(ctx, args[0])
	if err != nil {
		return err
	}
	var now snapshotInfoJSON
	number, err := lock.under(ctx, s, func(ctx context.Context) error {
		if err := change(ctx, s); err != nil {
			return err
		}
		snapshots, err := s.ListSnapshots(ctx, args[1])
		for _, snapshot := range snapshots {
			if snapshot.Version == args[2] {
				now = newSnapshotInfo(snapshot)
			}
		}
		if err == nil && now.Version == "" {
			err = errors.New("it was done, and somebody has deleted the version since")
		}
		return err
	})
	switch {
	case err != nil:
		return configFailure(err, at.url, args[1])
	case a.json:
		return a.printJSON(configChangeJSON{now, number})
	}
	return a.print("%s  %s\n", shownText(now.Version), now.Status)
}

// configContent is the content of a file, or standard input.
func configContent(name string) ([]byte, error) {
	in := os.Stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, usageError("a file, or - for standard input", "%w", err)
		}
		defer f.Close()
		in = f
	}
	content, err := io.ReadAll(io.LimitReader(in, config.MaxContentSize+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read content: %w", err)
	case len(content) > config.MaxContentSize:
		return nil, usageError("a smaller content", "content: more than %d bytes", config.MaxContentSize)
	}
	return content, nil
}

// configGCJSON is what was, or would be, deleted.
type configGCJSON struct {
	Before    time.Time          `json:"before"`
	Deleted   bool               `json:"deleted"`
	Snapshots []snapshotInfoJSON `json:"snapshots"`

	LockGeneration int64 `json:"lock_generation,omitempty"`
}

func newConfigCollectCommand(a *app) *cobra.Command {
	before, yes := timeFlag{now: time.Now}, false
	var lock lockFlag
	cmd := &cobra.Command{
		Use:   "gc URL",
		Short: "Show, or delete, old versions",
		Long: `Show the versions of all collections that were saved before a time and are not active;
delete them, and what the instances have logged for them, with --yes. The active version of
a collection stays, however old it is. Of each deleted version a note stays, so
that its name never gets another content.

With --yes the versions that are printed were read just before. One that is activated in
between stays.`,
		Example: "  replctl config gc s3://bucket/app --before -30d --yes",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case before.at.IsZero():
				return usageError("--before -30d", "gc: what is old? --before is missing")
			case !yes && cmd.Flags().Changed("lock"):
				return usageError("--yes", "--lock is for a change, which only --yes makes")
			}
			a.sayZone("before", before.at)
			return a.collectConfig(cmd.Context(), args[0], before.at, yes, &lock)
		},
	}
	cmd.Flags().Var(&before, "before", "versions that were saved before this time")
	cmd.Flags().BoolVar(&yes, "yes", false, "delete them")
	lock.add(cmd)
	a.addJSON(cmd)
	return cmd
}

func (a *app) collectConfig(ctx context.Context, rawURL string, before time.Time, yes bool, lock *lockFlag) error {
	s, at, err := a.openConfig(ctx, rawURL)
	if err != nil {
		return err
	}
	var old []config.Snapshot
	collect := func(ctx context.Context) (err error) {
		if old, err = oldSnapshots(ctx, s, before); err == nil && yes {
			_, err = s.DeleteOldSnapshots(ctx, before)
		}
		return err
	}
	number, err := lock.under(ctx, s, collect)
	if err != nil {
		return configFailure(err, at.url, "")
	}
	doc := configGCJSON{Before: before.UTC(), Deleted: yes, Snapshots: []snapshotInfoJSON{}, LockGeneration: number}
	for _, snapshot := range old {
		doc.Snapshots = append(doc.Snapshots, newSnapshotInfo(snapshot))
	}
	return a.printCollected(doc)
}

// oldSnapshots are those of all collections that DeleteOldSnapshots deletes.
func oldSnapshots(ctx context.Context, s *config.Store, before time.Time) (old []config.Snapshot, err error) {
	for collection, err := range s.Collections(ctx) {
		if err != nil {
			return nil, err
		}
		snapshots, err := s.ListSnapshots(ctx, collection)
		if err != nil {
			return nil, err
		}
		for _, snapshot := range snapshots {
			if snapshot.Status != config.StatusActive && snapshot.CreatedAt.Before(before) {
				old = append(old, snapshot)
			}
		}
	}
	return old, nil
}

func (a *app) printCollected(doc configGCJSON) error {
	switch {
	case a.json:
		return a.printJSON(doc)
	case len(doc.Snapshots) == 0:
		a.talk("no old versions")
		return nil
	}
	g := newGrid("collection", "version", "status", "created")
	for _, s := range doc.Snapshots {
		g.add(shownText(s.Collection), shownText(s.Version), s.Status, stampAgo(s.CreatedAt))
	}
	if err := a.printGrid(g); err != nil {
		return err
	}
	if doc.Deleted {
		return a.print("\ndeleted %s\n", count(len(doc.Snapshots), "version", "versions"))
	}
	return a.print("\nnothing is deleted without --yes\n")
}
