package cas

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"
)

// Swap is Write that does not leave the outcome open when it can be found out:
// when the answer is lost, it reads the record back. The value must be unlike any
// other that is ever written to the key, by a nonce in it.
//
//   - My value is there: applied. The result is the record as written.
//   - My predecessor's is still there: not applied so far. Swap writes once more,
//     still on the condition of the predecessor, so that it cannot be applied
//     twice, even if the first attempt arrives later.
//   - Somebody else's is there. After a conflict this is a plain ErrConflict.
//     After a lost answer, or a refusal that the engine could not prove, my value
//     may have been there in between: it is both ErrSuperseded and
//     ErrIndeterminate.
//   - The record cannot be read: ErrIndeterminate.
//   - The store says that the record has changed, and shows that it has not: Swap
//     writes again, and then gives up with ErrIndeterminate. A plain conflict would
//     have its caller try for ever.
//
// An ErrNotDurable is returned as it is: the record read back would come from
// memory, which says nothing about the disk.
//
// With a conflict the result is the record that is there now, where it was read,
// so that the caller need not. The pauses between attempts are interruptible; how
// long all of it may take is up to ctx.
func Swap(ctx context.Context, s Store, key string, value []byte, expect Token) (Record, error) {
	ambiguous := false
	for attempt := 0; ; attempt++ {
		written, err := s.Write(ctx, key, value, expect)
		switch {
		case err == nil:
			return Record{Token: written.Token, Value: value, StoreTime: written.StoreTime}, nil
		case errors.Is(err, ErrNotDurable):
			return Record{}, err
		case errors.Is(err, ErrIndeterminate):
			ambiguous = true
		case !errors.Is(err, ErrConflict):
			// Refused outright; but an earlier attempt may be under way.
			return Record{}, unlessPlain(err, ambiguous)
		}
		current, readErr := s.Read(ctx, key, "")
		switch {
		case readErr != nil && ambiguous:
			return Record{}, fmt.Errorf("%w; reading it back: %w", unlessPlain(err, true), readErr)
		case readErr != nil:
			return Record{}, err // the conflict is certain, only the winner is not known
		case bytes.Equal(current.Value, value) && current.Exists():
			return current, nil
		case current.Token != expect && ambiguous:
			return current, fmt.Errorf("%w: %w (%w)", ErrSuperseded, ErrIndeterminate, err)
		case current.Token != expect:
			return current, err
		case attempt == maxAttempts-1:
			return current, unlessPlain(err, true)
		}
		if err := pause(ctx, attempt); err != nil {
			return current, fmt.Errorf("%w (%w)", ErrIndeterminate, err)
		}
	}
}

// ErrSuperseded: the outcome of a write is unknown, and by now the record is
// somebody else's. Whether the write was there in between is not known, but it is
// certain that it is not there any more.
var ErrSuperseded = errors.New("record was changed by somebody else")

// maxAttempts bounds the writes of one Swap. Each failed one was ambiguous.
const maxAttempts = 4

// unlessPlain marks err as indeterminate if an attempt before it was.
func unlessPlain(err error, ambiguous bool) error {
	if !ambiguous || errors.Is(err, ErrIndeterminate) {
		return err
	}
	return fmt.Errorf("%w (%w)", ErrIndeterminate, err)
}

func pause(ctx context.Context, attempt int) error {
	timer := time.NewTimer(10 * time.Millisecond << (2 * attempt))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
