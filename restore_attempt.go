package replicate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/v3compat"
)

// maxAttempts bounds how often Attempt plans.
const maxAttempts = 10

// Attempt plans, and calls restore with the plan. If the replica turns out to have
// changed since it was listed, or an object of the plan to be damaged, it plans
// again, around that object, and calls restore with the new plan, after it has told
// why: a replica has mostly more than one way to a state. What cannot be got around
// is the error of the first restore that failed.
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
		if err == nil || ctx.Err() != nil || attempt == maxAttempts || !isDamaged && !errors.Is(err, fs.ErrNotExist) {
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

// damagedObject is the key of the object that an error says is damaged.
func (c *StoreClient) damagedObject(ctx context.Context, err error) (key string, ok bool) {
	var file *ltx.FileError
	var object *v3compat.ObjectError
	switch {
	case !isDamage(err):
		return "", false
	case errors.As(err, &file):
		key, err := c.Key(ctx, file.File)
		return key, err == nil
	case errors.As(err, &object):
		return object.Key, true
	}
	return "", false
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
