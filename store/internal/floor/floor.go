// Package floor lets a facade remove its tombstones though versions must never repeat.
//
// A tombstone is a record that says that its key has nothing, and which version that was.
// Where the store is a [cas.Deleter] it can go: first the floor, one record for all keys,
// is raised to its version. A key without a record starts above the floor.
//
// Reading the floor and creating the record are two requests. Between them others could
// create, delete and remove the record, and a creation that arrives late would bring back
// a version. So a new record begins as a placeholder, which is a tombstone with version
// 0: create it if there is none, read it, read the floor, and replace that placeholder. If
// it is still the same one, nothing of its key was removed since the floor was read. A
// creation that arrives late, or twice, makes a placeholder that nobody sees.
//
// A store that is no Deleter may have a floor, too: its records may have been copied from one
// that is. There the floor stays as it is, and no placeholder is needed.
package floor

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/store/internal/record"
)

// Floor is a number that never decreases, in a record of its own.
type Floor struct {
	Store  cas.Store
	Key    string
	Format record.Format

	mu    sync.Mutex
	known record.Stored // the last one seen
	asked bool          // the floor was read
}

// Deletes reports whether tombstones can be removed from the store. Every program that
// uses the store has to come to the same answer.
func (f *Floor) Deletes() bool {
	_, ok := f.Store.(cas.Deleter)
	return ok
}

// Read returns the floor, 0 at first. Where it cannot change, it asks the store once.
func (f *Floor) Read(ctx context.Context) (int64, error) {
	f.mu.Lock()
	known, asked := f.known, f.asked
	f.mu.Unlock()
	if asked && !f.Deletes() {
		return f.version(known)
	}
	now, err := f.Format.Read(ctx, f.Store, f.Key, known)
	if err != nil {
		return 0, err
	}
	return f.note(now)
}

// note remembers the record that was seen, unless a later one is known.
func (f *Floor) note(now record.Stored) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = true
	if now.Lineage.Seq > f.known.Lineage.Seq {
		f.known = now
	}
	return f.version(now)
}

func (f *Floor) version(r record.Stored) (int64, error) {
	if !r.Exists() {
		return 0, nil
	}
	v, err := strconv.ParseInt(string(r.Body), 10, 64)
	if err != nil || v < 1 {
		return 0, fmt.Errorf("%s: %w: a floor of %.40q", f.Key, f.Format.Corrupt, r.Body)
	}
	return v, nil
}

// raise makes the floor at least that high. It need not ask the store where a floor as
// high was seen before.
func (f *Floor) raise(ctx context.Context, to int64) error {
	f.mu.Lock()
	now := f.known
	f.mu.Unlock()
	for {
		v, err := f.version(now)
		if err != nil || v >= to {
			return err
		}
		now, err = f.Format.Swap(ctx, f.Store, f.Key, strconv.AppendInt(nil, to, 10), now)
		if err != nil && !record.Lost(err) {
			return err
		}
		if _, err := f.note(now); err != nil {
			return err
		}
	}
}

// Remove removes a tombstone with that version: the floor is raised, and then the record
// goes if it still has the token. It is no error if the record has changed: then it
// stays. An error says that the tombstone may be there still, which does no harm.
func (f *Floor) Remove(ctx context.Context, key string, token cas.Token, version int64) error {
	d, ok := f.Store.(cas.Deleter)
	if !ok {
		return cas.ErrUnsupported
	}
	if err := f.raise(ctx, version); err != nil {
		return err
	}
	if err := d.Delete(ctx, key, token); !errors.Is(err, cas.ErrConflict) {
		return err
	}
	return nil
}
