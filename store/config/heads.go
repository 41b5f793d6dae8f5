package config

import (
	"context"
	"errors"
	"fmt"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/store/internal/names"
)

// headKey is HeadsPrefix and the collection's name, encoded.
func headKey(collection string) (string, error) {
	if err := checkName("collection", collection); err != nil {
		return "", err
	}
	part, err := names.Encode(collection)
	return HeadsPrefix + part, err
}

// head reads a collection's head, and tells which version of it that is. A
// collection that does not exist has an empty one.
func (s *Storage) head(ctx context.Context, collection string) (*head, cas.Token, error) {
	key, err := headKey(collection)
	if err != nil {
		return nil, "", err
	}
	s.mu.Lock()
	known := s.heads[key]
	s.mu.Unlock()
	r, err := s.store.Read(ctx, key, known.Token)
	if err != nil {
		return nil, "", err
	}
	if r.Unchanged {
		r = known
	}
	return s.remember(key, r)
}

// remember keeps a head as last seen, and decodes it: each caller has one of its
// own, to change as it likes.
func (s *Storage) remember(key string, r cas.Record) (*head, cas.Token, error) {
	if !r.Exists() {
		return new(head), "", nil
	}
	s.mu.Lock()
	s.heads[key] = r
	s.mu.Unlock()
	h, err := decodeHead(r.Value)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", key, err)
	}
	return h, r.Token, nil
}

// change replaces a collection's head by what edit makes of it, and calls edit again
// on another head when somebody else was faster. If edit reports that there is nothing
// to change, nothing is written.
func (s *Storage) change(ctx context.Context, collection string, edit func(*head) (bool, error)) error {
	h, token, err := s.head(ctx, collection)
	for {
		if err != nil {
			return err
		}
		if changed, err := edit(h); err != nil || !changed {
			return err
		}
		value, err := h.encode()
		if err != nil {
			return err
		}
		if h, token, err = s.swap(ctx, collection, value, token); h == nil {
			return err
		}
	}
}

// swap writes a head. If somebody else was faster, it returns theirs.
func (s *Storage) swap(ctx context.Context, collection string, value []byte, expect cas.Token) (*head, cas.Token, error) {
	key, err := headKey(collection)
	if err != nil {
		return nil, "", err
	}
	current, err := cas.Swap(ctx, s.store, key, value, expect)
	switch {
	case err == nil:
		_, _, err = s.remember(key, current)
		return nil, "", err
	case !lost(err):
		return nil, "", err
	case current.Exists():
		return s.remember(key, current)
	}
	h, token, readErr := s.head(ctx, collection) // who has won could not be read
	if readErr != nil {
		return nil, "", errors.Join(err, readErr)
	}
	return h, token, nil
}
