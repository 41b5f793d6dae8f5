package retain

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/replctl/replicate/v3compat"
)

// keptV3 finds what of a v0.3 backup is needed.
type keptV3 struct {
	generations []*v3compat.Generation
	since       time.Time
	owner       *v3compat.Generation // that the state at since is of; nil if there is none
	latest      []*v3compat.Object   // the snapshots to keep in any case
}

// Backup says what of a v0.3 backup is needed for every state that can be restored at a time
// or after it, and for the newest snapshots: it has the keys. Before it returns it proves,
// from the names that are kept alone, that each of these states is still there.
func Backup(
	ctx context.Context, generations []*v3compat.Generation, since time.Time, snapshots int,
) (keep map[string]bool, err error) {
	k := &keptV3{generations: generations, since: since}
	k.findOwner(ctx)
	k.findLatest(snapshots)
	keep = make(map[string]bool)
	for _, g := range generations {
		if err := k.keep(ctx, g, keep); err != nil {
			return nil, err
		}
	}
	return keep, k.prove(ctx, keep)
}

// findOwner finds the generation that the state at the time is of, as a restore
// would; if there is no such state, the generation with the newest object of then.
func (k *keptV3) findOwner(ctx context.Context) {
	plan, err := v3compat.NamesOnly(k.generations...).Plan(ctx, v3compat.Target{Timestamp: k.since})
	var newest time.Time
	for _, g := range k.generations {
		if err == nil && g.ID == plan.Generation {
			k.owner = g
			return
		}
		for _, o := range g.All() {
			if !o.At.After(k.since) && o.At.After(newest) {
				k.owner, newest = g, o.At
			}
		}
	}
}

func (k *keptV3) findLatest(n int) {
	for _, g := range k.generations {
		for _, s := range g.Snapshots {
			if s.Size > 0 {
				k.latest = append(k.latest, s)
			}
		}
	}
	slices.SortStableFunc(k.latest, func(a, b *v3compat.Object) int {
		return cmp.Or(b.At.Compare(a.At), -a.Compare(b))
	})
	k.latest = k.latest[:min(n, len(k.latest))]
}

// keep adds what is kept of a generation: a snapshot and all that is not before
// it, for the newest snapshot with which every state that counts is still there.
func (k *keptV3) keep(ctx context.Context, g *v3compat.Generation, keep map[string]bool) error {
	before, err := k.states(ctx, g)
	if err != nil {
		return err
	}
	for _, floor := range k.floors(g) {
		kept := map[string]bool{}
		for _, o := range g.All() {
			if o.Pos.Index >= floor {
				kept[o.Key] = true
			}
		}
		after, err := k.states(ctx, g.Only(kept))
		if err != nil {
			return err
		}
		if floor == 0 || covers(after, before) {
			for key := range kept {
				keep[key] = true
			}
			return nil
		}
	}
	return nil
}

// floors are the indices from which on a generation may be kept, the best first;
// the last is always good.
func (k *keptV3) floors(g *v3compat.Generation) (floors []int) {
	fixed := math.MaxInt
	for _, s := range k.latest {
		if s.Pos.Generation == g.ID {
			fixed = min(fixed, s.Pos.Index)
		}
	}
	newest, known := g.Newest()
	switch {
	case !known:
		return []int{0}
	case !newest.After(k.since) && g != k.owner:
		return []int{fixed, 0}
	case !slices.IsSortedFunc(g.Segments, func(a, b *v3compat.Object) int { return a.At.Compare(b.At) }):
		return []int{0} // by the clock. What a moment means depends on all of them
	}
	for _, s := range slices.Backward(g.Snapshots) {
		if s.Size > 0 && !s.At.After(k.since) {
			floors = append(floors, min(fixed, s.Pos.Index))
		}
	}
	return append(floors, 0)
}

// states are those of a generation that count: after the time, and, of one that has
// a state at the time, that one.
func (k *keptV3) states(ctx context.Context, g *v3compat.Generation) (states map[v3compat.Point]bool, err error) {
	states = map[v3compat.Point]bool{}
	if g.Empty() {
		return states, nil
	}
	r := v3compat.NamesOnly(g)
	points, err := r.Points(ctx, g.ID)
	if err != nil {
		return nil, err
	}
	for _, p := range points {
		if p.Time.After(k.since) {
			states[p] = true
		}
	}
	if newest, _ := g.Newest(); g != k.owner && !newest.After(k.since) {
		return states, nil
	}
	if at, err := r.Plan(ctx, v3compat.Target{Generation: g.ID, Timestamp: k.since}); err == nil {
		states[v3compat.Point{Pos: at.Pos, Time: at.Time}] = true
	}
	return states, nil
}

func covers(after, before map[v3compat.Point]bool) bool {
	for p := range before {
		if !after[p] {
			return false
		}
	}
	return true
}

// prove plans for the time and for the latest state, before and after.
func (k *keptV3) prove(ctx context.Context, keep map[string]bool) error {
	var kept []*v3compat.Generation
	for _, g := range k.generations {
		kept = append(kept, g.Only(keep))
	}
	before, after := v3compat.NamesOnly(k.generations...), v3compat.NamesOnly(kept...)
	for _, target := range []v3compat.Target{{}, {Timestamp: k.since}} {
		want, err := before.Plan(ctx, target)
		if err != nil {
			continue // it was not restorable
		}
		got, err := after.Plan(ctx, target)
		if err == nil && (got.Pos != want.Pos || !got.Time.Equal(want.Time)) {
			err = fmt.Errorf("it would be that of %v", got.Pos)
		}
		if err != nil {
			return fmt.Errorf("the %v would not be that of %v any more: %w", target, want.Pos, err)
		}
	}
	return nil
}
