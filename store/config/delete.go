package config

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/store/internal/record"
)

// DeleteOldSnapshots implements [Storage]. A snapshot is gone at one instant: when its
// collection's head no longer mentions it. Its content and its log are removed after that,
// where the store can delete; else the content is overwritten. If the process is killed
// in between, the head still lists them as garbage, and the next call, by any process,
// removes them.
func (s *Store) DeleteOldSnapshots(ctx context.Context, olderThan time.Time) (int, error) {
	deleted := 0
	for collection, err := range s.Collections(ctx) {
		if err != nil {
			return deleted, fmt.Errorf("delete old snapshots: %w", err)
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
		if err := errors.Join(s.bury(ctx, id), s.removeStatuses(ctx, id)); err != nil {
			return deleted, err
		}
	}
	if len(garbage) == 0 {
		return 0, nil
	}
	return deleted, s.change(ctx, collection, func(h *head) (bool, error) { return h.buried(garbage) })
}

// remove removes a record if it still has the token. Otherwise somebody else has removed
// or replaced it, which is no error. A store that cannot delete is cas.ErrUnsupported.
func (s *Store) remove(ctx context.Context, key string, token cas.Token) error {
	d, ok := s.records().(cas.Deleter)
	if !ok {
		return cas.ErrUnsupported
	}
	if err := d.Delete(ctx, key, token); !record.Lost(err) {
		return err
	}
	return nil
}

// removeStatuses removes the statuses of an entry that is no more, if the store can.
// One that is being logged at that moment may stay.
func (s *Store) removeStatuses(ctx context.Context, id string) error {
	if _, ok := s.records().(cas.Deleter); !ok {
		return nil
	}
	deletes, ctx := errgroup.WithContext(ctx)
	deletes.SetLimit(16)
	for e, err := range s.records().List(ctx, appliedPrefix+id+"/", "") {
		if err != nil {
			return errors.Join(err, deletes.Wait())
		}
		deletes.Go(func() error { return s.remove(ctx, e.Key, e.Token) })
	}
	if err := deletes.Wait(); !errors.Is(err, cas.ErrUnsupported) {
		return err
	}
	return nil
}
