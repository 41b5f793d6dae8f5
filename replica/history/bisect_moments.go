package history

import (
	"cmp"
	"context"
	"slices"
	"sort"

	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/restore"
	"github.com/replctl/replicate/replica/view"
	"github.com/replctl/replicate/v3compat"
)

// momentList is the moments of a replica in one format, the oldest first.
type momentList struct {
	format string
	txids  []ltx.TXID       // FormatLTX
	points []v3compat.Point // FormatV3: those that a time names
}

// listMoments lists the moments of a format. It reads listings, and no headers.
func listMoments(ctx context.Context, files *replica.Files, format string) (*momentList, error) {
	m := &momentList{format: format}
	if format == replica.FormatLTX {
		all, err := files.All(ctx)
		if err != nil {
			return nil, err
		}
		m.txids = files.Timeline(all, nil).Chain.Restorable()
		return m, nil
	}
	points, err := files.Backup().AllPoints(ctx)
	for i, p := range points {
		if i+1 == len(points) || !points[i+1].Time.Equal(p.Time) || points[i+1].Pos.Generation != p.Pos.Generation {
			m.points = append(m.points, p)
		}
	}
	return m, err
}

func (m *momentList) len() int { return len(m.txids) + len(m.points) }

// target means a moment.
func (m *momentList) target(i int) restore.Target {
	if m.format == replica.FormatLTX {
		return restore.Target{TXID: m.txids[i]}
	}
	p := m.points[i]
	return restore.Target{Generation: p.Pos.Generation, Timestamp: p.Time}
}

// find is the last moment that is not after a state.
func (m *momentList) find(s view.State) int {
	after := func(i int) bool {
		if m.format == replica.FormatLTX {
			return m.txids[i] > s.TXID
		}
		p := m.points[i]
		return cmp.Or(p.Time.Compare(s.Time), comparePos(p.Pos, s.Pos)) > 0
	}
	return max(0, sort.Search(m.len(), after)-1)
}

// comparePos orders two positions of one time.
func comparePos(a, b v3compat.Pos) int {
	if a.Generation != b.Generation {
		return 0
	}
	return a.Compare(b)
}

// without is the moments without one that is gone.
func (m *momentList) without(i int) {
	if m.format == replica.FormatLTX {
		m.txids = slices.Delete(m.txids, i, i+1)
	} else {
		m.points = slices.Delete(m.points, i, i+1)
	}
}
