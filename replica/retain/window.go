package retain

import (
	"time"

	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/v3compat"
)

// Windows are the stretches of time that can be restored, by format, then in time: from
// LTX files, all of which are sound, with their true times as far as they are known, and
// from the generations of a v0.3 backup.
func Windows(files []*ltx.FileInfo, generations []*v3compat.Report) (windows []replica.Window) {
	windows = windowsLTX(files)
	for _, g := range generations {
		known, unknown := times(g)
		if known > 0 && unknown > 0 {
			continue // what the times are of is not what is there
		}
		for _, e := range g.Restorable {
			w := replica.Window{Format: replica.FormatV3, Generation: g.Generation}
			w.From.Pos, w.To.Pos = e.From, e.To
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
func windowsLTX(files []*ltx.FileInfo) (windows []replica.Window) {
	steps := make(map[ltx.TXID]ltx.TXID) // the longest step that leads to a transaction: where it begins
	times := make(map[ltx.TXID]*ltx.FileInfo)
	for _, f := range files {
		if begin, ok := steps[f.MaxTXID]; f.Level != ltx.SnapshotLevel && (!ok || f.MinTXID < begin) {
			steps[f.MaxTXID] = f.MinTXID
		}
		if best := times[f.MaxTXID]; best == nil || f.Level < best.Level {
			times[f.MaxTXID] = f
		}
	}
	var last ltx.TXID
	for _, txid := range ltx.NewChain(files).Restorable() {
		at := replica.Point{TXID: txid, Time: times[txid].CreatedAt}
		if begin, ok := steps[txid]; len(windows) > 0 && ok && begin-1 <= last {
			windows[len(windows)-1].To = at
		} else {
			windows = append(windows, replica.Window{Format: replica.FormatLTX, From: at, To: at})
		}
		last = txid
	}
	return windows
}
