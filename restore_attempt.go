package replicate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/v3compat"
)

// maxAttempts bounds how often Attempt plans.
const maxAttempts = 10

// Attempt plans, and calls restore with the plan. If the replica turns out to have
// changed since it was listed, or an object of the plan to be damaged or refused, it plans
// again, around that object, and calls restore with the new plan, after it has told
// why: a replica has mostly more than one way to a state. What cannot be got around
// is the error of the first restore that failed. After ErrPartial nothing is begun
// again: the new bytes would follow the old ones.
func (c *StoreClient) Attempt(ctx context.Context, target Target, restore func(*Plan) error, why func(error)) error {
	var damaged []string
	var first error
	for attempt := 1; ; attempt++ {
		plan, err := c.planAround(ctx, target, damaged)
		if err != nil && first != nil {
			return fmt.Errorf("%w; and around it: %w", first, err)
		} else if err != nil {
			return err
		}
		err = restore(plan)
		key, isDamaged := c.damagedObject(ctx, err)
		if isDamaged && isRefusal(err) && !c.opensAny(ctx, keysOfObjects(plan.Objects), []string{key}) {
			return err // all objects are refused
		}
		isGone := errors.Is(err, fs.ErrNotExist) && c.objectOf(ctx, err) != ""
		if !isDamaged && !isGone || ctx.Err() != nil || attempt == maxAttempts || errors.Is(err, ErrPartial) {
			return err
		}
		if isDamaged {
			damaged = append(damaged, key)
			if first == nil {
				first = err
			}
		}
		why(err)
	}
}

// damagedObject is the key of the object that an error says is damaged, or cannot be
// read.
func (c *StoreClient) damagedObject(ctx context.Context, err error) (key string, ok bool) {
	if isDamage(err) || blob.IsObjects(err) {
		key = c.objectOf(ctx, err)
	}
	return key, key != ""
}

// objectOf is the key of the object that an error is about; empty if it is about
// something else, such as a directory to restore to that is not there.
func (c *StoreClient) objectOf(ctx context.Context, err error) string {
	var file *ltx.FileError
	var object *v3compat.ObjectError
	switch {
	case errors.As(err, &file):
		key, err := c.Key(ctx, file.File)
		if err != nil {
			return ""
		}
		return key
	case errors.As(err, &object):
		return object.Key
	}
	return ""
}

// isDamage reports whether an error says that an object is not what it should be.
func isDamage(err error) bool {
	for _, damage := range []error{ltx.ErrCorrupt, ltx.ErrTruncated, v3compat.ErrContent, v3compat.ErrCorrupt, v3compat.ErrTruncated, ErrDamaged} {
		if errors.Is(err, damage) {
			return true
		}
	}
	return false
}
