package replicate

import (
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/v3compat"
)

// windows are those of both formats.
func (in *inspector) windows() (windows []Window) {
	windows = in.windowsLTX()
	for _, g := range in.Generations {
		known, unknown := times(g)
		if known > 0 && unknown > 0 {
			continue // what the times are of is not what is there
		}
		for _, e := range g.Restorable {
			w := Window{Format: FormatV3, Generation: g.Generation, From: Point{Pos: e.From}, To: Point{Pos: e.To}}
			if unknown == 0 {
				w.From.Time, w.To.Time = e.FromTime, e.ToTime
			}
			windows = append(windows, w)
		}
	}
	return windows
}

// times counts the objects of known and of unknown time.
func times(g *v3compat.Report) (known, unknown int) {
	count := func(at time.Time) {
		if at.IsZero() {
			unknown++
		} else {
			known++
		}
	}
	for _, s := range g.Snapshots {
		count(s.CreatedAt)
	}
	for _, s := range g.WALSegments {
		count(s.CreatedAt)
	}
	return known, unknown
}

// windowsLTX joins the states that can be restored where each is reached from the
// one before. Where one is reached by a snapshot alone, what was between is lost.
func (in *inspector) windowsLTX() (windows []Window) {
	steps := make(map[ltx.TXID]ltx.TXID) // the longest step that leads to a transaction: where it begins
	times := make(map[ltx.TXID]*ltx.FileInfo)
	for _, f := range in.sound {
		if begin, ok := steps[f.MaxTXID]; f.Level != ltx.SnapshotLevel && (!ok || f.MinTXID < begin) {
			steps[f.MaxTXID] = f.MinTXID
		}
		if best := times[f.MaxTXID]; best == nil || f.Level < best.Level {
			times[f.MaxTXID] = f
		}
	}
	var last ltx.TXID
	for _, txid := range ltx.NewChain(in.sound).Restorable() {
		at := Point{TXID: txid, Time: times[txid].CreatedAt}
		if begin, ok := steps[txid]; len(windows) > 0 && ok && begin-1 <= last {
			windows[len(windows)-1].To = at
		} else {
			windows = append(windows, Window{Format: FormatLTX, From: at, To: at})
		}
		last = txid
	}
	return windows
}

// planOf is the plan to restore the end of a window, by way of all of it: of LTX
// files, by those that are sound; of v0.3, from its first snapshot.
func (in *inspector) planOf(w Window) (*Plan, error) {
	if w.Format == FormatV3 {
		return in.planOfExtent(w)
	}
	path, err := ltx.NewChain(in.sound).Reach(w.To.TXID)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return &Plan{Format: FormatLTX, State: w.To, Bytes: path.Bytes, files: path.Files}, nil
}

func (in *inspector) planOfExtent(w Window) (*Plan, error) {
	g := in.Generations[slices.IndexFunc(in.Generations, func(g *v3compat.Report) bool { return g.Generation == w.Generation })]
	i := sort.Search(len(g.Snapshots), func(i int) bool { return g.Snapshots[i].Index >= w.From.Pos.Index })
	if i == len(g.Snapshots) {
		return nil, fmt.Errorf("%w: the snapshot of index %08x", ErrDamaged, w.From.Pos.Index)
	}
	p := &v3compat.Plan{Generation: w.Generation, Snapshot: g.Snapshots[i], Bytes: g.Snapshots[i].Size, Pos: w.To.Pos, Time: w.To.Time}
	for _, s := range g.WALSegments {
		if s.Index >= w.From.Pos.Index && s.Pos().Compare(w.To.Pos) <= 0 {
			p.Segments = append(p.Segments, s)
			p.Bytes += s.Size
		}
	}
	p.Requests = 1 + len(p.Segments)
	return planOfV3(Target{}, p), nil
}

// timeAgrees compares the time that Litestream takes for that of a file, which is
// its metadata's or else the store's, with the true one.
func timeAgrees(info blob.Info, at time.Time) bool {
	believed := info.ModTime
	if kept, ok := info.Metadata[MetadataTimestamp]; ok {
		var err error
		if believed, err = time.Parse(time.RFC3339Nano, kept); err != nil {
			return false
		}
	}
	return believed.Sub(at).Abs() < time.Second
}
