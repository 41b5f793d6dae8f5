package drill

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"slices"

	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/restore"
)

// picked is a moment to try.
type picked struct {
	state  replica.Point // zero: the newest, whatever it is
	target restore.Target
	why    string
}

// states are those that a replica names, the newest first: that of a restore which asks for the
// latest, whether it works or not. The newest that can be restored is d.newest.
func (d *driller) states(ctx context.Context) (states []picked, err error) {
	newest := picked{}
	plan, err := restore.NewPlan(ctx, d.src, restore.Target{})
	var unreachable *restore.PlanError
	switch {
	case errors.Is(err, replica.ErrNoReplica):
		return nil, err
	case errors.As(err, &unreachable):
		d.newest = unreachable.Before
	case err == nil:
		newest.state, d.newest = plan.State, plan.State
	}
	all, err := d.files.All(ctx)
	if err != nil {
		return nil, err
	}
	d.timeline = d.files.Timeline(all, nil)
	for _, txid := range d.timeline.Chain.Restorable() {
		states = append(states, picked{state: replica.Point{TXID: txid}, target: restore.Target{TXID: txid}})
	}
	points, err := d.files.Backup().AllPoints(ctx)
	if err != nil {
		return nil, err
	}
	for _, p := range points {
		target := restore.Target{Generation: p.Pos.Generation, Timestamp: p.Time}
		if p.Time.IsZero() {
			target.Index = &p.Pos.Index
		}
		states = append(states, picked{state: replica.Point{Pos: p.Pos, Time: p.Time}, target: target})
	}
	if !newest.state.IsZero() {
		states = slices.DeleteFunc(states, func(p picked) bool {
			return p.state.TXID == newest.state.TXID && p.state.Pos == newest.state.Pos
		})
	}
	// Where a replica has both formats, the v0.3 backup is mostly what it was migrated from.
	slices.SortStableFunc(states, func(a, b picked) int {
		return cmp.Or(cmp.Compare(b.state.TXID, a.state.TXID), b.state.Time.Compare(a.state.Time))
	})
	return append([]picked{newest}, states...), nil
}

// pick takes the newest, the oldest and n others, in the order of the states.
func pick(states []picked, n int, seed uint64) []picked {
	states[0].why = "newest"
	chosen := []int{0}
	if last := len(states) - 1; last > 0 {
		states[last].why = "oldest"
		chosen = append(chosen, last)
		for _, i := range rand.New(rand.NewPCG(seed, 19)).Perm(last - 1)[:min(max(n, 0), last-1)] {
			states[i+1].why = "random"
			chosen = append(chosen, i+1)
		}
	}
	slices.Sort(chosen)
	var out []picked
	for _, i := range chosen {
		out = append(out, states[i])
	}
	return out
}
