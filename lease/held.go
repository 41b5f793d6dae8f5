package lease

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/cas"
)

// RenewLease implements [replicate.Leaser]. A lease that has lapsed is not renewed, even if
// nobody has taken it: its holder had to stop when it ended.
func (l *Leaser) RenewLease(ctx context.Context, lease *replicate.Lease) (*replicate.Lease, error) {
	store, cfg, err := l.own(ctx, lease)
	if err != nil {
		return nil, wrap("renew", cfg, err)
	}
	if cfg.clock.Now().After(lease.ExpiresAt) {
		err := fmt.Errorf("%w: it ended at %s", replicate.ErrLeaseNotHeld, lease.ExpiresAt.Format(time.RFC3339))
		return nil, wrap("renew", cfg, err)
	}
	same := replicate.Lease{Generation: lease.Generation, Owner: lease.Owner}
	rec := &record{Lease: same, AcquiredAt: l.acquiredAt(lease)}
	renewed, current, err := l.write(ctx, store, cfg, rec, cas.Token(lease.ETag), forHolder)
	switch {
	case err == nil && !cfg.clock.Now().After(lease.ExpiresAt):
		l.event(Event{Kind: EventRenewed, Lease: *renewed})
		return renewed, nil
	case err == nil:
		// It arrived after the end. Whoever was to stop by then has stopped, and
		// nobody should have to wait for the new end.
		if l.giveUp(ctx, store, cfg, renewed) != nil {
			l.keepInDoubt(rec, cas.Token(lease.ETag), forHolder) // a release finds it
		}
		err = fmt.Errorf("%w: it ended before the renewal was through", replicate.ErrLeaseNotHeld)
	case lost(err):
		err = l.heldBy(current, cfg)
	}
	return nil, wrap("renew", cfg, err)
}

// heldBy is ErrLeaseNotHeld, with what is there instead.
func (l *Leaser) heldBy(current cas.Record, cfg Config) error {
	if !current.Exists() {
		return fmt.Errorf("%w: the record is gone", replicate.ErrLeaseNotHeld)
	}
	s := l.observe(current, cfg)
	if s.err != nil {
		return fmt.Errorf("%w: %w", replicate.ErrLeaseNotHeld, s.err)
	}
	return fmt.Errorf("%w: generation %d of %q is there", replicate.ErrLeaseNotHeld, s.rec.Generation, s.rec.Owner)
}

// own checks that a lease given to renew or release is this leaser's.
func (l *Leaser) own(ctx context.Context, lease *replicate.Lease) (cas.Store, Config, error) {
	store, cfg, err := l.init(ctx)
	switch {
	case err != nil:
	case lease == nil:
		err = replicate.ErrLeaseRequired
	case lease.ETag == "":
		err = replicate.ErrLeaseETagRequired
	case lease.Owner != cfg.Owner:
		err = fmt.Errorf("%w: it belongs to %q, and this is %q", replicate.ErrLeaseNotHeld, lease.Owner, cfg.Owner)
	case lease.Generation < 1 || lease.Generation == maxGeneration:
		err = fmt.Errorf("%w: generation %d is none", replicate.ErrLeaseNotHeld, lease.Generation)
	}
	return store, cfg, err
}

// acquiredAt is carried from record to record, where the last one is known.
func (l *Leaser) acquiredAt(lease *replicate.Lease) *time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if string(l.seen.token) != lease.ETag || l.seen.rec == nil {
		return nil
	}
	return l.seen.rec.AcquiredAt
}

// ReleaseLease implements [replicate.Leaser]. It works after the lease has lapsed, too, as
// long as nobody has taken it.
func (l *Leaser) ReleaseLease(ctx context.Context, lease *replicate.Lease) error {
	store, cfg, err := l.own(ctx, lease)
	if err == nil {
		err = l.giveUp(ctx, store, cfg, lease)
	}
	if err == nil {
		l.event(Event{Kind: EventReleased, Lease: *lease})
	}
	return wrap("release", cfg, err)
}

func (l *Leaser) giveUp(ctx context.Context, store cas.Store, cfg Config, lease *replicate.Lease) error {
	rec := released(lease.Generation, lease.Owner, l.correct(cfg.clock.Now()))
	current, err := l.swap(ctx, store, cfg, rec, cas.Token(lease.ETag), forHolder)
	if !lost(err) {
		return err
	}
	if !current.Exists() {
		return fmt.Errorf("%w: the record is gone", replicate.ErrLeaseAlreadyReleased)
	}
	there := l.observe(current, cfg).rec
	if there != nil && there.Released && there.Generation == lease.Generation && there.Owner == lease.Owner {
		return replicate.ErrLeaseAlreadyReleased
	}
	return l.heldBy(current, cfg)
}

func released(generation int64, owner string, at time.Time) *record {
	at = at.UTC()
	ended := replicate.Lease{Generation: generation, Owner: owner, ExpiresAt: longAgo}
	return &record{Lease: ended, WrittenAt: &at, Released: true}
}

// MaxLeaseTTL implements [replicate.Leaser].
func (l *Leaser) MaxLeaseTTL() time.Duration { return cmp.Or(l.config().MaxTTL, DefaultMaxTTL) }

// LeaseTTL is the TTL that this leaser asks for.
func (l *Leaser) LeaseTTL() time.Duration { return cmp.Or(l.config().TTL, DefaultTTL) }

// ReadLease returns the lease as stored, and its state. Where there is none the
// lease is nil; where the record is corrupt the error is ErrLeaseCorrupt, and the
// lease has what could be read of it, the ETag at least. With Held the error may
// be a *ReachError: the holder has a longer TTL than this side honours.
func (l *Leaser) ReadLease(ctx context.Context) (*replicate.Lease, State, error) {
	store, cfg, err := l.init(ctx)
	if err != nil {
		return nil, "", err
	}
	s, now, err := l.look(ctx, store, cfg)
	switch {
	case errors.Is(err, replicate.ErrLeaseCorrupt):
		return nil, Corrupt, wrap("read", cfg, err)
	case err != nil:
		return nil, "", wrap("read", cfg, err)
	case s.token == "":
		return nil, None, nil
	case s.err != nil:
		return &replicate.Lease{ETag: string(s.token)}, Corrupt, wrap("read", cfg, s.err)
	}
	lease := s.rec.Lease
	lease.ETag = string(s.token)
	state, err := s.judge(now, cfg)
	return &lease, state, wrap("read", cfg, err)
}

// Note returns the note in a lease's record, nil if there is none. It returns false if
// another version of the record was seen since: read the lease again then.
func (l *Leaser) Note(lease *replicate.Lease) (note json.RawMessage, ok bool) {
	if l == nil || lease == nil {
		return nil, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if string(l.seen.token) != lease.ETag || l.seen.rec == nil {
		return nil, false
	}
	return slices.Clone(l.seen.rec.Note), true
}

// BreakOptions say which record is to be broken.
type BreakOptions struct {
	// Generation is what the record must have.
	Generation int64

	// ETag and NextGeneration are for a record whose generation cannot be read:
	// the version that is meant, and the generation to go on from, higher than
	// any that was ever in use.
	ETag           string
	NextGeneration int64
}

// BreakLease takes the lease from whoever holds it, by a released record with a
// higher generation. The holder finds out when it next renews; until then it may
// go on writing. It returns the record written.
func (l *Leaser) BreakLease(ctx context.Context, opts BreakOptions) (*replicate.Lease, error) {
	store, cfg, err := l.init(ctx)
	if err != nil {
		return nil, err
	}
	s, _, err := l.look(ctx, store, cfg)
	if err != nil {
		return nil, wrap("break", cfg, err)
	}
	next, err := opts.next(s)
	if err != nil {
		return nil, wrap("break", cfg, err)
	}
	rec := released(next, cfg.Owner, l.correct(cfg.clock.Now()))
	current, err := l.swap(ctx, store, cfg, rec, s.token, toAcquire)
	if lost(err) {
		err = fmt.Errorf("the record has changed meanwhile: %w", err)
	}
	if err != nil {
		return nil, wrap("break", cfg, err)
	}
	rec.ETag = string(current.Token)
	l.event(Event{Kind: EventBroken, Lease: rec.Lease})
	return &rec.Lease, nil
}

// next is the generation of the record that replaces a broken one.
func (o BreakOptions) next(s observed) (int64, error) {
	switch {
	case s.token == "":
		return 0, fmt.Errorf("%w: there is no record", replicate.ErrLeaseNotHeld)
	case s.rec == nil && o.ETag == "":
		return 0, fmt.Errorf("%w: name it by its etag, %q, and give the next generation", s.err, s.token)
	case o.ETag != "" && o.ETag != string(s.token):
		return 0, fmt.Errorf("%w: the etag is %q, not %q", replicate.ErrLeaseNotHeld, s.token, o.ETag)
	case s.rec == nil && o.NextGeneration < 1:
		return 0, fmt.Errorf("next generation %d: want at least 1", o.NextGeneration)
	case o.NextGeneration == maxGeneration:
		return 0, fmt.Errorf("next generation %d has no successor", o.NextGeneration)
	case s.rec == nil:
		return o.NextGeneration, nil
	case o.ETag == "" && o.Generation != s.rec.Generation:
		return 0, fmt.Errorf("%w: the generation is %d, not %d", replicate.ErrLeaseNotHeld, s.rec.Generation, o.Generation)
	}
	return max(s.rec.Generation+1, o.NextGeneration), nil
}
