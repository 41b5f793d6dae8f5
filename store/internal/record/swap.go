package record

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/replctl/replicate/cas"
)

// Stored is a version of a record, as read or written. The zero Stored is that of a
// record that does not exist.
type Stored struct {
	Token   cas.Token
	Body    []byte
	Lineage Lineage
}

// Exists reports whether there is a record at all.
func (s Stored) Exists() bool { return s.Token != "" }

// Read reads a record. If it is still the known version, it returns known.
func (f Format) Read(ctx context.Context, s cas.Store, key string, known Stored) (Stored, error) {
	r, err := s.Read(ctx, key, known.Token)
	if err != nil {
		return Stored{}, err
	}
	if r.Unchanged {
		return known, nil
	}
	return f.open(key, r)
}

func (f Format) open(key string, r cas.Record) (Stored, error) {
	if !r.Exists() {
		return Stored{}, nil
	}
	body, lineage, err := f.Open(r.Value)
	if err != nil {
		return Stored{}, fmt.Errorf("%s: %w", key, err)
	}
	return Stored{r.Token, body, lineage}, nil
}

// Swap replaces the version old by one with the given body, and returns the version
// that is there now.
//
//   - No error: it was written. What is there now is that, or a later version.
//   - cas.ErrConflict: it was certainly not written, and never will be: what is
//     there now has replaced old. It is zero if the record is gone.
//   - cas.ErrIndeterminate: it may have been written.
//
// No error is both. Where the store does not tell, the lineage of what is there does.
func (f Format) Swap(ctx context.Context, s cas.Store, key string, body []byte, old Stored) (Stored, error) {
	value, mine, err := f.Seal(body, old.Lineage)
	if err != nil {
		return Stored{}, err
	}
	r, err := cas.Swap(ctx, s, key, value, old.Token)
	refused := Lost(err)
	switch {
	case err == nil:
		return Stored{r.Token, body, mine}, nil
	case !refused && !errors.Is(err, cas.ErrSuperseded):
		return Stored{}, err
	}
	now, readErr := f.winner(ctx, s, key, r)
	switch {
	case readErr != nil && refused:
		return Stored{}, fmt.Errorf("write %s: it was refused (%s), and what is there cannot be read: %w",
			key, err.Error(), readErr)
	case readErr != nil:
		return Stored{}, fmt.Errorf("%w, and what is there cannot be read: %w", err, readErr)
	}
	switch now.Lineage.of(mine) {
	case wasThere:
		return now, nil
	case neverThere:
		return now, fmt.Errorf("write %s: %w: another write came first", key, cas.ErrConflict)
	}
	return now, err
}

// winner is the record that is there instead, as [cas.Swap] has returned it. If it
// has not, because the record is gone or could not be read, it is read again.
func (f Format) winner(ctx context.Context, s cas.Store, key string, r cas.Record) (Stored, error) {
	if r.Exists() {
		return f.open(key, r)
	}
	return f.Read(ctx, s, key, Stored{})
}

// Lost reports whether the error of a Swap says that another write came first, and
// that the own one will never be there.
func Lost(err error) bool {
	return errors.Is(err, cas.ErrConflict) && !errors.Is(err, cas.ErrIndeterminate)
}

// ErrNoStore: the facade is a zero value, and has no store.
var ErrNoStore = errors.New("no store: make it with its constructor")

// In returns s. In place of nil it returns a store whose methods return ErrNoStore,
// so that the zero value of a facade returns errors and does not panic.
func In(s cas.Store) cas.Store {
	if s == nil {
		return noStore{}
	}
	return s
}

type noStore struct{}

func (noStore) Read(context.Context, string, cas.Token) (cas.Record, error) {
	return cas.Record{}, ErrNoStore
}

func (noStore) Write(context.Context, string, []byte, cas.Token) (cas.Written, error) {
	return cas.Written{}, ErrNoStore
}

func (noStore) List(context.Context, string, string) iter.Seq2[cas.Entry, error] {
	return func(yield func(cas.Entry, error) bool) { yield(cas.Entry{}, ErrNoStore) }
}
