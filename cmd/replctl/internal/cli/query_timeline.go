package cli

import (
	"context"
	"fmt"
	"slices"

	"github.com/replctl/replicate/replica"
)

// lastPoints returns the last n states that the replica has, of both formats, the newest last, and
// how many there are.
func lastPoints(ctx context.Context, src replica.Source, n int) (points []replica.Point, total int, err error) {
	files, err := replica.Open(ctx, src)
	if err != nil {
		return nil, 0, err
	}
	all, err := files.All(ctx)
	if err != nil {
		return nil, 0, err
	}
	timeline := files.Timeline(all, nil)
	states := timeline.Chain.Restorable()
	total = len(states)
	for _, txid := range states[max(len(states)-n, 0):] {
		p, err := timeline.Point(ctx, txid)
		if err != nil {
			return nil, 0, err
		}
		points = append(points, p)
	}
	backup, err := files.Backup().AllPoints(ctx)
	if err != nil {
		return nil, 0, err
	}
	for _, p := range backup[max(len(backup)-n, 0):] {
		points = append(points, replica.Point{Pos: p.Pos, Time: p.Time})
	}
	total += len(backup)
	slices.SortStableFunc(points, func(a, b replica.Point) int { return a.Time.Compare(b.Time) })
	return points[max(len(points)-n, 0):], total, nil
}

// pointName is the transaction or the position of a state.
func pointName(p replica.Point) string {
	if p.TXID != 0 {
		return p.TXID.String()
	}
	return fmt.Sprintf("%s %s/%08x", p.Pos.Generation, hexIndex(p.Pos.Index), p.Pos.Offset)
}
