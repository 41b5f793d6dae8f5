package resource

import (
	"context"
	"errors"
	"fmt"

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
	m := manifest{Generation: v.manifest.Generation + 1, Position: v.position, Revision: v.machine.Version(), Last: v.last}
	var err error
	if m.Chunks, err = s.writeChunks(ctx, v.manifest, v.machine.all()); err != nil {
		return err
	}
	_, err = s.publish(ctx, m)
	return err
}

// publish appends a manifest to the log, and has the head follow. It reports false
// if another manifest of that generation came first.
func (s *Store) publish(ctx context.Context, m manifest) (bool, error) {
	versions := m.Revision - m.Offset // that a restore gives
	for s.view.manifest.Generation+1 == m.Generation {
		if m.Restored {
			m.Position, m.Offset = s.view.position+1, offset(m.Offset, s.view.machine.Version())
			m.Revision = m.Offset + versions
		}
		applied, err := s.append(ctx, &logRecord{Manifest: &m})
		if err != nil {
			return false, err
		}
		if applied {
			// If this fails, the next checkpoint begins with it, on any handle.
			_ = s.moveHead(ctx)
			return true, nil
		}
	}
	return false, nil
}

// offset is what restored versions are counted from: the last version that was given
// in the other store, or in this one. It is a variable for tests of what happens
// without it.
var offset = func(there, here uint64) uint64 { return max(there, here) }

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
		case h != nil && h.Manifest.Generation < s.view.head.generation:
			return fmt.Errorf("%w: the head is at checkpoint %d, and this handle has seen it at %d",
				ErrCorrupt, h.Manifest.Generation, s.view.head.generation)
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
		value, err := (&headRecord{LogRecords: v.logRecords, Manifest: v.manifest}).encode()
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

// readHead returns no record if the head has the known token. If there is no head, it
// returns no token either.
func (s *Store) readHead(ctx context.Context, known cas.Token) (*headRecord, cas.Token, error) {
	rec, err := s.cas.Read(ctx, headKey, known)
	if err != nil || !rec.Exists() || rec.Token == known {
		return nil, rec.Token, err
	}
	h, err := decodeHead(rec.Value)
	return h, rec.Token, err
}

// prepare makes the head if there is none, and room in the log.
func (s *Store) prepare(ctx context.Context) error {
	if s.view.exists() {
		return s.makeRoom(ctx)
	}
	if err := s.sync(ctx); err != nil || s.view.exists() {
		return err
	}
	h := headRecord{LogRecords: uint64(s.opts.LogRecords)}
	value, err := h.encode()
	if err != nil {
		return err
	}
	switch rec, err := cas.Swap(ctx, s.cas, headKey, value, ""); {
	case err == nil:
		s.view.adopt(&h, rec.Token)
		return nil
	case !errors.Is(err, cas.ErrConflict) && !errors.Is(err, cas.ErrSuperseded):
		return err
	}
	return s.sync(ctx)
}

// makeRoom has a checkpoint made if the log is three quarters full of what is in none.
// The rest is for checkpoints that died, and for restores.
func (s *Store) makeRoom(ctx context.Context) error {
	for s.view.full(s.view.logRecords * 3 / 4) { // again, if others are faster
		err := s.settleHead(ctx)
		if err == nil && s.view.full(s.view.logRecords*3/4) {
			err = s.checkpoint(ctx)
		}
		if err == nil && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return fmt.Errorf("make room in the log: %w", err)
		}
	}
	return nil
}

// due reports whether the view's last record is one whose writer makes a checkpoint.
func (s *Store) due() bool {
	v := s.view
	since := v.position - v.manifest.Position
	return since > 0 && since%(v.logRecords/16) == 0
}
