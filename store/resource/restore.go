package resource

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/store/internal/record"
)

// Snapshot implements [Backend].
func (s *Store) Snapshot(ctx context.Context) (Snapshot, error) {
	if err := s.refresh(ctx, Strong); err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return &snapshot{s.view.state.all(), s.view.revision}, nil
}

// Restore implements [Backend].
func (s *Store) Restore() (Restoration, error) {
	if s.cas == nil {
		return nil, fmt.Errorf("restore: %w", record.ErrNoStore)
	}
	return &restoration{s: s, state: newState()}, nil
}

type restoration struct {
	s     *Store
	state *state
	above uint64 // the highest version that is known to have been given elsewhere
	over  bool
}

// Apply implements [Restoration].
func (r *restoration) Apply(res *Resource) error {
	if r.over {
		return fmt.Errorf("restore: %w", ErrClosed)
	}
	if err := checkStored(res); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	if _, err := encodedSize(res); err != nil {
		return fmt.Errorf("restore %s: %w", res.ID, err)
	}
	if size := r.state.size + sizeOf(res); size > maxStored {
		return fmt.Errorf("restore %s: %w: all resources would have %d bytes, at most %d allowed",
			res.ID, cas.ErrTooLarge, size, maxStored)
	}
	// A version of another store is none of this one's, but it could become one, unless
	// it is no number.
	if _, err := strconv.ParseUint(res.Version, 10, 64); err == nil {
		if err := r.Above(res.Version); err != nil {
			return fmt.Errorf("restore %s: %w", res.ID, err)
		}
	}
	r.state.put(res.clone())
	return nil
}

// Above implements [Restoration].
func (r *restoration) Above(version string) error {
	if r.over {
		return fmt.Errorf("restore: %w", ErrClosed)
	}
	n, err := strconv.ParseUint(version, 10, 64)
	if err != nil {
		return fmt.Errorf("%w version %.40q: want a decimal number", ErrInvalid, version)
	}
	if n > maxRevision/2 {
		return fmt.Errorf("%w version %s: there are none after it", ErrInvalid, version)
	}
	r.above = max(r.above, n)
	return nil
}

// Abort implements [Restoration].
func (r *restoration) Abort() { r.over, r.state = true, nil }

// Commit implements [Restoration].
func (r *restoration) Commit(ctx context.Context) error {
	if r.over {
		return fmt.Errorf("restore: %w", ErrClosed)
	}
	err := r.commit(ctx)
	if err == nil || errors.Is(err, cas.ErrIndeterminate) {
		r.Abort()
	}
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	return nil
}

func (r *restoration) commit(ctx context.Context) error {
	if err := r.s.take(ctx); err != nil {
		return settled(err)
	}
	defer r.s.give()
	if r.s.life.Err() != nil {
		return ErrClosed
	}
	for {
		m, err := r.prepare(ctx)
		if err != nil {
			return settled(err)
		}
		if done, err := r.s.publish(ctx, m); done || err != nil {
			return err
		}
	}
}

// prepare writes the chunks of a manifest that would be the next one.
func (r *restoration) prepare(ctx context.Context) (manifest, error) {
	if err := r.s.prepare(ctx); err != nil {
		return manifest{}, err
	}
	if err := r.s.settleHead(ctx); err != nil {
		return manifest{}, err
	}
	base := r.s.view.manifest
	list := r.numbered()
	chunks, err := r.s.writeChunks(ctx, base, list)
	return manifest{
		Generation: base.Generation + 1, Restored: true, Chunks: chunks,
		Offset: r.above, Revision: r.above + uint64(len(list)),
	}, err
}

// numbered is the resources with versions from 1, to which the manifest's offset is to
// be added.
func (r *restoration) numbered() []*Resource {
	list := r.state.all()
	for i := range list {
		one := *list[i]
		one.Version = strconv.Itoa(i + 1)
		list[i] = &one
	}
	return list
}
