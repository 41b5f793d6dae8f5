package restore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/replctl/replicate/replica"
)

// maxAttempts bounds how often Follow plans.
const maxAttempts = 10

// Follow plans, and calls do with the plan. If do returns that the replica has changed since
// it was listed, or that an object of the plan is damaged or refused, Follow plans again,
// around that object, and calls do with the new plan: a replica has mostly more than one way
// to a state. [File] and [To] restore by it. Options.Around is told why. What cannot be got
// around is the error of the first call that failed. After ErrPartial nothing is begun again:
// the new bytes would follow the old ones. Follow returns the plan of the last call.
func Follow(
	ctx context.Context, src replica.Source, target Target, opts Options, do func(*replica.Files, *Plan) error,
) (*Plan, error) {
	files, err := replica.Open(ctx, src)
	if err != nil {
		return nil, err
	}
	c := planner{files}
	var damaged []string
	var first error
	for attempt := 1; ; attempt++ {
		plan, err := c.plan(ctx, target, damaged)
		if err == nil && opts.Planned != nil {
			if err := opts.Planned(plan); err != nil {
				return plan, err
			}
		}
		if err != nil {
			return nil, around(first, err)
		}
		err = do(files, plan)
		key, isDamaged := c.DamagedObject(err)
		if isDamaged && replica.IsRefusal(err) && !c.OpensAny(ctx, replica.Keys(plan.Objects), []string{key}) {
			return plan, err // all objects are refused
		}
		isGone := errors.Is(err, fs.ErrNotExist) && c.ObjectOf(err) != ""
		if !isDamaged && !isGone || ctx.Err() != nil || attempt == maxAttempts || errors.Is(err, ErrPartial) {
			return plan, err
		}
		if isDamaged {
			damaged = append(damaged, key)
			if first == nil {
				first = err
			}
		}
		if opts.Around != nil {
			opts.Around(err)
		}
	}
}

// around is the error of a plan that goes around the object of another error, if there is one.
func around(first, err error) error {
	if first == nil {
		return err
	}
	return fmt.Errorf("%w; and around it: %w", first, err)
}
