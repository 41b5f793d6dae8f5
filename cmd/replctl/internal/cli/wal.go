package cli

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/v3compat"
)

type walJSON struct {
	Generation string    `json:"generation"`
	Index      int       `json:"index"`
	Offset     int64     `json:"offset"`
	Size       int64     `json:"size"`
	CreatedAt  time.Time `json:"created_at"`
}

func newWALCommand(a *app) *cobra.Command {
	var generation string
	cmd := &cobra.Command{
		Use:   "wal URL",
		Short: "List the WAL segments of a v0.3 backup",
		Long: `List the WAL segments of a Litestream v0.3.x backup, by generation, index and
offset. The offset is in the uncompressed log, the size is compressed.`,
		Example: "  replctl wal /var/backups/db --generation 0123456789abcdef",
		Args:    oneURL,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.wal(cmd.Context(), args[0], generation)
		},
	}
	addGeneration(cmd, &generation)
	a.addJSON(cmd)
	return cmd
}

func addGeneration(cmd *cobra.Command, generation *string) {
	cmd.Flags().StringVar(generation, "generation", "", "only the generation with this `ID` (16 hex digits)")
}

func (a *app) wal(ctx context.Context, url, generation string) error {
	r, err := a.openReplica(url)
	if err != nil {
		return err
	}
	ids, err := r.generations(ctx, generation)
	if err != nil {
		return err
	}
	segments := []replicate.WALSegmentInfoV3{}
	for _, id := range ids {
		s, err := r.WALSegmentsV3(ctx, id)
		if err != nil {
			return err
		}
		segments = append(segments, s...)
	}
	if err := r.orNothing(ctx, len(segments)); err != nil {
		return err
	}
	if a.json {
		out := []walJSON{}
		for _, s := range segments {
			out = append(out, walJSON{s.Generation, s.Index, s.Offset, s.Size, s.CreatedAt.UTC()})
		}
		return a.printJSON(out)
	}
	return a.printWAL(segments)
}

func (a *app) printWAL(segments []replicate.WALSegmentInfoV3) error {
	if len(segments) == 0 {
		a.talk("no WAL segments")
		return nil
	}
	g := newGrid("generation", "index", "offset", "size", "created")
	g.right = []string{"offset", "size"}
	for _, s := range segments {
		g.add(s.Generation, hexIndex(s.Index), s.Offset, s.Size, stamp(s.CreatedAt))
	}
	return a.printGrid(g)
}

// generations returns the IDs to list: all, or the one asked for, which has to
// be there.
func (r *opened) generations(ctx context.Context, id string) ([]string, error) {
	if id != "" {
		if err := v3compat.CheckGenerationID(id); err != nil {
			return nil, usageError("replctl generations "+shellQuote(r.url), "--generation: %w", err)
		}
	}
	ids, err := r.GenerationsV3(ctx)
	if err != nil || id == "" {
		return ids, err
	}
	if slices.Contains(ids, id) {
		return []string{id}, nil
	}
	if err := r.orNothing(ctx, 0); err != nil {
		return nil, err
	}
	try := "replctl generations " + shellQuote(r.url)
	return nil, &cliError{exitNothing, fmt.Errorf("no generation %s at %s", id, r.url), try}
}
