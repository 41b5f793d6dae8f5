package kv

import (
	"context"
	"fmt"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/errs"
)

// Create implements [Storage].
func (s *Store) Create(ctx context.Context, r Record) (_ Version, err error) {
	defer errs.Wrap(&err, "create %q", r.Key)
	key, err := checkWrite(r)
	if err != nil {
		return 0, err
	}
	if r.Lease != NoLeaseId {
		if alive, err := s.isAlive(ctx, r.Lease); err != nil {
			return 0, err
		} else if !alive {
			return 0, fmt.Errorf("lease %d: %w", r.Lease, ErrNotFound)
		}
	}
	e, err := s.read(ctx, key, entry{})
	for ; err == nil; err = context.Cause(ctx) {
		if live, err := s.isLive(ctx, e); err != nil {
			return 0, err
		} else if live {
			return e.Version, ErrAlreadyExists
		}
		h, value, err := s.first(ctx, e, r)
		if err != nil {
			return 0, err
		}
		var ok bool
		if e, ok, err = s.swap(ctx, key, e, h, value); err != nil || ok {
			return e.Version, err
		}
	}
	return 0, err
}

// first returns what is to replace an entry where there is no record: the record, or a
// placeholder for the time in which the floor is read; see package floor. Where the store
// cannot delete, the floor does not change, and needs no placeholder.
func (s *Store) first(ctx context.Context, e entry, r Record) (header, Value, error) {
	version := int64(e.Version)
	if !e.stored.Exists() && s.floor.Deletes() {
		return placeholder, nil, nil
	}
	if !e.stored.Exists() || e.header == placeholder {
		var err error
		if version, err = s.floor.Read(ctx); err != nil {
			return header{}, nil, err
		}
	}
	return header{Version: Version(version) + 1, Lease: r.Lease}, r.Value, nil
}

// CasByVersion implements [Storage].
func (s *Store) CasByVersion(ctx context.Context, r Record) (Version, error) {
	r, err := s.Replace(ctx, r)
	return r.Version, err
}

// Replace is CasByVersion, and returns the record with its new version and its lease.
func (s *Store) Replace(ctx context.Context, r Record) (_ Record, err error) {
	defer errs.Wrap(&err, "replace version %d of %q", r.Version, r.Key)
	key, err := checkWrite(r)
	if err != nil {
		return Record{}, err
	}
	e, err := s.read(ctx, key, entry{})
	if err != nil {
		return Record{}, err
	}
	for { // a second time, to say why not
		if live, err := s.isLive(ctx, e); err != nil {
			return Record{}, err
		} else if !live {
			return Record{}, ErrNotFound
		}
		if e.Version != r.Version {
			return Record{}, fmt.Errorf("%w: it is %d", ErrWrongVersion, e.Version)
		}
		var ok bool
		if e, ok, err = s.swap(ctx, key, e, e.next(), r.Value); err != nil {
			return Record{}, err
		} else if ok {
			return e.record(r.Key), nil
		}
	}
}

// Delete implements [Storage].
func (s *Store) Delete(ctx context.Context, name Key) (err error) {
	defer errs.Wrap(&err, "delete %q", name)
	key, err := recordKey(name)
	if err != nil {
		return err
	}
	e, err := s.read(ctx, key, entry{})
	for ; err == nil; err = context.Cause(ctx) {
		if live, err := s.isLive(ctx, e); err != nil {
			return err
		} else if !live {
			return ErrNotFound
		}
		h := header{Version: e.Version + 1, Deleted: true}
		var ok bool
		if e, ok, err = s.swap(ctx, key, e, h, nil); ok {
			s.bury(ctx, key, e)
		}
		if err != nil || ok {
			return err
		}
	}
	return err
}

// checkWrite checks what a record is to have, and returns its key in the store.
func checkWrite(r Record) (string, error) {
	if len(r.Value) > MaxValueSize {
		return "", fmt.Errorf("%w: %d bytes, at most %d allowed", cas.ErrTooLarge, len(r.Value), MaxValueSize)
	}
	if r.Lease < 0 {
		return "", fmt.Errorf("lease %d: %w", r.Lease, ErrNotFound)
	}
	return recordKey(r.Key)
}
