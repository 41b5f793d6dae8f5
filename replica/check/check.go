package check

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/replctl/replicate/internal/errs"
	"github.com/replctl/replicate/internal/ordered"
	"github.com/replctl/replicate/internal/scratch"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/retain"
	"github.com/replctl/replicate/v3compat"
)

// Options say how thorough a check is. The zero value reads all of a small
// replica, and of a large one the outline of each LTX file; see [ReadAuto] and
// [ReadOutlines].
type Options struct {
	// Deep reads everything, follows each page through the files, and restores the
	// end of each window to a temporary file.
	Deep bool

	// Subset is what share of the objects, from 0 to 1, is read from end to end
	// beside what is read anyway. v0.3 generations are read whole or not. Each Round
	// reads the share after that of the round before: as many rounds in a row as the
	// share fits into the whole, rounded up, read every object that was there all the
	// time.
	Subset float64
	Round  uint64

	// Group, from 1 to Groups, is read from end to end instead. Names decide which object is in
	// which group, for ever: all groups together are all objects. 0 of 0 is none.
	Group, Groups uint64

	// Verify, if set, is called with the path of each database that a deep check
	// restores. Package sqlite has what to ask.
	Verify func(ctx context.Context, path string) error

	// TempDir is where a deep check restores to; os.TempDir() if empty.
	TempDir string

	// Progress, if set, is told how many of the bytes to read were read. Calls do
	// not overlap.
	Progress func(done, total int64)
}

// Report is what a check has found.
type Report struct {
	*Inspection

	// Restorable are the windows, by format, then in time. Between two of them
	// states are lost. Objects that were found to be damaged are not used in them.
	Restorable []replica.Window

	// Restored counts the databases that were restored and verified.
	Restored int
}

// OK reports whether nothing is wrong that matters. The zero Report has not looked.
func (r *Report) OK() bool { return r.Inspection != nil && !r.Damaged() }

// Run examines a replica, and tells what can be restored from it. What is wrong
// with the replica is in Problems; an error means that it could not look.
//
// Without Deep, and where the replica is too large to be read whole, it finds what
// is missing, cut off, empty, in the wrong place or under the wrong name. With Deep
// it also finds every changed bit, files that contradict each other, and, with
// Verify, databases that were broken before they were replicated.
func Run(ctx context.Context, src replica.Source, opts Options) (_ *Report, err error) {
	defer errs.Wrap(&err, "check")
	switch {
	case opts.Subset < 0 || opts.Subset > 1:
		return nil, fmt.Errorf("subset %v: want 0 to 1", opts.Subset)
	case opts.Groups > 0 && (opts.Group < 1 || opts.Group > opts.Groups), opts.Groups == 0 && opts.Group > 0:
		return nil, fmt.Errorf("group %d of %d: want 1 to %[2]d", opts.Group, opts.Groups)
	case opts.Groups > 0 && opts.Subset > 0:
		return nil, errors.New("a subset and a group: want one of them")
	}
	files, err := replica.Open(ctx, src)
	if err != nil {
		return nil, err
	}
	in := &inspector{Inspection: &Inspection{}, Files: files, opts: InspectOptions{Progress: opts.Progress}}
	if opts.Deep {
		in.opts.Read = ReadAll
		in.visit = in.lineage().add
	} else {
		in.opts.large = ReadOutlines
		in.wants = opts.wants()
	}
	if err := in.inspect(ctx); err != nil {
		return nil, err
	}
	report := &Report{Inspection: in.Inspection, Restorable: retain.Windows(in.sound, in.Generations)}
	if err := in.compareTimes(ctx, opts.Deep); err != nil {
		return nil, err
	}
	if opts.Deep {
		if err := in.restoreWindows(ctx, report, opts); err != nil {
			return nil, err
		}
	}
	in.sortProblems()
	return report, nil
}

// lineage reports what it sees as problems.
func (in *inspector) lineage() *lineage {
	return &lineage{report: func(info *ltx.FileInfo, format string, args ...any) {
		in.problem(replica.SeverityError, in.Key(info), format, args...)
	}}
}

// wants reports of an object whether it is to be read from end to end; nil: none is.
func (opts Options) wants() func(key string) bool {
	switch {
	case opts.Subset > 0:
		return func(key string) bool { return inSubset(key, opts.Subset, opts.Round) }
	case opts.Groups > 0:
		return func(key string) bool { return place(key)%opts.Groups == opts.Group-1 }
	}
	return nil
}

// inSubset reports whether a round reads an object. Keys lie on a circle of 2^64 places,
// by their hash; a round reads an arc of it, which begins where that of the round before
// ends.
func inSubset(key string, subset float64, round uint64) bool {
	if subset >= 1 {
		return true
	}
	arc := uint64(math.Ldexp(subset, 64))
	return place(key)-round*arc < arc
}

// place is where on the circle a key is. Places are even, also for keys that are alike.
func place(key string) uint64 {
	sum := sha256.Sum256([]byte(key))
	return binary.BigEndian.Uint64(sum[:])
}

// compareTimes looks at what the store says about the time of LTX files: of all if
// it is a deep check, else of the first and last of each level.
func (in *inspector) compareTimes(ctx context.Context, deep bool) error {
	edges := in.edgesOf(in.sound)
	files := slices.DeleteFunc(slices.Clone(in.sound), func(f *ltx.FileInfo) bool { return !deep && !edges[f] })
	wrong := 0
	for f, err := range ordered.Map(ctx, replica.HeaderReads, ordered.Slice(files), in.timeDiffers) {
		if err != nil {
			return err
		}
		if f == nil {
			continue
		}
		if wrong++; wrong <= maxForeign {
			in.problem(replica.SeverityWarning, in.Key(f), "the store has another time for it than its header: "+
				"a copy has lost the times; Litestream would restore another moment than asked for")
		}
	}
	if wrong > maxForeign {
		in.problem(replica.SeverityWarning, rootOf(in.Layout),
			"%d more files whose time in the store is not that of their headers", wrong-maxForeign)
	}
	return nil
}

// timeDiffers returns the file if it does.
func (in *inspector) timeDiffers(ctx context.Context, f *ltx.FileInfo) (*ltx.FileInfo, error) {
	info, err := in.Store.Stat(ctx, in.Key(f))
	if errors.Is(err, fs.ErrNotExist) || err == nil && timeAgrees(info, f.CreatedAt) {
		return nil, nil
	}
	return f, err
}

// restoreWindows restores the end of each window, and shortens those where that
// cannot be.
func (in *inspector) restoreWindows(ctx context.Context, report *Report, opts Options) error {
	dir, err := os.MkdirTemp(opts.TempDir, "replicate-check-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var good []replica.Window
	for _, w := range report.Restorable {
		w, ok, err := in.restoreEnd(ctx, report, w, filepath.Join(dir, "db"), opts)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			return err
		case ok:
			good = append(good, w)
		}
	}
	report.Restorable = good
	return nil
}

// restoreEnd restores the end of a window, or an earlier one that can be; ok is false
// if there is none.
func (in *inspector) restoreEnd(
	ctx context.Context, report *Report, w replica.Window, path string, opts Options,
) (shorter replica.Window, ok bool, err error) {
	for {
		err := in.restoreWindow(ctx, w, path, opts)
		var broken *brokenError
		switch {
		case err == nil:
			report.Restored++
			return w, true, nil
		case errors.As(err, &broken):
			in.problem(replica.SeverityError, in.windowObject(w), "the state of %s can be restored, and is not sound: %v",
				replica.FormatTime(w.To.Time), broken.error)
			return w, true, nil
		case !replica.IsDamage(err):
			return w, false, err
		}
		object, known := in.DamagedObject(err)
		if !known {
			object = in.windowObject(w)
		}
		at := replica.FormatTime(w.To.Time)
		in.problem(replica.SeverityError, object, "the state of %s cannot be restored: %v", at, err)
		if !known {
			return w, false, nil
		}
		if w, ok, err = in.shorten(ctx, w, object); err != nil || !ok {
			return w, false, err
		}
	}
}

// shorten ends a window before an object that turned out to be in the way of its end;
// ok is false if nothing is left of it.
func (in *inspector) shorten(ctx context.Context, w replica.Window, key string) (_ replica.Window, ok bool, err error) {
	end := w.To
	if w.Format == replica.FormatLTX {
		in.sound = slices.DeleteFunc(in.sound, func(f *ltx.FileInfo) bool { return in.Key(f) == key })
		for _, rest := range retain.Windows(in.sound, nil) {
			if rest.From.TXID <= w.From.TXID && rest.To.TXID >= w.From.TXID {
				w.To = rest.To
			}
		}
		return w, w.To.TXID < end.TXID, nil
	}
	var unreachable *v3compat.UnreachableError
	_, err = in.v3.Plan(ctx, v3compat.Target{Generation: w.Generation, Timestamp: end.Time, Without: []string{key}})
	if !errors.As(err, &unreachable) {
		return w, false, err
	}
	if before := unreachable.Before; before != nil {
		w.To = replica.Point{Pos: before.Pos, Time: before.Time}
	}
	return w, w.To.Time.Before(end.Time) && !w.To.Time.Before(w.From.Time), nil
}

// brokenError is what Verify has to say.
type brokenError struct{ error }

// windowObject is what a problem with a whole window is about.
func (in *inspector) windowObject(w replica.Window) string {
	if w.Format == replica.FormatV3 {
		return v3compat.GenerationPrefix(w.Generation)
	}
	return rootOf(in.Layout)
}

func (in *inspector) restoreWindow(ctx context.Context, w replica.Window, path string, opts Options) error {
	if opts.Verify == nil { // to read it all is enough
		return in.restoreTo(ctx, w, scratch.Discard{})
	}
	f, err := os.Create(path) // of the window before
	if err != nil {
		return err
	}
	err = in.restoreTo(ctx, w, f)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := opts.Verify(ctx, path); err != nil {
		return &brokenError{err}
	}
	return nil
}
