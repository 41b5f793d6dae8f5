package config

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/store/internal/names"
	"github.com/replctl/replicate/store/internal/record"
)

// headKey is HeadsPrefix and the collection's name, encoded.
func headKey(collection string) (string, error) {
	if err := checkName("collection", collection); err != nil {
		return "", err
	}
	part, err := names.Encode(collection)
	return HeadsPrefix + part, err
}

// headFormat is the form of a head, whose body is JSON.
var headFormat = record.Format{Name: "config-head/1", Corrupt: ErrCorrupt}

// head reads a collection's head, to be changed as the caller likes, and tells which
// version of it that is. A collection that does not exist has an empty one.
func (s *Store) head(ctx context.Context, collection string) (*head, record.Stored, error) {
	key, err := headKey(collection)
	if err != nil {
		return nil, record.Stored{}, err
	}
	s.mu.Lock()
	known := s.heads[key]
	s.mu.Unlock()
	r, err := headFormat.Read(ctx, s.records(), key, known)
	if err != nil {
		return nil, record.Stored{}, err
	}
	if !r.Exists() {
		return new(head), r, nil
	}
	s.remember(key, r)
	h, err := decodeHead(r.Body)
	if err != nil {
		return nil, record.Stored{}, fmt.Errorf("%s: %w", key, err)
	}
	return h, r, nil
}

// remember keeps a head as last seen, so that the store need not send it again.
func (s *Store) remember(key string, r record.Stored) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heads[key] = r
}

// change replaces a collection's head by what edit makes of it. When somebody else was
// faster, it calls edit again, on theirs. If edit reports that there is nothing to change,
// it writes nothing, unless it is the first change under a lock: a later change under an
// earlier holding of the lock is to find its number.
func (s *Store) change(ctx context.Context, collection string, edit func(*head) (bool, error)) error {
	return s.changeIn(ctx, s.records(), collection, edit)
}

// changeIn is change that writes to records, and reads from the store.
func (s *Store) changeIn(
	ctx context.Context, records cas.Store, collection string, edit func(*head) (bool, error),
) error {
	key, err := headKey(collection)
	if err != nil {
		return err
	}
	for held := s.fences(); ; {
		h, old, err := s.head(ctx, collection)
		if err != nil {
			return err
		}
		noted, err := h.admit(held)
		if err != nil {
			return err
		}
		if changed, err := edit(h); err != nil || !changed && !noted {
			return err
		}
		body, err := h.encode()
		if err != nil {
			return err
		}
		now, err := headFormat.Swap(ctx, records, key, body, old)
		if now.Exists() { // mine or theirs
			s.remember(key, now)
		}
		if !record.Lost(err) {
			return err
		}
	}
}

// Collections yields the names of the collections that have, or had, a snapshot, in the
// order of their bytes. It costs a listing. An error ends it and is its last value.
func (s *Store) Collections(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for e, err := range s.records().List(ctx, HeadsPrefix, "") {
			var collection string
			if err == nil {
				if collection, err = names.Decode(strings.TrimPrefix(e.Key, HeadsPrefix)); err != nil {
					err = fmt.Errorf("%w: %w", ErrCorrupt, err)
				}
			}
			if err != nil {
				yield("", fmt.Errorf("list collections: %w", err))
				return
			}
			if !yield(collection, nil) {
				return
			}
		}
	}
}
