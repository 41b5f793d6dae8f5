package kv

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/store/internal/names"
)

// Get implements [Storage].
func (s *Store) Get(ctx context.Context, key Key) (Record, error) {
	e, live, err := s.get(ctx, key, entry{})
	if err == nil && !live {
		err = ErrNotFound
	}
	if err != nil {
		return Record{}, fmt.Errorf("get %q: %w", key, err)
	}
	return e.record(key), nil
}

// get reads the record first and then asks about its lease: if that is there, it was
// there when the record was read.
func (s *Store) get(ctx context.Context, name Key, known entry) (e entry, live bool, err error) {
	key, err := recordKey(name)
	if err != nil {
		return entry{}, false, err
	}
	if e, err = s.read(ctx, key, known); err != nil {
		return entry{}, false, err
	}
	live, err = s.isLive(ctx, e)
	return e, live, err
}

// GetRange implements [Storage].
func (s *Store) GetRange(ctx context.Context, start, end Key) (Records, error) {
	found, err := s.list(ctx, start, end)
	if err == nil {
		err = s.readAll(ctx, found)
	}
	var live map[LeaseId]bool
	if err == nil {
		live, err = s.whichAlive(ctx, found)
	}
	if err != nil {
		return nil, fmt.Errorf("get %q to %q: %w", start, end, err)
	}
	records := Records{}
	for _, f := range found {
		if f.stored.Exists() && !f.Deleted && live[f.Lease] {
			records = append(records, f.record(f.name))
		}
	}
	for _, f := range s.remember(found, live) {
		s.bury(ctx, f.key, f.entry)
	}
	return records, nil
}

// inRange is an entry of a range.
type inRange struct {
	name Key
	key  string // in the store
	entry
}

// parallel is how many records of a range are read at once.
const parallel = 16

// list finds what is in a range, but for what is known to be gone.
func (s *Store) list(ctx context.Context, start, end Key) ([]*inRange, error) {
	var found []*inRange
	after, err := before(start)
	if err == nil {
		err = s.ready()
	}
	if err != nil {
		return nil, err
	}
	for e, err := range s.store.List(ctx, recordPrefix, after) {
		if err != nil {
			return nil, err
		}
		decoded, err := names.Decode(strings.TrimPrefix(e.Key, recordPrefix))
		name := Key(decoded)
		switch {
		case err != nil:
			return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
		case end != "" && name > end:
			return found, nil
		case name >= start && !s.isGone(e):
			found = append(found, &inRange{name: name, key: e.Key})
		}
	}
	return found, nil
}

// before is a string that is below the key in the store of start, but not below that
// of any record before it: one that ends in a character below, and "~", which is above
// all that is in keys.
func before(start Key) (string, error) {
	if start == "" {
		return "", nil
	}
	key, err := recordKey(start[:min(len(start), MaxKeyLen)])
	if err != nil {
		return "", err
	}
	last := len(key) - 1
	return key[:last] + string(key[last]-1) + "~", nil
}

func (s *Store) readAll(ctx context.Context, found []*inRange) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for _, f := range found {
		g.Go(func() (err error) {
			if f.entry, err = s.read(ctx, f.key, entry{}); err != nil {
				return fmt.Errorf("%q: %w", f.name, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// whichAlive asks about each lease once. No lease is one that is alive.
func (s *Store) whichAlive(ctx context.Context, found []*inRange) (map[LeaseId]bool, error) {
	var mu sync.Mutex
	live := map[LeaseId]bool{NoLeaseId: true}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for _, f := range found {
		mu.Lock()
		_, asked := live[f.Lease]
		if !asked {
			live[f.Lease] = false
		}
		mu.Unlock()
		if asked {
			continue
		}
		g.Go(func() error {
			alive, err := s.isAlive(ctx, f.Lease)
			mu.Lock()
			defer mu.Unlock()
			live[f.Lease] = alive
			return err
		})
	}
	return live, g.Wait()
}

// maxGone bounds what a handle remembers.
const maxGone = 10_000

// remember notes which versions need not be read again, and returns them. What a version
// says does not change, and a lease that has ended does not come back.
func (s *Store) remember(found []*inRange, live map[LeaseId]bool) (gone []*inRange) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range found {
		if !f.stored.Exists() || !f.Deleted && (live[f.Lease] || !s.hasEnded(f.Lease)) {
			continue
		}
		if len(s.gone) >= maxGone {
			clear(s.gone)
		}
		s.gone[f.key] = f.stored.Token
		gone = append(gone, f)
	}
	return gone
}

func (s *Store) isGone(e cas.Entry) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gone[e.Key] == e.Token
}
