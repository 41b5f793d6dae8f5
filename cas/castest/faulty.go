package castest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"
	"sync"

	"github.com/replctl/replicate/cas"
)

// ErrInjected is in the chain of every error that Faulty makes up.
var ErrInjected = errors.New("injected fault")

// Fault is what happens to one call.
type Fault int

const (
	None            Fault = iota
	FailBefore            // nothing reaches the store, and the caller is told so
	LostBefore            // nothing reaches the store; the caller is told that it is not known
	AppliedThenFail       // the store applies it; the caller is told that it is not known

	// AppliedThenReplaced: the store applies it, Between replaces it, and the
	// caller is told that it is not known. That is what an engine makes of a
	// request that a proxy has repeated: the first was applied, a third writer
	// came in between, and the repetition was refused.
	AppliedThenReplaced

	// NotDurable: the store applies it, and the caller is told that a crash may
	// undo it.
	NotDurable
)

// Faulty is a Store whose calls fail as Decide says.
type Faulty struct {
	cas.Store

	// Decide chooses the fault of a call: "read", "write" or "delete". Without it none fails.
	Decide func(op, key string) Fault

	// Between is the third writer of AppliedThenReplaced, on a handle of its own.
	// Without it nobody replaces the record.
	Between func(key string)
}

// NewFaulty returns a store with random faults, the same for the same seed.
func NewFaulty(s cas.Store, seed uint64) *Faulty {
	var mu sync.Mutex
	r := rand.New(rand.NewPCG(seed, 1))
	return &Faulty{Store: s, Decide: func(op, _ string) Fault {
		mu.Lock()
		defer mu.Unlock()
		switch n := r.IntN(100); {
		case op == "read":
			if n < 5 {
				return FailBefore
			}
			return None
		case n < 5:
			return FailBefore
		case n < 15:
			return LostBefore
		case n < 30:
			return AppliedThenFail
		}
		return None
	}}
}

// Crowded returns a store whose nth write, of keys with the prefix, has a fault, and where
// others is called before its outcome can be read back.
func Crowded(s cas.Store, prefix string, nth int, fault Fault, others func()) *Faulty {
	writes := 0
	return &Faulty{Store: s, Decide: func(op, key string) Fault {
		switch {
		case !strings.HasPrefix(key, prefix):
		case op == "write":
			if writes++; writes == nth {
				return fault
			}
		case writes == nth && others != nil:
			others()
			others = nil
		}
		return None
	}}
}

func (f *Faulty) decide(op, key string) Fault {
	if f.Decide == nil {
		return None
	}
	return f.Decide(op, key)
}

// Read implements cas.Store.
func (f *Faulty) Read(ctx context.Context, key string, known cas.Token) (cas.Record, error) {
	if f.decide("read", key) != None {
		return cas.Record{}, fmt.Errorf("read %s: %w", key, ErrInjected)
	}
	return f.Store.Read(ctx, key, known)
}

// Write implements cas.Store.
func (f *Faulty) Write(ctx context.Context, key string, value []byte, expect cas.Token) (cas.Written, error) {
	var written cas.Written
	err := f.change("write", key, func() (err error) {
		written, err = f.Store.Write(ctx, key, value, expect)
		return err
	})
	if err != nil {
		return cas.Written{}, err
	}
	return written, nil
}

// Delete implements cas.Deleter, as far as the store does.
func (f *Faulty) Delete(ctx context.Context, key string, expect cas.Token) error {
	d, ok := f.Store.(cas.Deleter)
	if !ok {
		return fmt.Errorf("delete %s: %w", key, cas.ErrUnsupported)
	}
	return f.change("delete", key, func() error { return d.Delete(ctx, key, expect) })
}

// WriteAll implements cas.Batcher, as far as the store does. Decide is asked about each key
// as of a "write"; the first fault is that of the batch.
func (f *Faulty) WriteAll(ctx context.Context, changes []cas.Change) (written []cas.Written, err error) {
	b, ok := f.Store.(cas.Batcher)
	if !ok {
		return nil, fmt.Errorf("write %d records: %w", len(changes), cas.ErrUnsupported)
	}
	fault, key := None, ""
	for _, c := range changes {
		if d := f.decide("write", c.Key); fault == None {
			fault, key = d, c.Key
		}
	}
	err = f.suffer(fault, "write", key, func() error {
		written, err = b.WriteAll(ctx, changes)
		return err
	})
	if err != nil {
		return nil, err
	}
	return written, nil
}

// change applies a write or a deletion, with the fault that Decide chooses.
func (f *Faulty) change(op, key string, apply func() error) error {
	return f.suffer(f.decide(op, key), op, key, apply)
}

// suffer applies a write or a deletion with a fault.
func (f *Faulty) suffer(fault Fault, op, key string, apply func() error) error {
	switch fault {
	case FailBefore:
		return fmt.Errorf("%s %s: %w", op, key, ErrInjected)
	case LostBefore:
		return fmt.Errorf("%s %s: %w: %w", op, key, cas.ErrIndeterminate, ErrInjected)
	}
	if err := apply(); err != nil {
		return err
	}
	switch fault {
	case AppliedThenReplaced:
		if f.Between != nil {
			f.Between(key)
		}
		fallthrough
	case AppliedThenFail:
		return fmt.Errorf("%s %s: %w: %w", op, key, cas.ErrIndeterminate, ErrInjected)
	case NotDurable:
		return fmt.Errorf("%s %s: %w: %w", op, key, cas.ErrNotDurable, ErrInjected)
	}
	return nil
}

// List implements cas.Store.
func (f *Faulty) List(ctx context.Context, prefix, after string) iter.Seq2[cas.Entry, error] {
	return f.Store.List(ctx, prefix, after)
}
