package probe

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/clock"
)

// cleanup deletes all that the probe has written, and returns the keys that may
// still be there. It does not depend on ctx, which may be over.
func (r *run) cleanup(ctx context.Context) (left []string, err error) {
	if !r.wrote.Load() { // the first write is a put
		return nil, nil
	}
	late := fmt.Errorf("not done in %v", r.opts.CleanupTimeout)
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), r.opts.CleanupTimeout, late)
	defer cancel()
	// A request that was given up may be applied yet, so that there is another look.
	for looks := 1; ; looks++ {
		left, err = r.remove(ctx)
		if len(left) == 0 && err == nil && (looks > 1 || !r.inDoubt.Load()) || looks == 3 {
			break
		}
		if waitErr := clock.System.Sleep(ctx, time.Second/2); waitErr != nil {
			break
		}
	}
	if len(left) == 0 && r.target.Sweep != nil {
		if sweepErr := r.target.Sweep(ctx, r.prefix); sweepErr != nil {
			return []string{r.prefix}, errors.Join(err, sweepErr)
		}
	}
	return left, err
}

// remove deletes the keys that are known and those that are listed.
func (r *run) remove(ctx context.Context) (left []string, err error) {
	if !r.hasObjects() {
		return r.removeRecords(ctx)
	}
	s := r.objects[0]
	listed, listErr := listObjects(ctx, s, r.prefix)
	if err := s.Delete(ctx, r.known(listed)); err != nil {
		return kept(err, r.known(listed))
	}
	if listErr != nil {
		return nil, nil // all keys are known anyway, and were deleted
	}
	listed, err = listObjects(ctx, s, r.prefix)
	for _, key := range listed {
		// A listing may be out of date.
		if _, err := s.Stat(ctx, key); !errors.Is(err, fs.ErrNotExist) {
			left = append(left, key)
		}
	}
	if len(left) > 0 {
		err = errors.Join(err, errors.New("deleted, and still there"))
	}
	return left, err
}

// removeRecords is remove where there are no objects.
func (r *run) removeRecords(ctx context.Context) (left []string, err error) {
	listed, _ := listRecords(ctx, r.records[0], r.prefix) // all keys are known anyway
	for _, key := range r.known(listed) {
		if keyErr := deleteRecord(ctx, r.records[0], key); keyErr != nil {
			left = append(left, key)
			if err == nil { // what is wrong with the first is enough to say
				err = keyErr
			}
		}
	}
	return left, err
}

// deleteRecord deletes a record, if there is one, whatever it is.
func deleteRecord(ctx context.Context, s cas.Store, key string) error {
	rec, err := s.Read(ctx, key, "")
	if err != nil || !rec.Exists() {
		return err
	}
	d, ok := s.(cas.Deleter)
	if !ok {
		return fmt.Errorf("delete %s: %w", key, cas.ErrUnsupported)
	}
	return d.Delete(ctx, key, rec.Token)
}

// known are the keys that were named and those that were listed.
func (r *run) known(listed []string) []string {
	keys := append(slices.Clone(r.keys), listed...)
	slices.Sort(keys)
	return slices.Compact(keys)
}

// kept returns the keys that an error of Delete names, or all if it names none, and the
// error of the first key.
func kept(err error, all []string) (keys []string, first error) {
	var walk func(error)
	walk = func(err error) {
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			for _, err := range joined.Unwrap() {
				walk(err)
			}
			return
		}
		var one *blob.DeleteError
		if errors.As(err, &one) {
			keys = append(keys, one.Key)
			if first == nil {
				first = one
			}
		}
	}
	walk(err)
	if len(keys) == 0 {
		return all, err
	}
	return keys, first
}
