package config

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/replctl/replicate/cas"
)

// A content is a record of its own, below contentsPrefix and the ID of its entry: a
// line of JSON, and then the content as it is. It is written once, before the entry
// is, and replaced once, by a mark, after the entry is gone.

// contentHeader is the line. The ID makes it unlike any other; the names are for a
// person who has to find out what it was.
type contentHeader struct {
	ID         string `json:"id"`
	Collection string `json:"collection,omitempty"`
	Version    string `json:"version,omitempty"`
	Size       int    `json:"size"`
	Deleted    bool   `json:"deleted,omitempty"`
}

// maxContentHeader is room for a header with the longest names, each byte of which
// may take six in JSON.
const maxContentHeader = 2 << 10

// errDeleted: the content is not there, since its entry is not.
var errDeleted = errors.New("the content is gone")

func encodeContent(h contentHeader, content []byte) ([]byte, error) {
	h.Size = len(content)
	line, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	return append(append(line, '\n'), content...), nil
}

// decodeContent returns what encodeContent was given. A mark is errDeleted.
func decodeContent(id string, value []byte) ([]byte, error) {
	line, content, ok := bytes.Cut(value, []byte("\n"))
	if !ok || len(line) >= maxContentHeader {
		return nil, fmt.Errorf("%w: no snapshot's content", ErrCorrupt)
	}
	var h contentHeader
	if err := json.Unmarshal(line, &h); err != nil {
		return nil, fmt.Errorf("%w: no snapshot's content: %w", ErrCorrupt, err)
	}
	switch {
	case h.ID != id:
		return nil, fmt.Errorf("%w: the content of another snapshot, %.40q", ErrCorrupt, h.ID)
	case h.Size != len(content):
		return nil, fmt.Errorf("%w: a content of %d bytes has %d", ErrCorrupt, h.Size, len(content))
	case h.Deleted:
		return nil, errDeleted
	}
	return content, nil
}

func (s *Storage) readContent(ctx context.Context, id string) ([]byte, error) {
	key := contentsPrefix + id
	r, err := s.store.Read(ctx, key, "")
	if err != nil {
		return nil, err
	}
	if !r.Exists() {
		return nil, errDeleted
	}
	content, err := decodeContent(id, r.Value)
	if err != nil && !errors.Is(err, errDeleted) {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return content, err
}

func (s *Storage) writeContent(ctx context.Context, collection string, e entry, content []byte) error {
	value, err := encodeContent(contentHeader{ID: e.ID, Collection: collection, Version: e.Version}, content)
	if err == nil {
		_, err = cas.Swap(ctx, s.store, contentsPrefix+e.ID, value, "")
	}
	return err
}

// bury replaces the content of an entry that is no more by a mark. Whoever else does
// the same writes the same.
func (s *Storage) bury(ctx context.Context, id string) error {
	key := contentsPrefix + id
	r, err := s.store.Read(ctx, key, "")
	if err != nil || !r.Exists() {
		return err
	}
	if _, err := decodeContent(id, r.Value); errors.Is(err, errDeleted) {
		return nil
	}
	mark, err := encodeContent(contentHeader{ID: id, Deleted: true}, nil)
	if err != nil {
		return err
	}
	if _, err = cas.Swap(ctx, s.store, key, mark, r.Token); lost(err) || errors.Is(err, cas.ErrSuperseded) {
		return nil // somebody else has written it
	}
	return err
}
