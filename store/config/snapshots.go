package config

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/store/internal/record"
)

// SaveSnapshot implements [Storage].
func (s *Store) SaveSnapshot(ctx context.Context, collection, version string, content []byte) error {
	err := checkName("version", version)
	if err == nil && len(content) > MaxContentSize {
		err = fmt.Errorf("%w: %d bytes, at most %d allowed", ErrTooLarge, len(content), MaxContentSize)
	}
	if err == nil {
		err = s.save(ctx, collection, version, bytes.Clone(content))
	}
	return wrap("save", collection, version, err)
}

func (s *Store) save(ctx context.Context, collection, version string, content []byte) error {
	now := time.Now().UTC().Round(0)
	e := entry{ID: newID(), Version: version, Status: StatusPending, CreatedAt: now, Sum: sum(content)}
	if b, ok := s.records().(cas.Batcher); ok {
		err := s.saveAtOnce(ctx, b, collection, e, content)
		if !errors.Is(err, cas.ErrUnsupported) {
			return err
		}
	}
	written, added := false, false
	err := s.change(ctx, collection, func(h *head) (bool, error) {
		added = false
		if isNew, err := s.addNew(ctx, h, collection, e); !isNew || err != nil {
			return false, err
		}
		if !written {
			if err := s.writeContent(ctx, collection, e, content); err != nil {
				return false, err
			}
			written = true
		}
		added = true
		return true, nil
	})
	if written && (!added || err != nil && !errors.Is(err, cas.ErrIndeterminate)) {
		discard(s, ctx, collection, e.ID)
	}
	return err
}

// addNew adds an entry to a head, unless the version is there already.
func (s *Store) addNew(ctx context.Context, h *head, collection string, e entry) (bool, error) {
	if there, err := h.has(e); there || err != nil {
		return false, err
	}
	if err := s.checkDeleted(ctx, collection, e); err != nil {
		return false, err
	}
	return true, h.add(e)
}

// saveAtOnce is save that writes content and head at one instant: one request less, and no
// content without a head, however it ends.
func (s *Store) saveAtOnce(ctx context.Context, b cas.Batcher, collection string, e entry, content []byte) error {
	body, err := encodeContent(contentHeader{ID: e.ID, Collection: collection, Version: e.Version}, content)
	if err != nil {
		return err
	}
	value, _, err := contentFormat.Seal(body, record.Lineage{})
	if err != nil {
		return err
	}
	records := beside{b, cas.Change{Key: contentsPrefix + e.ID, Value: value}}
	return s.changeIn(ctx, records, collection, func(h *head) (bool, error) { return s.addNew(ctx, h, collection, e) })
}

// beside is a store of which every write applies another change, too. What became of the
// write became of the change.
type beside struct {
	cas.Batcher
	other cas.Change
}

// Write implements [cas.Store].
func (s beside) Write(ctx context.Context, key string, value []byte, expect cas.Token) (cas.Written, error) {
	written, err := s.WriteAll(ctx, []cas.Change{{Key: key, Value: value, Expect: expect}, s.other})
	if err != nil {
		return cas.Written{}, err
	}
	return written[0], nil
}

// ActivateSnapshot implements [Storage].
func (s *Store) ActivateSnapshot(ctx context.Context, collection, version string) error {
	err := s.change(ctx, collection, func(h *head) (bool, error) { return h.activate(version) })
	return wrap("activate", collection, version, err)
}

// FailSnapshot implements [Storage].
func (s *Store) FailSnapshot(ctx context.Context, collection, version string) error {
	err := s.change(ctx, collection, func(h *head) (bool, error) { return h.fail(version) })
	return wrap("fail", collection, version, err)
}

// GetActiveVersion implements [ActiveVersionChecker].
func (s *Store) GetActiveVersion(ctx context.Context, collection string) (string, error) {
	h, _, err := s.head(ctx, collection)
	if err == nil && h.Active == "" {
		err = ErrSnapshotNotFound
	}
	if err != nil {
		return "", fmt.Errorf("active version of %q: %w", collection, err)
	}
	return h.active().Version, nil
}

// GetActiveSnapshot implements [Storage].
func (s *Store) GetActiveSnapshot(ctx context.Context, collection string) (*Snapshot, error) {
	snapshot, err := s.get(ctx, collection, (*head).active)
	if err != nil {
		return nil, fmt.Errorf("active snapshot of %q: %w", collection, err)
	}
	return snapshot, nil
}

// GetSnapshot implements [Storage].
func (s *Store) GetSnapshot(ctx context.Context, collection, version string) (*Snapshot, error) {
	snapshot, err := s.get(ctx, collection, func(h *head) *entry { return h.version(version) })
	if err != nil {
		return nil, wrap("get", collection, version, err)
	}
	return snapshot, nil
}

// ListSnapshots implements [Storage].
func (s *Store) ListSnapshots(ctx context.Context, collection string) ([]Snapshot, error) {
	h, _, err := s.head(ctx, collection)
	if err != nil {
		return nil, fmt.Errorf("list snapshots of %q: %w", collection, err)
	}
	snapshots := make([]Snapshot, len(h.Snapshots))
	for i := range h.Snapshots {
		snapshots[i] = h.snapshot(collection, &h.Snapshots[i])
	}
	return snapshots, nil
}

// get returns the snapshot that pick picks. If it is deleted before its content is
// read, there is another head, to pick from again.
func (s *Store) get(ctx context.Context, collection string, pick func(*head) *entry) (*Snapshot, error) {
	for seen := cas.Token(""); ; {
		h, r, err := s.head(ctx, collection)
		if err != nil {
			return nil, err
		}
		e := pick(h)
		if e == nil {
			return nil, ErrSnapshotNotFound
		}
		content, err := s.readContent(ctx, e)
		switch {
		case errors.Is(err, errDeleted) && r.Token != seen:
			seen = r.Token
			continue
		case errors.Is(err, errDeleted):
			return nil, fmt.Errorf("%w: %s%s: %w", ErrCorrupt, contentsPrefix, e.ID, err)
		case err != nil:
			return nil, err
		}
		snapshot := h.snapshot(collection, e)
		snapshot.Content = content
		return &snapshot, nil
	}
}

func wrap(op, collection, version string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s snapshot %q of %q: %w", op, version, collection, err)
}
