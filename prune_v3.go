package replicate

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/v3compat"
)

// keptV3 says what of a v0.3 backup is needed for every state that can be restored
// at a time or after it, and for the newest snapshots.
type keptV3 struct {
	generations []*generationV3
	since       time.Time
	owner       *generationV3 // that the state at since is of; nil if there is none
	latest      []*objectV3   // the snapshots to keep in any case
}

func keepV3(ctx context.Context, generations []*generationV3, since time.Time, snapshots int) (keep map[string]bool, err error) {
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
	plan, err := v3compat.New(listingOf(k.generations...)).Plan(ctx, v3compat.Target{Timestamp: k.since})
	var newest time.Time
	for _, g := range k.generations {
		if err == nil && g.id == plan.Generation {
			k.owner = g
			return
		}
		for _, o := range g.all() {
			if !o.at.After(k.since) && o.at.After(newest) {
				k.owner, newest = g, o.at
			}
		}
	}
}

func (k *keptV3) findLatest(n int) {
	for _, g := range k.generations {
		for _, s := range g.snapshots {
			if s.size > 0 {
				k.latest = append(k.latest, s)
			}
		}
	}
	slices.SortStableFunc(k.latest, func(a, b *objectV3) int {
		return cmp.Or(b.at.Compare(a.at), -compareV3(a, b))
	})
	k.latest = k.latest[:min(n, len(k.latest))]
}

// keep adds what is kept of a generation: a snapshot and all that is not before
// it, for the newest snapshot with which every state that counts is still there.
func (k *keptV3) keep(ctx context.Context, g *generationV3, keep map[string]bool) error {
	before, err := k.states(ctx, g)
	if err != nil {
		return err
	}
	for _, floor := range k.floors(g) {
		kept := map[string]bool{}
		for _, o := range g.all() {
			if o.pos.Index >= floor {
				kept[o.key] = true
			}
		}
		after, err := k.states(ctx, g.only(kept))
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
func (k *keptV3) floors(g *generationV3) (floors []int) {
	fixed := math.MaxInt
	for _, s := range k.latest {
		if s.pos.Generation == g.id {
			fixed = min(fixed, s.pos.Index)
		}
	}
	newest, known := g.newest()
	switch {
	case !known:
		return []int{0}
	case !newest.After(k.since) && g != k.owner:
		return []int{fixed, 0}
	case !g.inOrder():
		return []int{0}
	}
	for _, s := range slices.Backward(g.snapshots) {
		if s.size > 0 && !s.at.After(k.since) {
			floors = append(floors, min(fixed, s.pos.Index))
		}
	}
	return append(floors, 0)
}

// inOrder reports whether segments were written one after the other, by the clock.
// Where not, what a moment means depends on all of them.
func (g *generationV3) inOrder() bool {
	return slices.IsSortedFunc(g.segments, func(a, b *objectV3) int { return a.at.Compare(b.at) })
}

// states are those of a generation that count: after the time, and, of one that has
// a state at the time, that one.
func (k *keptV3) states(ctx context.Context, g *generationV3) (states map[v3compat.Point]bool, err error) {
	states = map[v3compat.Point]bool{}
	if g.empty() {
		return states, nil
	}
	r := v3compat.New(listingOf(g))
	points, err := r.Points(ctx, g.id)
	if err != nil {
		return nil, err
	}
	for _, p := range points {
		if p.Time.After(k.since) {
			states[p] = true
		}
	}
	if newest, _ := g.newest(); g != k.owner && !newest.After(k.since) {
		return states, nil
	}
	if at, err := r.Plan(ctx, v3compat.Target{Generation: g.id, Timestamp: k.since}); err == nil {
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
	var kept []*generationV3
	for _, g := range k.generations {
		kept = append(kept, g.only(keep))
	}
	before, after := v3compat.New(listingOf(k.generations...)), v3compat.New(listingOf(kept...))
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

// listingOf is a store that has the names, the sizes and the times of objects.
func listingOf(generations ...*generationV3) listing {
	var l listing
	for _, g := range generations {
		for _, o := range g.all() {
			l = append(l, blob.Info{Key: o.key, Size: o.size, ModTime: o.at})
		}
	}
	slices.SortFunc(l, func(a, b blob.Info) int { return strings.Compare(a.Key, b.Key) })
	return l
}

// listing is a blob.Reader of objects that cannot be read.
type listing []blob.Info

// List implements [blob.Reader].
func (l listing) List(_ context.Context, prefix string, opts blob.ListOptions) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		last := ""
		for _, info := range l {
			rest, ok := strings.CutPrefix(info.Key, prefix)
			if !ok || info.Key <= opts.After {
				continue
			}
			if segment, _, deeper := strings.Cut(rest, "/"); opts.Delimited && deeper {
				info = blob.Info{Key: prefix + segment + "/"}
			}
			if info.Key != last && !yield(info, nil) {
				return
			}
			last = info.Key
		}
	}
}

// Open implements [blob.Reader].
func (listing) Open(_ context.Context, key string, _, _ int64) (io.ReadCloser, error) {
	return nil, fmt.Errorf("open %s: %w", key, fs.ErrNotExist)
}

// Stat implements [blob.Reader].
func (listing) Stat(_ context.Context, key string) (blob.Info, error) {
	return blob.Info{}, fmt.Errorf("stat %s: %w", key, fs.ErrNotExist)
}
