package replicate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/v3compat"
)

// pruner is the work on a plan.
type pruner struct {
	c    *StoreClient
	opts PruneOptions
	plan *PrunePlan

	bases       []*copyJob      // that the window is built on, to be read
	files       []*ltx.FileInfo // that are kept
	generations []*generationV3 // as they are kept
	planner     *ltxPlanner     // of files
	before      *ltxPlanner     // of all LTX files that are there
}

func (pr *pruner) run(ctx context.Context) error {
	store, err := pr.c.Store(ctx)
	if err != nil {
		return err
	}
	files, err := pr.c.allFiles(ctx)
	if err != nil {
		return err
	}
	generations, err := listGenerations(ctx, store)
	if err != nil {
		return err
	}
	if len(files) == 0 && len(generations) == 0 {
		return ErrNoReplica
	}
	if err := pr.pruneLTX(ctx, files); err != nil {
		return err
	}
	if err := pr.pruneV3(ctx, generations); err != nil {
		return err
	}
	if len(pr.plan.Objects) > 0 && !pr.opts.Trust {
		if err := pr.readBases(ctx, store); err != nil {
			return err
		}
	}
	if pr.plan.Restorable, err = windowsOf(ctx, pr.planner, pr.files, pr.generations); err != nil {
		return err
	}
	if len(pr.plan.Objects) == 0 {
		pr.plan.Before = pr.plan.Restorable
		return nil
	}
	pr.plan.Before, err = windowsOf(ctx, pr.before, files, generations)
	return err
}

func (pr *pruner) pruneLTX(ctx context.Context, files []*ltx.FileInfo) error {
	before, err := pr.c.newLTXPlanner(ctx, files, nil)
	if err != nil {
		return err
	}
	kept, floor, err := before.keepLTX(ctx, files, pr.opts.Since, pr.opts.Snapshots)
	if err != nil {
		return err
	}
	pr.files = withUncompacted(files, kept)
	if pr.planner, err = pr.c.newLTXPlanner(ctx, pr.files, nil); err != nil {
		return err
	}
	pr.before = before
	if err := proveLTX(before, pr.planner, floor); err != nil {
		return err
	}
	stays := make(map[*ltx.FileInfo]bool, len(pr.files))
	for _, f := range pr.files {
		stays[f] = true
		pr.keep(f.Size)
	}
	gone := slices.DeleteFunc(slices.Clone(files), func(f *ltx.FileInfo) bool { return stays[f] })
	// What is applied to something goes before it.
	slices.SortStableFunc(gone, func(a, b *ltx.FileInfo) int {
		return cmp.Or(cmp.Compare(b.MaxTXID, a.MaxTXID), cmp.Compare(b.MinTXID, a.MinTXID), cmp.Compare(a.Level, b.Level))
	})
	step := pruneStep{after: -1}
	for _, f := range gone {
		key, err := pr.c.Key(ctx, f)
		if err != nil {
			return err
		}
		step.objects = append(step.objects, PlanObject{key, f.Size})
	}
	pr.add(step)
	if floor != nil {
		key, err := pr.c.Key(ctx, floor)
		if err != nil {
			return err
		}
		base := newCopyJob(key, key, floor.Size)
		base.file = floor
		pr.bases = append(pr.bases, base)
	}
	return nil
}

// withUncompacted keeps what the next level does not have yet, too.
func withUncompacted(files, kept []*ltx.FileInfo) []*ltx.FileInfo {
	var ends [ltx.MaxLevel + 1]ltx.TXID
	for _, f := range files {
		ends[f.Level] = max(ends[f.Level], f.MaxTXID)
	}
	stays := make(map[*ltx.FileInfo]bool, len(kept))
	for _, f := range kept {
		stays[f] = true
	}
	for _, f := range files {
		if next := f.Level + 1; next < ltx.SnapshotLevel && ends[next] > 0 && f.MaxTXID > ends[next] && !stays[f] {
			kept = append(kept, f)
		}
	}
	return kept
}

// proveLTX compares what can be restored from the floor on.
func proveLTX(before, after *ltxPlanner, floor *ltx.FileInfo) error {
	if floor == nil {
		return nil
	}
	left := make(map[ltx.TXID]bool)
	for _, txid := range after.chain.Restorable() {
		left[txid] = true
	}
	for _, txid := range before.chain.Restorable() {
		if txid >= floor.MaxTXID && !left[txid] {
			return fmt.Errorf("%w: transaction %s", ErrNotPromised, txid)
		}
	}
	return nil
}

func (pr *pruner) pruneV3(ctx context.Context, generations []*generationV3) error {
	keep, err := keepV3(ctx, generations, pr.opts.Since, pr.opts.Snapshots)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotPromised, err)
	}
	for _, g := range generations {
		kept := g.only(keep)
		for _, o := range kept.all() {
			pr.keep(o.size)
		}
		if !kept.empty() {
			pr.generations = append(pr.generations, kept)
		}
		if len(kept.snapshots) > 0 {
			pr.bases = append(pr.bases, newCopyJob(kept.snapshots[0].key, "", kept.snapshots[0].size))
		}
		pr.dropV3(g, kept, keep)
	}
	return nil
}

// dropV3 adds what is not kept of a generation: its snapshots first. Without them
// nothing is restored from the segments, of which some may be gone already: a log
// that lacks its end does not show.
func (pr *pruner) dropV3(g, kept *generationV3, keep map[string]bool) {
	steps := [2]pruneStep{{after: -1}, {after: len(pr.plan.steps)}}
	for i, objects := range [][]*objectV3{g.snapshots, g.segments} {
		for _, o := range objects {
			if !keep[o.key] {
				steps[i].objects = append(steps[i].objects, PlanObject{o.key, o.size})
			}
		}
	}
	if len(steps[0].objects)+len(steps[1].objects) == 0 {
		return
	}
	switch {
	case g.times == nil:
	case kept.empty():
		steps[1].objects = append(steps[1].objects, PlanObject{g.times.Key, g.times.Size})
	default:
		steps[1].times = kept
	}
	pr.add(steps[0])
	pr.add(steps[1])
}

func (pr *pruner) keep(size int64) {
	pr.plan.Kept++
	pr.plan.KeptBytes += size
}

func (pr *pruner) add(s pruneStep) {
	pr.plan.steps = append(pr.plan.steps, s)
	pr.plan.Objects = append(pr.plan.Objects, s.objects...)
	for _, o := range s.objects {
		pr.plan.Bytes += o.Size
	}
}

// readBases reads what the window is built on.
func (pr *pruner) readBases(ctx context.Context, store blob.Reader) error {
	meter := &copyMeter{notify: pr.opts.Progress}
	meter.grow(pr.bases)
	for _, j := range pr.bases {
		rc, err := store.Open(ctx, j.key, 0, 0)
		if err != nil {
			return err
		}
		r := newCopyReader(ctx, rc, j, meter)
		_, err = io.Copy(io.Discard, r)
		r.close()
		rc.Close()
		if err != nil {
			return fmt.Errorf("%s, which later states are built on: %w; older snapshots may be all that is left", j.key, err)
		}
	}
	return nil
}

// windowsOf are what can be restored from some files and generations, by their names, with
// the true times of their ends. A time that only a damaged file has is not known.
func windowsOf(
	ctx context.Context, planner *ltxPlanner, files []*ltx.FileInfo, generations []*generationV3,
) ([]Window, error) {
	in := &inspector{Inspection: &Inspection{}}
	for _, f := range files {
		if f.Size >= ltx.MinFileSize {
			in.sound = append(in.sound, f)
		}
	}
	for _, g := range generations {
		rep, err := v3compat.New(listingOf(g)).Inspect(ctx, g.id, v3compat.InspectOptions{})
		if err != nil {
			return nil, err
		}
		in.Generations = append(in.Generations, rep)
	}
	windows := in.windows()
	for i := range windows {
		w := &windows[i]
		if w.Format != FormatLTX {
			continue
		}
		for _, p := range []*Point{&w.From, &w.To} {
			at, err := planner.point(ctx, p.TXID)
			if err != nil && !errors.Is(err, ltx.ErrCorrupt) && !errors.Is(err, ltx.ErrTruncated) {
				return nil, err
			}
			p.Time = at.Time
		}
	}
	return windows, nil
}

// cutTimes removes from a times.json what is gone.
func cutTimes(ctx context.Context, store blob.Store, kept *generationV3) error {
	times, err := readTimes(ctx, store, kept.id)
	if err != nil {
		return err
	}
	now, err := listGeneration(ctx, store, kept.id)
	if err != nil {
		return err
	}
	left := make(map[string]bool)
	for _, o := range now.all() {
		left[now.name(o.key)] = true
	}
	for name := range times {
		if !left[name] {
			delete(times, name)
		}
	}
	return putTimes(ctx, store, kept.id, times)
}

// dirOf is the prefix of a key's directory.
func dirOf(key string) string { return path.Dir(key) + "/" }
