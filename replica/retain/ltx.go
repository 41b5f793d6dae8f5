package retain

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
)

// before is the last restorable transaction at or before a time; 0 if there is
// none. It reads the headers of about log2(N) files.
func before(ctx context.Context, p *replica.Timeline, t time.Time) (ltx.TXID, error) {
	n, err := p.Until(ctx, t)
	if err != nil || n == 0 {
		return 0, err
	}
	last := p.Ends[n-1].MaxTXID
	states := p.Chain.Restorable()
	if n = sort.Search(len(states), func(i int) bool { return states[i] > last }); n == 0 {
		return 0, nil
	}
	return states[n-1], nil
}

// LTX says what of the files of a timeline is needed for every state that can be restored at
// a time or after it, and for the newest snapshots. It returns the file that all
// of these states are built on, too; with none everything is kept.
//
// A file can be applied to any state from MinTXID-1 to MaxTXID-1. So if a file
// that begins at 1 is kept, and all that end after it, then each state after it
// that could be restored still can be: by induction, what its last file was applied
// to is there, or else that file reaches back to the floor or before it. That is
// more than the shortest way needs, and what Litestream keeps as well.
func LTX(
	ctx context.Context, of *replica.Files, p *replica.Timeline, since time.Time, snapshots int,
) (keep []*ltx.FileInfo, floor *ltx.FileInfo, err error) {
	state, err := before(ctx, p, since)
	if err != nil {
		return nil, nil, fmt.Errorf("find the state at %s: %w", since.UTC().Format(time.RFC3339Nano), err)
	}
	var bases []*ltx.FileInfo // that need nothing before them, by MaxTXID
	for _, f := range p.Files {
		if f.MinTXID == 1 && f.Size >= ltx.MinFileSize {
			bases = append(bases, f)
		}
	}
	slices.SortFunc(bases, func(a, b *ltx.FileInfo) int {
		return cmp.Or(cmp.Compare(a.MaxTXID, b.MaxTXID), cmp.Compare(a.Level, b.Level))
	})
	if floor, err = floorOf(ctx, of, bases, state, since); err != nil || floor == nil {
		return p.Files, nil, err
	}
	wanted := map[*ltx.FileInfo]bool{}
	wanted[floor] = true
	for _, f := range slices.Backward(bases) {
		if f.Level == ltx.SnapshotLevel && snapshots > 0 {
			wanted[f] = true
			snapshots--
		}
	}
	for _, f := range p.Files {
		if wanted[f] || f.MaxTXID > floor.MaxTXID {
			keep = append(keep, f)
		}
	}
	return keep, floor, nil
}

// floorOf is the last of some files that begin at 1 that is not after a state, and
// that is not after its time by its own header either: that of a snapshot may say
// when it was taken, and once the file is gone that says when the transaction was,
// the state has the time of the snapshot.
func floorOf(
	ctx context.Context, of *replica.Files, bases []*ltx.FileInfo, state ltx.TXID, since time.Time,
) (*ltx.FileInfo, error) {
	for _, f := range slices.Backward(bases) {
		if f.MaxTXID > state {
			continue
		}
		seen, err := of.Time(ctx, f)
		if err == nil {
			seen, err = of.ConfirmTime(ctx, f, seen, since)
		}
		if err != nil || !seen.At.After(since) {
			return f, err
		}
	}
	return nil, nil
}
