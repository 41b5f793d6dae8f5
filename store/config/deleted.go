package config

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/replctl/replicate/store/internal/names"
	"github.com/replctl/replicate/store/internal/record"
)

// A deleted version leaves a note of its content's checksum, in a record of its own, for
// ever. Its name never gets another content: an instance that still has the old content,
// and sees the version active again, has the right one.
//
// The note is written before the head drops the version, and a save reads it after the
// head. So a save of the same version either sees the note, or has an old head and fails
// to replace it.

// note is the record of a deleted version. The names are for a person.
type note struct {
	Collection string `json:"collection"`
	Version    string `json:"version"`
	Sum        []byte `json:"sha256"`
}

var noteFormat = record.Format{Name: "config-deleted/1", Corrupt: ErrCorrupt}

// noteKey has a hash of the version's name: two long names do not fit into a key.
func noteKey(collection, version string) (string, error) {
	part, err := names.Encode(collection)
	return deletedPrefix + part + "/" + hex.EncodeToString(sum([]byte(version))), err
}

// noteDeleted notes the content of a version that is about to be deleted.
func (s *Store) noteDeleted(ctx context.Context, collection string, e entry) error {
	key, err := noteKey(collection, e.Version)
	if err != nil {
		return err
	}
	body, err := json.Marshal(note{collection, e.Version, e.Sum})
	if err != nil {
		return err
	}
	if _, err = noteFormat.Swap(ctx, s.records(), key, body, record.Stored{}); record.Lost(err) {
		return s.checkDeleted(ctx, collection, e) // it was deleted before, with the same content
	}
	return err
}

// checkDeleted is ErrSnapshotExists if a version that was deleted had other content.
func (s *Store) checkDeleted(ctx context.Context, collection string, e entry) error {
	key, err := noteKey(collection, e.Version)
	if err != nil {
		return err
	}
	r, err := noteFormat.Read(ctx, s.records(), key, record.Stored{})
	if err != nil || !r.Exists() {
		return err
	}
	var n note
	if err := json.Unmarshal(r.Body, &n); err != nil {
		return fmt.Errorf("%s: %w: %w", key, ErrCorrupt, err)
	}
	if n.Collection != collection || n.Version != e.Version {
		return fmt.Errorf("%s: %w: the note of version %.40q of %.40q", key, ErrCorrupt, n.Version, n.Collection)
	}
	if !bytes.Equal(n.Sum, e.Sum) {
		return fmt.Errorf("%w: it was deleted, and its name keeps its content", ErrSnapshotExists)
	}
	return nil
}
