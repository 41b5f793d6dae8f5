package check

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/v3compat"
)

// restoreTo restores the end of a window, by way of all of it: of LTX files, by those that
// are sound; of v0.3, from its first snapshot.
func (in *inspector) restoreTo(ctx context.Context, w replica.Window, db ltx.Database) error {
	if w.Format == replica.FormatV3 {
		plan, err := in.planOfExtent(w)
		if err == nil {
			_, err = in.v3.Restore(ctx, plan, db, v3compat.RestoreOptions{})
		}
		return err
	}
	path, err := ltx.NewChain(in.sound).Reach(w.To.TXID)
	if err != nil {
		return fmt.Errorf("%w: %w", replica.ErrDamaged, err)
	}
	_, err = ltx.Apply(ctx, path.Files, in.OpenFile, db, ltx.ApplyOptions{})
	return err
}

func (in *inspector) planOfExtent(w replica.Window) (*v3compat.Plan, error) {
	isOf := func(g *v3compat.Report) bool { return g.Generation == w.Generation }
	g := in.Generations[slices.IndexFunc(in.Generations, isOf)]
	i := sort.Search(len(g.Snapshots), func(i int) bool { return g.Snapshots[i].Index >= w.From.Pos.Index })
	if i == len(g.Snapshots) {
		return nil, fmt.Errorf("%w: the snapshot of index %08x", replica.ErrDamaged, w.From.Pos.Index)
	}
	first := g.Snapshots[i]
	p := &v3compat.Plan{Generation: w.Generation, Snapshot: first, Bytes: first.Size, Pos: w.To.Pos, Time: w.To.Time}
	for _, s := range g.WALSegments {
		if s.Index >= w.From.Pos.Index && s.Pos().Compare(w.To.Pos) <= 0 {
			p.Segments = append(p.Segments, s)
			p.Bytes += s.Size
		}
	}
	p.Requests = 1 + len(p.Segments)
	return p, nil
}

// timeAgrees compares the time that Litestream takes for that of a file, which is
// its metadata's or else the store's, with the true one.
func timeAgrees(info blob.Info, at time.Time) bool {
	believed := info.ModTime
	if kept, ok := info.Metadata[replica.MetadataTimestamp]; ok {
		var err error
		if believed, err = time.Parse(time.RFC3339Nano, kept); err != nil {
			return false
		}
	}
	return believed.Sub(at).Abs() < time.Second
}
