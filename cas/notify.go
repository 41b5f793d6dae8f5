package cas

import (
	"context"
	"fmt"
	"time"
)

// Notifier is a Store that can say when to look again: one in memory, or in a
// directory of a machine that tells of changes. To wait for a change, call
// [Changes], which works with every Store.
type Notifier interface {
	Store

	// Notify returns a channel that has a value soon after a record whose key
	// starts with prefix was written, by whatever process. The prefix is as for
	// List. Values are hints: several writes may give one, and one may come for
	// nothing. It is armed on return: what is written after that is told of. The
	// channel is closed when ctx ends, or when the engine cannot go on, so that
	// the reader falls back to polling.
	//
	// An error means that there is nothing to wait for here: no room for another
	// watch, a filesystem of another machine.
	Notify(ctx context.Context, prefix string) (<-chan struct{}, error)
}

// Changes calls look at once, and again whenever a record with the prefix may have
// changed, until look reports that it is done or fails, or ctx ends, whose cause
// is the error then. Where the store is a [Notifier] that is soon after each
// change, and every patience at the latest, because a hint can get lost; elsewhere
// it is every interval.
func Changes(
	ctx context.Context, s Store, prefix string, interval, patience time.Duration,
	look func(context.Context) (done bool, err error),
) error {
	if interval <= 0 || patience <= 0 {
		return fmt.Errorf("wait for a change: interval %v, patience %v: both must be positive", interval, patience)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	hints := notify(ctx, s, prefix)
	for {
		if done, err := look(ctx); done || err != nil {
			return err
		}
		pause := interval
		if hints != nil {
			pause = patience
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		case _, ok := <-hints:
			if !ok {
				hints = nil // and ctx has not ended: poll
			}
		case <-timer.C:
		}
		timer.Stop()
	}
}

// notify is nil where there are no hints.
func notify(ctx context.Context, s Store, prefix string) <-chan struct{} {
	n, ok := s.(Notifier)
	if !ok {
		return nil
	}
	hints, err := n.Notify(ctx, prefix)
	if err != nil {
		return nil
	}
	return hints
}
