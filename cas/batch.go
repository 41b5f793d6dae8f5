package cas

import (
	"context"
	"fmt"
)

// MaxBatch is how many writes one WriteAll applies at most.
const MaxBatch = 16

// Change is one write of a batch: the arguments of a Write.
type Change struct {
	Key    string
	Value  []byte
	Expect Token
}

// Batcher is a Store that can apply several writes as one: a database with transactions. A
// directory and S3 are none: each renames or puts one file at a time, and a process that is
// killed between two of them leaves half.
//
// Nothing above the waist depends on it. What is built on records keeps its promises with
// single writes, and uses a Batcher to save a request, or what a killed process would leave.
type Batcher interface {
	Store

	// WriteAll applies all changes at one instant, or none. It returns what a Write would
	// return for each, in their order. There are 1 to MaxBatch changes, of different keys.
	//
	// The outcomes are those of a Write. ErrConflict means that at least one record is not
	// the expected one, and that nothing was, or will be, written. ErrIndeterminate means
	// that all were applied, or none, or that all may yet be: reading one record tells of all. A
	// reader that has seen one of the changes sees the others from then on. A Notifier tells
	// of each.
	//
	// A decorator of a Store that is no Batcher returns ErrUnsupported.
	WriteAll(ctx context.Context, changes []Change) ([]Written, error)
}

// CheckBatch checks the changes of a WriteAll.
func CheckBatch(changes []Change) error {
	if len(changes) < 1 || len(changes) > MaxBatch {
		return fmt.Errorf("batch of %d writes: want 1 to %d", len(changes), MaxBatch)
	}
	keys := map[string]bool{}
	for _, c := range changes {
		if err := CheckWrite(c.Key, c.Value); err != nil {
			return err
		}
		if keys[c.Key] {
			return fmt.Errorf("%w: the batch has %s twice", ErrInvalidKey, c.Key)
		}
		keys[c.Key] = true
	}
	return nil
}
