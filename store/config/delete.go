package config

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/replctl/replicate/store/internal/names"
)

// DeleteOldSnapshots implements [Storage]. A snapshot is gone at one instant: when its
// collection's head no longer mentions it. Its content is overwritten after that. If the
// process is killed in between, the head still lists the content as garbage, and the
// next call, by any process, overwrites it.
func (s *Store) DeleteOldSnapshots(ctx context.Context, olderThan time.Time) (int, error) {
	deleted := 0
	for e, err := range s.records().List(ctx, HeadsPrefix, "") {
		if err != nil {
			return deleted, fmt.Errorf("delete old snapshots: %w", err)
		}
		collection, err := names.Decode(strings.TrimPrefix(e.Key, HeadsPrefix))
		if err != nil {
			return deleted, fmt.Errorf("delete old snapshots: %w: %w", ErrCorrupt, err)
		}
		n, err := s.deleteOld(ctx, collection, olderThan)
		deleted += n
		if err != nil {
			return deleted, fmt.Errorf("delete old snapshots of %q: %w", collection, err)
		}
	}
	return deleted, nil
}

func (s *Store) deleteOld(ctx context.Context, collection string, olderThan time.Time) (int, error) {
	var deleted int
	var garbage []string
	noted := map[string]bool{} // by ID
	err := s.change(ctx, collection, func(h *head) (bool, error) {
		dropped := h.drop(olderThan)
		for _, e := range dropped {
			if noted[e.ID] {
				continue
			}
			if err := s.noteDeleted(ctx, collection, e); err != nil {
				return false, err
			}
			noted[e.ID] = true
		}
		deleted, garbage = len(dropped), slices.Clone(h.Garbage)
		return deleted > 0, nil
	})
	if err != nil {
		return 0, err
	}
	for _, id := range garbage {
		if err := s.bury(ctx, id); err != nil {
			return deleted, err
		}
	}
	if len(garbage) == 0 {
		return 0, nil
	}
	return deleted, s.change(ctx, collection, func(h *head) (bool, error) { return h.buried(garbage) })
}
