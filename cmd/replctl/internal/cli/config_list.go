package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/replctl/replicate/store/config"
)

// collectionJSON is a collection in a listing.
type collectionJSON struct {
	Collection string `json:"collection"`
	Active     string `json:"active,omitempty"`
	Snapshots  int    `json:"snapshots"`
}

func newConfigListCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ls URL [COLLECTION]",
		Short: "List collections, or the versions of one",
		Long: `List the collections with the version that is active, or the versions of one collection
with their status, in the order in which they were saved. A version is pending until it is
activated or fails, and inactive when another one was activated after it.`,
		Example: "  replctl config ls s3://bucket/app\n  replctl config ls s3://bucket/app fleet",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return fmt.Errorf("want a URL and at most one collection, not %d arguments", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			s, at, err := a.openConfig(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if len(args) == 1 {
				return configFailure(a.listCollections(cmd.Context(), s), at.url, "")
			}
			snapshots, err := s.ListSnapshots(cmd.Context(), args[1])
			if err != nil {
				return configFailure(err, at.url, "")
			}
			return a.printSnapshotInfos(snapshots)
		},
	}
	a.addJSON(cmd)
	return cmd
}

func (a *app) listCollections(ctx context.Context, s *config.Store) error {
	docs := []collectionJSON{}
	for collection, err := range s.Collections(ctx) {
		if err != nil {
			return err
		}
		snapshots, err := s.ListSnapshots(ctx, collection)
		if err != nil {
			return err
		}
		doc := collectionJSON{Collection: collection, Snapshots: len(snapshots)}
		for _, snapshot := range snapshots {
			if snapshot.Status == config.StatusActive {
				doc.Active = snapshot.Version
			}
		}
		docs = append(docs, doc)
	}
	switch {
	case a.json:
		return a.printJSON(docs)
	case len(docs) == 0:
		a.talk("no collections")
		return nil
	}
	g := newGrid("collection", "active", "versions")
	g.right = []string{"versions"}
	for _, d := range docs {
		active := "-"
		if d.Active != "" {
			active = shownText(d.Active)
		}
		g.add(shownText(d.Collection), active, d.Snapshots)
	}
	return a.printGrid(g)
}

func (a *app) printSnapshotInfos(snapshots []config.Snapshot) error {
	if a.json {
		docs := []snapshotInfoJSON{}
		for _, s := range snapshots {
			docs = append(docs, newSnapshotInfo(s))
		}
		return a.printJSON(docs)
	}
	if len(snapshots) == 0 {
		a.talk("no versions")
		return nil
	}
	g := newGrid("version", "status", "created")
	for _, s := range snapshots {
		g.add(shownText(s.Version), string(s.Status), stampAgo(s.CreatedAt))
	}
	return a.printGrid(g)
}

// urlAndCollection is what the commands for one collection take.
func urlAndCollection(_ *cobra.Command, args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("want a URL and a collection, not %d arguments", len(args))
	}
	return nil
}

// snapshotJSON is a version with its content: text as it is, other bytes in base64.
type snapshotContentJSON struct {
	snapshotInfoJSON
	Content       *string `json:"content,omitempty"`
	ContentBase64 *string `json:"content_base64,omitempty"`
}

func newConfigGetCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "get URL COLLECTION [VERSION]",
		Short: "Print the content of a version",
		Long: "Print the content of the active version, or of another one, as it is and nothing else;\n" +
			"with --json what else is known of it, too. On a terminal, what the terminal would obey is\nescaped.",
		Example: "  replctl config get s3://bucket/app fleet",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 2 || len(args) > 3 {
				return errors.New("want a URL, a collection and at most one version")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			s, at, err := a.openConfig(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			var found *config.Snapshot
			if len(args) == 2 {
				found, err = s.GetActiveSnapshot(cmd.Context(), args[1])
			} else {
				found, err = s.GetSnapshot(cmd.Context(), args[1], args[2])
			}
			if err != nil {
				return configFailure(err, at.url, args[1])
			}
			if !a.json {
				return a.printValue(found.Content)
			}
			doc := snapshotContentJSON{snapshotInfoJSON: newSnapshotInfo(*found)}
			doc.Content, doc.ContentBase64 = textOrBase64(string(found.Content))
			return a.printJSON(doc)
		},
	}
	a.addJSON(cmd)
	return cmd
}
