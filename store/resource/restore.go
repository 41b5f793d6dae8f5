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
	return s.machine().Snapshot(), nil
}

// Restore implements [Backend].
func (s *Store) Restore() (Restoration, error) {
	if s.cas == nil {
		return nil, fmt.Errorf("restore: %w", record.ErrNoStore)
	}
	return NewRestoration(s.restore), nil
}

type restoration struct {
	commit func(ctx context.Context, all []*Resource, above uint64) error
	state  *state
	above  uint64 // the highest version that is known to have been given elsewhere
	over   bool
}

// NewRestoration returns a restoration that collects and checks resources as [Restoration]
// says. Commit calls commit with all of them, in the order of lists, and with the
// version that those to come have to be above.
func NewRestoration(commit func(ctx context.Context, all []*Resource, above uint64) error) Restoration {
	return &restoration{commit: commit, state: newState()}
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
	if err := checkRoom(r.state.size, res); err != nil {
		return fmt.Errorf("restore %s: %w", res.ID, err)
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
	err := r.commit(ctx, r.state.all(), r.above)
	if err == nil || errors.Is(err, cas.ErrIndeterminate) {
		r.Abort()
	}
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	return nil
}

func (s *Store) restore(ctx context.Context, all []*Resource, above uint64) error {
	if err := s.take(ctx); err != nil {
		return settled(err)
	}
	defer s.give()
	if s.life.Err() != nil {
		return ErrClosed
	}
	list := numbered(all)
	for {
		m, err := s.prepareRestore(ctx, list, above)
		if err != nil {
			return settled(err)
		}
		if done, err := s.publish(ctx, m); done || err != nil {
			return err
		}
	}
}

// prepareRestore writes the chunks of a manifest that would be the next one.
func (s *Store) prepareRestore(ctx context.Context, list []*Resource, above uint64) (manifest, error) {
	if err := s.prepare(ctx); err != nil {
		return manifest{}, err
	}
	if err := s.settleHead(ctx); err != nil {
		return manifest{}, err
	}
	base := s.view.manifest
	chunks, err := s.writeChunks(ctx, base, list)
	return manifest{
		Generation: base.Generation + 1, Restored: true, Chunks: chunks,
		Offset: above, Revision: above + uint64(len(list)),
	}, err
}

// numbered is the resources with versions from 1, to which the manifest's offset is to
// be added.
func numbered(all []*Resource) []*Resource {
	list := make([]*Resource, len(all))
	for i, r := range all {
		one := *r
		one.Version = strconv.Itoa(i + 1)
		list[i] = &one
	}
	return list
}
