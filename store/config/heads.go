package config

import (
	"context"
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

// head reads a collection's head, to be changed as the caller likes, and tells which
// version of it that is. A collection that does not exist has an empty one.
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
	if !r.Exists() {
		return new(head), "", nil
	}
	s.remember(key, r)
	h, err := decodeHead(r.Value)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", key, err)
	}
	return h, r.Token, nil
}

// remember keeps a head as last seen, so that the store need not send it again.
func (s *Storage) remember(key string, r cas.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heads[key] = r
}

// change replaces a collection's head by what edit makes of it. When somebody else was
// faster, it calls edit again, on theirs. If edit reports that there is nothing to change,
// nothing is written.
func (s *Storage) change(ctx context.Context, collection string, edit func(*head) (bool, error)) error {
	key, err := headKey(collection)
	if err != nil {
		return err
	}
	for {
		h, token, err := s.head(ctx, collection)
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
		r, err := cas.Swap(ctx, s.store, key, value, token)
		if r.Exists() { // mine or theirs
			s.remember(key, r)
		}
		if !lost(err) {
			return err
		}
	}
}
