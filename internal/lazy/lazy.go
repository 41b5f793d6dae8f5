// Package lazy opens a value when it is first needed.
package lazy

import (
	"context"
	"sync"
)

// Value is opened by the first Get, and by the next one if that failed. The zero Value is
// ready. It holds no lock while it opens: other callers wait for the open under way, but
// no longer than their own contexts allow.
type Value[T any] struct {
	mu      sync.Mutex
	opened  bool
	value   T
	opening chan struct{} // closed when the open under way ends; nil if there is none
}

// Get returns the value, which it opens if nobody has done so yet.
func (v *Value[T]) Get(ctx context.Context, open func(context.Context) (T, error)) (T, error) {
	for {
		v.mu.Lock()
		if v.opened {
			defer v.mu.Unlock()
			return v.value, nil
		}
		other := v.opening
		if other == nil {
			v.opening = make(chan struct{})
		}
		v.mu.Unlock()
		if other == nil {
			return v.open(ctx, open)
		}
		select {
		case <-other:
		case <-ctx.Done():
			var none T
			return none, context.Cause(ctx)
		}
	}
}

func (v *Value[T]) open(ctx context.Context, open func(context.Context) (T, error)) (value T, err error) {
	ok := false // open may panic, and others wait
	defer func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		if ok {
			v.value, v.opened = value, true
		}
		close(v.opening)
		v.opening = nil
	}()
	value, err = open(ctx)
	ok = err == nil
	return value, err
}
