package prune

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"time"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/internal/errs"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/v3compat"
)

// Options say what of a replica has to stay.
type Options struct {
	// Since is the beginning of the window that is promised: every state at this
	// time or after it that can be restored stays restorable.
	Since time.Time

	// Snapshots is how many of the newest snapshots stay, of each format, with all
	// that it takes to restore them; at least 1.
	Snapshots int

	// Trust saves reading the snapshots that the window is built on. Otherwise they
	// are read whole, and nothing is deleted if one of them is damaged: the older
	// ones may be the last that are whole.
	Trust bool

	// Progress, if set, is told how many bytes of these snapshots were read. Calls
	// do not overlap.
	Progress func(done, total int64)
}

// Plan says what can be deleted. It is made by [NewPlan].
type Plan struct {
	Objects []replica.Object // to delete, in this order
	Bytes   int64            // of these

	Kept      int // objects that stay
	KeptBytes int64

	Before     []replica.Window // what can be restored now
	Restorable []replica.Window // what can be restored afterwards

	steps []pruneStep
}

// pruneStep is a number of objects that may be deleted in any order, once those of
// the step that it comes after are gone.
type pruneStep struct {
	objects []replica.Object
	after   int                  // index of that step, or -1
	times   *v3compat.Generation // whose times.json is to be cut down to it afterwards
}

// ErrNotPromised is the error of a plan that would break a promise. It is not
// supposed to happen: the plan is made so that it does not, and then proved.
var ErrNotPromised = errors.New("a state that was promised could not be restored any more")

// NewPlan finds out what of a replica is not needed for a window of time and for
// the newest snapshots. Both formats, where both are there, are pruned each for
// itself. It lists everything, and reads the headers of about log2(N) of N LTX
// files and, without Trust, the snapshots that the window is built on.
//
// Of LTX files the last that begins at transaction 1 and is not after the window's
// beginning stays, with all files that end after it. What a level has that the next
// level does not have yet stays too, so that a replicator that compacts finds it.
// Of a v0.3 generation the last snapshot before the window stays, and what is not
// before it; a generation that ended before the window goes as a whole, unless it
// has the state with which the window begins.
//
// Before it returns, it proves from the names that are kept alone that every state
// of the window is still there. It never plans to delete what is not part of a
// replica.
func NewPlan(ctx context.Context, client replica.Source, opts Options) (_ *Plan, err error) {
	defer errs.Wrap(&err, "plan prune")
	if opts.Since.IsZero() {
		return nil, errors.New("no window is promised")
	}
	files, err := replica.Open(ctx, client)
	if err != nil {
		return nil, err
	}
	opts.Snapshots = max(1, opts.Snapshots)
	pr := &pruner{of: files, opts: opts, plan: &Plan{}}
	if err := pr.run(ctx); err != nil {
		return nil, err
	}
	return pr.plan, nil
}

// Run deletes what a plan says, step by step, so that whatever is left at any
// moment can be restored as it could be before. It looks afterwards whether all of
// it is gone. Objects that may still be there are each in the error, as a
// *blob.DeleteError; those that may only go after them stay as well.
//
// The client should be a [replica.FencedClient]. An object that appeared after the plan
// was made is not touched.
func Run(ctx context.Context, client replica.Source, plan *Plan) (err error) {
	defer errs.Wrap(&err, "prune")
	if plan == nil {
		return errors.New("no plan given")
	}
	files, err := replica.Open(ctx, client)
	if err != nil {
		return err
	}
	failed := make([]bool, len(plan.steps))
	var failures []error
	for i, step := range plan.steps {
		switch {
		case step.after >= 0 && failed[step.after]:
			failed[i] = true
			failures = append(failures, step.refuse()...)
			continue
		case ctx.Err() != nil:
			return errors.Join(append(failures, context.Cause(ctx))...)
		}
		if err := step.run(ctx, files.Store); err != nil {
			failed[i] = true
			failures = append(failures, err)
		}
	}
	return errors.Join(failures...)
}

var errBaseStays = errors.New("kept, as a snapshot that is restored with it could not be deleted")

func (s *pruneStep) refuse() (errs []error) {
	for _, o := range s.objects {
		errs = append(errs, &blob.DeleteError{Key: o.Key, Err: errBaseStays})
	}
	return errs
}

// run deletes in batches, in order, and looks.
func (s *pruneStep) run(ctx context.Context, store blob.Store) error {
	var errs []error
	for batch := range slices.Chunk(replica.Keys(s.objects), replica.DeleteBatch) {
		if err := store.Delete(ctx, batch); err != nil {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := stillThere(ctx, store, s.objects); err != nil {
		return err
	}
	if s.times != nil {
		return cutTimes(ctx, store, s.times)
	}
	return nil
}

var errStillListed = errors.New("the store says deleted, and still lists it")

// stillThere returns a *blob.DeleteError for each object that a listing still shows.
func stillThere(ctx context.Context, store blob.Store, objects []replica.Object) error {
	deleted := make(map[string]bool, len(objects))
	prefixes := map[string]bool{}
	for _, o := range objects {
		deleted[o.Key] = true
		prefixes[path.Dir(o.Key)+"/"] = true
	}
	var errs []error
	for prefix := range prefixes {
		for info, err := range store.List(ctx, prefix, blob.ListOptions{Delimited: true}) {
			if err != nil {
				return fmt.Errorf("look whether it is gone: %w", err)
			}
			if deleted[info.Key] {
				errs = append(errs, &blob.DeleteError{Key: info.Key, Err: errStillListed})
			}
		}
	}
	return errors.Join(errs...)
}
