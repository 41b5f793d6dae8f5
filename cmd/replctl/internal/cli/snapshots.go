package cli

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
)

// snapshotJSON is one of two kinds; the keys of the other kind are absent.
type snapshotJSON struct {
	Format     string    `json:"format"`
	Generation string    `json:"generation,omitempty"`
	Index      *int      `json:"index,omitempty"`
	MinTXID    string    `json:"min_txid,omitempty"`
	MaxTXID    string    `json:"max_txid,omitempty"`
	Size       int64     `json:"size"`
	CreatedAt  time.Time `json:"created_at"`

	txids string // for people
}

func newSnapshotsCommand(a *app) *cobra.Command {
	var generation string
	cmd := &cobra.Command{
		Use:   "snapshots URL",
		Short: "List the snapshots, of both formats",
		Long: `List the snapshots: whole copies of the database, from which every restore
starts. Those of a v0.3 backup and those of an LTX replica (level 9) come in one
list. Times of LTX snapshots are those in their headers.`,
		Example: "  replctl snapshots /var/backups/db",
		Args:    oneURL,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.snapshots(cmd.Context(), args[0], generation)
		},
	}
	addGeneration(cmd, &generation)
	a.addJSON(cmd)
	return cmd
}

func (a *app) snapshots(ctx context.Context, url, generation string) error {
	r, err := a.openReplica(url)
	if err != nil {
		return err
	}
	snapshots, err := r.snapshotsV3(ctx, generation)
	if err != nil {
		return err
	}
	if generation == "" {
		files, err := r.ltxFiles(ctx, ltx.SnapshotLevel, true)
		if err != nil {
			return err
		}
		for _, f := range files {
			snapshots = append(snapshots, snapshotJSON{
				Format: replica.FormatLTX, MinTXID: f.MinTXID.String(), MaxTXID: f.MaxTXID.String(),
				Size: f.Size, CreatedAt: f.CreatedAt, txids: txids(f.MinTXID, f.MaxTXID),
			})
		}
	}
	if err := r.orNothing(ctx, len(snapshots)); err != nil {
		return err
	}
	if a.json {
		return a.printJSON(snapshots)
	}
	return a.printSnapshots(snapshots)
}

func (r *opened) snapshotsV3(ctx context.Context, generation string) ([]snapshotJSON, error) {
	ids, err := r.generations(ctx, generation)
	if err != nil {
		return nil, err
	}
	out := []snapshotJSON{}
	for _, id := range ids {
		snapshots, err := r.SnapshotsV3(ctx, id)
		if err != nil {
			return nil, err
		}
		for _, s := range snapshots {
			out = append(out, snapshotJSON{
				Format: replica.FormatV3, Generation: id, Index: &s.Index, Size: s.Size, CreatedAt: s.CreatedAt.UTC(),
			})
		}
	}
	return out, nil
}

func (a *app) printSnapshots(snapshots []snapshotJSON) error {
	if len(snapshots) == 0 {
		a.talk("no snapshots")
		return nil
	}
	isLTX := func(s snapshotJSON) bool { return s.Index == nil }
	g := newGrid("format", "generation", "index", "txids", "size", "created")
	g.right = []string{"size"}
	for _, s := range snapshots {
		generation, index, transactions := "-", "-", "-"
		if isLTX(s) {
			transactions = s.txids
		} else {
			generation, index = s.Generation, hexIndex(*s.Index)
		}
		g.add(s.Format, generation, index, transactions, s.Size, stamp(s.CreatedAt))
	}
	switch { // a column of dashes says nothing
	case !slices.ContainsFunc(snapshots, isLTX):
		g.hidden = []string{"txids"}
	case !slices.ContainsFunc(snapshots, func(s snapshotJSON) bool { return !isLTX(s) }):
		g.hidden = []string{"generation", "index"}
	}
	return a.printGrid(g)
}

func hexIndex(index int) string { return fmt.Sprintf("%08x", index) }
