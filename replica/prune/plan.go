package prune

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/retain"
	"github.com/replctl/replicate/v3compat"
)

// pruner is the work on a plan.
type pruner struct {
	of   *replica.Files
	opts Options
	plan *Plan

	bases       []base                 // that the window is built on, to be read
	files       []*ltx.FileInfo        // that are kept
	generations []*v3compat.Generation // as they are kept
	planner     *replica.Timeline      // of files
	before      *replica.Timeline      // of all LTX files that are there
}

// base is an object that states are restored from.
type base struct {
	replica.Object
	file *ltx.FileInfo // nil for a snapshot of a v0.3 backup
}

func (pr *pruner) run(ctx context.Context) error {
	files, err := pr.of.All(ctx)
	if err != nil {
		return err
	}
	generations, err := pr.of.Backup().ListAll(ctx)
	if err != nil {
		return err
	}
	if len(files) == 0 && len(generations) == 0 {
		return replica.ErrNoReplica
	}
	if err := pr.pruneLTX(ctx, files); err != nil {
		return err
	}
	if err := pr.pruneV3(ctx, generations); err != nil {
		return err
	}
	if len(pr.plan.Objects) > 0 && !pr.opts.Trust {
		if err := pr.readBases(ctx); err != nil {
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
	before := pr.of.Timeline(files, nil)
	kept, floor, err := retain.LTX(ctx, pr.of, before, pr.opts.Since, pr.opts.Snapshots)
	if err != nil {
		return err
	}
	pr.files = withUncompacted(files, kept)
	pr.planner, pr.before = pr.of.Timeline(pr.files, nil), before
	if err := proveLTX(before, pr.planner, floor); err != nil {
		return err
	}
	stays := setOf(pr.files)
	for _, f := range pr.files {
		pr.keep(f.Size)
	}
	gone := slices.DeleteFunc(slices.Clone(files), func(f *ltx.FileInfo) bool { return stays[f] })
	// Delete a file before the one that it is applied to.
	slices.SortStableFunc(gone, func(a, b *ltx.FileInfo) int {
		return cmp.Or(cmp.Compare(b.MaxTXID, a.MaxTXID), cmp.Compare(b.MinTXID, a.MinTXID), cmp.Compare(a.Level, b.Level))
	})
	step := pruneStep{after: -1}
	for _, f := range gone {
		step.objects = append(step.objects, replica.Object{Key: pr.of.Key(f), Size: f.Size})
	}
	pr.add(step)
	if floor != nil {
		pr.bases = append(pr.bases, base{replica.Object{Key: pr.of.Key(floor), Size: floor.Size}, floor})
	}
	return nil
}

// withUncompacted keeps what the next level does not have yet, too.
func withUncompacted(files, kept []*ltx.FileInfo) []*ltx.FileInfo {
	var ends [ltx.MaxLevel + 1]ltx.TXID
	for _, f := range files {
		ends[f.Level] = max(ends[f.Level], f.MaxTXID)
	}
	stays := setOf(kept)
	for _, f := range files {
		if next := f.Level + 1; next < ltx.SnapshotLevel && ends[next] > 0 && f.MaxTXID > ends[next] && !stays[f] {
			kept = append(kept, f)
		}
	}
	return kept
}

func setOf[T comparable](items []T) map[T]bool {
	set := make(map[T]bool, len(items))
	for _, item := range items {
		set[item] = true
	}
	return set
}

// proveLTX compares what can be restored from the floor on.
func proveLTX(before, after *replica.Timeline, floor *ltx.FileInfo) error {
	if floor == nil {
		return nil
	}
	left := setOf(after.Chain.Restorable())
	for _, txid := range before.Chain.Restorable() {
		if txid >= floor.MaxTXID && !left[txid] {
			return fmt.Errorf("%w: transaction %s", ErrNotPromised, txid)
		}
	}
	return nil
}

func (pr *pruner) pruneV3(ctx context.Context, generations []*v3compat.Generation) error {
	keep, err := retain.Backup(ctx, generations, pr.opts.Since, pr.opts.Snapshots)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotPromised, err)
	}
	for _, g := range generations {
		kept := g.Only(keep)
		for _, o := range kept.All() {
			pr.keep(o.Size)
		}
		if !kept.Empty() {
			pr.generations = append(pr.generations, kept)
		}
		if len(kept.Snapshots) > 0 {
			pr.bases = append(pr.bases, base{replica.Object{Key: kept.Snapshots[0].Key, Size: kept.Snapshots[0].Size}, nil})
		}
		pr.dropV3(g, kept, keep)
	}
	return nil
}

// dropV3 adds what is not kept of a generation: its snapshots first. Without them
// nothing is restored from the segments, of which some may be gone already: a log
// that lacks its end does not show.
func (pr *pruner) dropV3(g, kept *v3compat.Generation, keep map[string]bool) {
	steps := [2]pruneStep{{after: -1}, {after: len(pr.plan.steps)}}
	for i, objects := range [][]*v3compat.Object{g.Snapshots, g.Segments} {
		for _, o := range objects {
			if !keep[o.Key] {
				steps[i].objects = append(steps[i].objects, replica.Object{Key: o.Key, Size: o.Size})
			}
		}
	}
	if len(steps[0].objects)+len(steps[1].objects) == 0 {
		return
	}
	switch {
	case g.Times == nil:
	case kept.Empty():
		steps[1].objects = append(steps[1].objects, replica.Object{Key: g.Times.Key, Size: g.Times.Size})
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

// readBases verifies what the window is built on.
func (pr *pruner) readBases(ctx context.Context) error {
	total := int64(0)
	for _, base := range pr.bases {
		total += base.Size
	}
	progress := replica.SumProgress(pr.opts.Progress, total)
	for _, base := range pr.bases {
		if err := pr.readBase(ctx, base, progress); err != nil {
			return fmt.Errorf("%s, which later states are built on: %w; older snapshots may be all that is left", base.Key, err)
		}
	}
	return nil
}

func (pr *pruner) readBase(ctx context.Context, base base, progress func(int64)) error {
	rc, err := pr.of.Store.Open(ctx, base.Key, 0, 0)
	if err != nil {
		return err
	}
	defer rc.Close()
	n, err := replica.VerifyObject(blob.ContextReader(ctx, rc), base.file, progress)
	if err == nil && n != base.Size {
		err = fmt.Errorf("it has %d bytes, and was listed with %d", n, base.Size)
	}
	return err
}

// windowsOf are what can be restored from some files and generations, by their names, with
// the true times of their ends. A time that only a damaged file has is not known.
func windowsOf(
	ctx context.Context, planner *replica.Timeline, files []*ltx.FileInfo, generations []*v3compat.Generation,
) ([]replica.Window, error) {
	sound := slices.DeleteFunc(slices.Clone(files), func(f *ltx.FileInfo) bool { return f.Size < ltx.MinFileSize })
	var reports []*v3compat.Report
	for _, g := range generations {
		rep, err := v3compat.NamesOnly(g).Inspect(ctx, g.ID, v3compat.InspectOptions{})
		if err != nil {
			return nil, err
		}
		reports = append(reports, rep)
	}
	windows := retain.Windows(sound, reports)
	for i := range windows {
		w := &windows[i]
		if w.Format != replica.FormatLTX {
			continue
		}
		for _, p := range []*replica.Point{&w.From, &w.To} {
			at, err := planner.Point(ctx, p.TXID)
			if err != nil && !errors.Is(err, ltx.ErrCorrupt) && !errors.Is(err, ltx.ErrTruncated) {
				return nil, err
			}
			p.Time = at.Time
		}
	}
	return windows, nil
}

// cutTimes removes from a times.json what is gone.
func cutTimes(ctx context.Context, store blob.Store, kept *v3compat.Generation) error {
	times, err := v3compat.New(store).ReadTimes(ctx, kept.ID)
	if err != nil {
		return err
	}
	now, err := v3compat.New(store).List(ctx, kept.ID)
	if err != nil {
		return err
	}
	left := make(map[string]bool)
	for _, o := range now.All() {
		left[now.Name(o.Key)] = true
	}
	maps.DeleteFunc(times, func(name string, _ time.Time) bool { return !left[name] })
	return v3compat.PutTimes(ctx, store, kept.ID, times)
}
