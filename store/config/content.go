package config

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/store/internal/record"
)

// A content is a record of its own, below contentsPrefix and the ID of its entry: a
// line of JSON, and then the content as it is. It is written once, before the entry
// is, or with it. After the entry is gone, it is removed, or replaced by a mark where the store cannot
// delete.

// contentHeader is the line. The names are for people.
type contentHeader struct {
	ID         string `json:"id"`
	Collection string `json:"collection,omitempty"`
	Version    string `json:"version,omitempty"`
	Deleted    bool   `json:"deleted,omitempty"`
}

// contentFormat is the form of a content.
var contentFormat = record.Format{Name: "config-content/1", Corrupt: ErrCorrupt}

// maxContentHeader is room for a seal, and a header with the longest names, each byte
// of which may take six in JSON.
const maxContentHeader = 4 << 10

// errDeleted: the content is not there, since its entry is not.
var errDeleted = errors.New("the content is gone")

func encodeContent(h contentHeader, content []byte) ([]byte, error) {
	line, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	return append(append(line, '\n'), content...), nil
}

// decodeContent returns what encodeContent was given. A mark is errDeleted.
func decodeContent(id string, body []byte) ([]byte, error) {
	line, content, ok := bytes.Cut(body, []byte("\n"))
	if !ok {
		return nil, fmt.Errorf("%w: no snapshot's content", ErrCorrupt)
	}
	var h contentHeader
	if err := json.Unmarshal(line, &h); err != nil {
		return nil, fmt.Errorf("%w: no snapshot's content: %w", ErrCorrupt, err)
	}
	switch {
	case h.ID != id:
		return nil, fmt.Errorf("%w: the content of another snapshot, %.40q", ErrCorrupt, h.ID)
	case h.Deleted:
		return nil, errDeleted
	}
	return content, nil
}

// readContent returns the content of an entry.
func (s *Store) readContent(ctx context.Context, e *entry) ([]byte, error) {
	key := contentsPrefix + e.ID
	r, err := contentFormat.Read(ctx, s.records(), key, record.Stored{})
	if err != nil {
		return nil, err
	}
	if !r.Exists() {
		return nil, errDeleted
	}
	content, err := decodeContent(e.ID, r.Body)
	if err == nil && !bytes.Equal(sum(content), e.Sum) {
		err = fmt.Errorf("%w: not the content that was saved", ErrCorrupt)
	}
	if err != nil && !errors.Is(err, errDeleted) {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return content, err
}

func (s *Store) writeContent(ctx context.Context, collection string, e entry, content []byte) error {
	body, err := encodeContent(contentHeader{ID: e.ID, Collection: collection, Version: e.Version}, content)
	if err == nil {
		_, err = contentFormat.Swap(ctx, s.records(), contentsPrefix+e.ID, body, record.Stored{})
	}
	return err
}

// discard buries the content of an entry that did not get into the head. It reads the
// head first: a content that an entry names is never overwritten, whatever the answers
// to the writes of the head have said. An error leaves the content where it is, which
// does no harm.
func (s *Store) discard(ctx context.Context, collection, id string) {
	if h, _, err := s.head(ctx, collection); err == nil && h.withID(id) == nil {
		_ = s.bury(ctx, id)
	}
}

// discard is a variable for tests of what happens without the look at the head.
var discard = (*Store).discard

// bury removes the content of an entry that is no more, or replaces it by a mark, also if
// it is damaged. Others may do the same at the same time.
//
// An ID is used once, so that nothing has to be known of it any more. A request that
// creates the content and arrives late leaves a content that belongs to no entry.
func (s *Store) bury(ctx context.Context, id string) error {
	key := contentsPrefix + id
	r, err := s.records().Read(ctx, key, "")
	if err != nil || !r.Exists() {
		return err
	}
	if err := s.remove(ctx, key, r.Token); !errors.Is(err, cas.ErrUnsupported) {
		return err
	}
	body, lineage, damaged := contentFormat.Open(r.Value)
	if damaged == nil {
		if _, err := decodeContent(id, body); errors.Is(err, errDeleted) {
			return nil
		}
	}
	mark, err := encodeContent(contentHeader{ID: id, Deleted: true}, nil)
	if err != nil {
		return err
	}
	_, err = contentFormat.Swap(ctx, s.records(), key, mark, record.Stored{Token: r.Token, Lineage: lineage})
	if record.Lost(err) || errors.Is(err, cas.ErrSuperseded) {
		return nil // somebody else has written it
	}
	return err
}
