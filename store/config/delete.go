package config

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/replctl/replicate/store/internal/names"
)

// DeleteOldSnapshots deletes, in all collections, the snapshots that were created
// before olderThan, but never an active one, and their logs with them. It returns how
// many that were, also with an error: then the rest is left to the next call.
//
// A snapshot is gone at one instant, when its collection's head does not mention it
// any more. Its content is overwritten after that; a process that is killed in
// between leaves a note of it, and the next call, of anybody, finishes it.
func (s *Storage) DeleteOldSnapshots(ctx context.Context, olderThan time.Time) (int, error) {
	deleted := 0
	for e, err := range s.store.List(ctx, HeadsPrefix, "") {
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

func (s *Storage) deleteOld(ctx context.Context, collection string, olderThan time.Time) (int, error) {
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
