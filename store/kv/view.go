package kv

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/clock"
	"github.com/replctl/replicate/lease"
)

// view is what this handle knows of a lease as a reader.
type view struct {
	id     LeaseId
	leaser *lease.Leaser

	// Below s.mu.
	ended bool          // for good
	trust clock.Instant // alive up to here
}

// maxViews bounds what a handle remembers.
const maxViews = 10_000

func (s *Store) view(id LeaseId) *view {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.views[id]
	if v == nil {
		if len(s.views) >= maxViews {
			clear(s.views)
		}
		w := ender()
		v = &view{id: id, leaser: s.leaser(id, &w)}
		s.views[id] = v
	}
	return v
}

// hasEnded reports whether it is known that a lease has ended. The caller has s.mu.
func (s *Store) hasEnded(id LeaseId) bool { return s.views[id] != nil && s.views[id].ended }

// isAlive reports whether a lease is there: it was at some instant after the call, or is
// trusted to have been.
func (s *Store) isAlive(ctx context.Context, id LeaseId) (bool, error) {
	if err := s.ready(); err != nil {
		return false, err
	}
	v := s.view(id)
	s.mu.Lock()
	ended, trusted := v.ended, !s.opts.clock.Now().Reached(v.trust)
	s.mu.Unlock()
	if ended || trusted {
		return !ended, nil
	}
	held, err := s.look(ctx, v)
	if err != nil {
		return false, fmt.Errorf("lease %d: %w", id, err)
	}
	return held != nil, nil
}

// look reads a lease. One that has ended is nil; one that has expired is ended here
// and now, so that nobody can find it alive later.
func (s *Store) look(ctx context.Context, v *view) (*replicate.Lease, error) {
	before := s.opts.clock.Now()
	held, state, err := v.leaser.ReadLease(ctx)
	if err == nil && state == lease.Expired && held.Generation == 1 {
		held, state, err = s.end(ctx, v, held)
	}
	if err != nil {
		return nil, err
	}
	if held == nil || held.Generation > 1 || state == lease.Released {
		s.mu.Lock()
		v.ended = true
		s.mu.Unlock()
		s.buryLease(ctx, v.id, held)
		return nil, nil
	}
	if state == lease.Expired { // who may not write goes by the clock, each time
		return nil, nil
	}
	s.trust(v, held, before)
	return held, nil
}

// buryLease removes the record of a lease that has ended, where the store can: without a
// record a lease has ended, too, and its ID is one of 2^53 that are given at random.
func (s *Store) buryLease(ctx context.Context, id LeaseId, ended *replicate.Lease) {
	if d, ok := s.store.(cas.Deleter); ok && ended != nil {
		_ = d.Delete(ctx, leaseKey(id), cas.Token(ended.ETag))
	}
}

// end ends a lease that has expired, unless it has been renewed, or ended, by now.
func (s *Store) end(
	ctx context.Context, v *view, expired *replicate.Lease,
) (*replicate.Lease, lease.State, error) {
	ended, err := v.leaser.AcquireLease(ctx)
	var exists *replicate.LeaseExistsError
	switch {
	case err == nil:
		return ended, lease.Released, nil
	case errors.Is(err, fs.ErrPermission):
		return expired, lease.Expired, nil
	case !errors.As(err, &exists) && !errors.Is(err, replicate.ErrLeaseNotHeld): // it is there, but the answer was late
		return nil, "", err
	}
	held, state, err := v.leaser.ReadLease(ctx)
	if state == lease.Expired && held.Generation == 1 { // but not by the store's clock, or not by MaxSkew
		state = lease.Held
	}
	return held, state, err
}

// trustMargin is how long before its expiry a lease is not taken on trust any more:
// another machine, whose clock is ahead by that, may end it then.
const trustMargin = time.Second

// trust notes up to when a lease need not be read again, which was asked for at a
// moment.
func (s *Store) trust(v *view, held *replicate.Lease, asked clock.Instant) {
	note, _ := v.leaser.Note(held)
	t, ok := parseTerms(note)
	if !ok || t.Ending {
		return
	}
	left := held.ExpiresAt.Sub(v.leaser.Now()) - trustMargin
	s.mu.Lock()
	defer s.mu.Unlock()
	v.trust = asked.Add(min(t.Cache.duration(), left))
}
