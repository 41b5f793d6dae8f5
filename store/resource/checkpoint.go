package resource

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/replctl/replicate/cas"
)

// checkpoint writes down the view's state, so that the log before it can be
// overwritten. That somebody else has done so meanwhile is no error.
func (s *Store) checkpoint(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), 10*s.opts.Timeout, errTimeout)
	defer cancel()
	if err := s.settleHead(ctx); err != nil {
		return err
	}
	v := s.view
	if v.position == v.manifest.Position {
		return nil
	}
	m := manifest{Generation: v.manifest.Generation + 1, Position: v.position, Revision: v.revision}
	var err error
	if m.Chunks, err = s.writeChunks(ctx, v.manifest, v.state.all()); err != nil {
		return err
	}
	_, err = s.publish(ctx, m)
	return err
}

// publish appends a manifest to the log, and has the head follow. It reports false
// if another manifest of that generation came first.
func (s *Store) publish(ctx context.Context, m manifest) (bool, error) {
	for s.view.manifest.Generation+1 == m.Generation {
		if m.Restored {
			m.Position, m.Revision = s.view.position+1, max(m.Revision, s.view.revision)
		}
		applied, err := s.append(ctx, &logRecord{Manifest: &m})
		if err != nil {
			return false, err
		}
		if applied {
			// If this fails, whoever makes the next one begins with it.
			_ = s.moveHead(ctx)
			return true, nil
		}
	}
	return false, nil
}

// settleHead has the head list the last manifest in the log. Chunks that are in
// neither are free only then: a new handle begins at the head.
func (s *Store) settleHead(ctx context.Context) error {
	for {
		h, token, err := s.readHead(ctx, s.view.head.token)
		switch {
		case err != nil:
			return err
		case token == "":
			return fmt.Errorf("%w: the head is missing", ErrCorrupt)
		case h != nil:
			s.view.head = head{token, h.Manifest.Generation, h.Manifest.Position}
		}
		if s.view.head.generation <= s.view.manifest.Generation {
			return s.moveHead(ctx)
		}
		ahead := s.view.head.generation
		if err := s.sync(ctx); err != nil {
			return err
		}
		if s.view.manifest.Generation < ahead {
			return fmt.Errorf("%w: the head is ahead of the log", ErrCorrupt)
		}
	}
}

// moveHead replaces a head that is behind the last manifest in the log.
func (s *Store) moveHead(ctx context.Context) error {
	v := s.view
	for v.head.generation < v.manifest.Generation {
		value, err := (&headRecord{Format: format, LogRecords: v.logRecords, Manifest: v.manifest}).encode()
		if err != nil {
			return err
		}
		rec, err := cas.Swap(ctx, s.cas, headKey, value, v.head.token)
		switch {
		case err == nil:
			v.head = head{rec.Token, v.manifest.Generation, v.manifest.Position}
		case !rec.Exists() || rec.Token == v.head.token:
			return err
		default: // somebody has moved it
			h, err := decodeHead(rec.Value)
			if err != nil {
				return err
			}
			v.head = head{rec.Token, h.Manifest.Generation, h.Manifest.Position}
		}
	}
	return nil
}

// readHead returns no record if the head has the known token, and no token either if there is none.
func (s *Store) readHead(ctx context.Context, known cas.Token) (*headRecord, cas.Token, error) {
	rec, err := s.cas.Read(ctx, headKey, known)
	if err != nil || !rec.Exists() || rec.Token == known {
		return nil, rec.Token, err
	}
	h, err := decodeHead(rec.Value)
	return h, rec.Token, err
}

// Restore implements [Backend].
func (s *Store) Restore() (Restoration, error) {
	return &restoration{s: s, state: newState()}, nil
}

type restoration struct {
	s        *Store
	state    *state
	revision uint64
	over     bool
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
		return fmt.Errorf("restore %s: %w: all resources would have %d bytes, at most %d allowed", res.ID, cas.ErrTooLarge, size, maxStored)
	}
	// A version of another store is none of this one's, but it may become one.
	if n, err := strconv.ParseUint(res.Version, 10, 64); err == nil {
		if n > maxRevision {
			return fmt.Errorf("restore %s: %w version %s: there are none after it", res.ID, ErrInvalid, res.Version)
		}
		r.revision = max(r.revision, n)
	}
	r.state.put(res.clone())
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
	chunks, err := r.s.writeChunks(ctx, base, r.state.all())
	return manifest{Generation: base.Generation + 1, Revision: r.revision, Restored: true, Chunks: chunks}, err
}
