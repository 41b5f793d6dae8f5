package replicate

import (
	"fmt"
	"strconv"
	"time"
)

// LeaseReachError says that a record is neither honoured nor replaced, because it
// reaches, or may be renewed to reach, further into the future than this side's MaxTTL
// allows. It is an ErrLeaseCorrupt.
//
// If TTL is more than MaxTTL, an honest holder has another setting: raise MaxTTL here
// to TTL at least. Otherwise the holder's clock or this machine's is wrong. In either
// case the holder may be alive, and breaking the lease is not the way out.
type LeaseReachError struct {
	Owner      string
	Generation int64
	ExpiresAt  time.Time     // by the holder
	TTL        time.Duration // that the record says its holder asked for; zero if it does not say
	MaxTTL     time.Duration // of this side
}

// OtherMaximum reports whether the holder has a longer TTL than this side honours, and
// nothing else is wrong.
func (e *LeaseReachError) OtherMaximum() bool { return e.TTL > e.MaxTTL }

func (e *LeaseReachError) Error() string {
	holder := fmt.Sprintf("generation %d of %s", e.Generation, strconv.Quote(e.Owner))
	if e.OtherMaximum() {
		return fmt.Sprintf("%s has a lease ttl of %v, more than the maximum of %v on this side: set the maximum (MaxTTL, --max-ttl) to %v at least",
			holder, e.TTL, e.MaxTTL, e.TTL)
	}
	return fmt.Sprintf("%v: %s expires at %s, more than the maximum of %v from now: the holder's clock or this machine's is wrong",
		ErrLeaseCorrupt, holder, e.ExpiresAt.UTC().Format(time.RFC3339), e.MaxTTL)
}

// Is makes it an ErrLeaseCorrupt.
func (e *LeaseReachError) Is(target error) bool { return target == ErrLeaseCorrupt } //nolint:errorlint // that is what Is is for

// farFuture is how much further than MaxTTL an honest record may seem to reach, to
// a machine whose clock is a little behind; at least, and at least as much as a
// session's guard makes up for.
const farFuture = 2 * time.Second

// state is what the record says, without a look at how far it reaches.
func (r *leaseRecord) state(now moment) LeaseState {
	switch {
	case r.Released:
		return LeaseReleased
	case r.ended(now, 0):
		return LeaseExpired
	}
	return LeaseHeld
}

// ended reports whether the lease has ended, for so long, by every clock. Each clock is
// compared with the end that the holder reckoned by the same one: if either the
// machines' clocks are right, or the store's is, no lease ends early.
func (r *leaseRecord) ended(now moment, since time.Duration) bool {
	return now.local.After(r.localEnd().Add(since)) &&
		(now.store.IsZero() || now.store.After(r.ExpiresAt.Add(since)))
}

func (r *leaseRecord) localEnd() time.Time {
	if r.LocalExpiresAt == nil {
		return r.ExpiresAt
	}
	return *r.LocalExpiresAt
}

// reaches reports whether, by every clock, the record expires later than a lease of
// that TTL can that is granted now.
func (r *leaseRecord) reaches(now moment, ttl, skew time.Duration) bool {
	if now.store.IsZero() {
		now.store = now.local
	}
	slack := ttl + max(farFuture, ttl/10) + skew
	return now.local.Add(slack).Before(r.localEnd()) && now.store.Add(slack).Before(r.ExpiresAt)
}

// judge is the state of a record for a reader with this configuration. The error is
// nil or a *LeaseReachError; the state with it is LeaseHeld if an honest holder has
// another maximum, and LeaseCorrupt if a clock is wrong.
func (r *leaseRecord) judge(now moment, cfg LeaseConfig) (LeaseState, error) {
	state := r.state(now)
	if state != LeaseHeld {
		return state, nil
	}
	reach := &LeaseReachError{
		Owner: r.Owner, Generation: r.Generation, ExpiresAt: r.ExpiresAt, TTL: r.TTL.duration(), MaxTTL: cfg.MaxTTL,
	}
	switch {
	case reach.OtherMaximum() && !r.reaches(now, reach.TTL, cfg.MaxSkew):
		return LeaseHeld, reach
	case r.reaches(now, cfg.MaxTTL, cfg.MaxSkew):
		reach.TTL = min(reach.TTL, cfg.MaxTTL) // it reaches further than that, too
		return LeaseCorrupt, reach
	}
	return LeaseHeld, nil
}

// judge is the state of the record as seen: like the record's, but a lease is expired,
// too, when it was seen unchanged for its whole TTL, whatever the clocks say.
func (s sighting) judge(now moment, cfg LeaseConfig) (LeaseState, error) {
	state, err := s.rec.judge(now, cfg)
	if state == LeaseHeld && s.unchangedFor(cfg.MaxSkew) {
		return LeaseExpired, nil
	}
	return state, err
}

// unchangedFor reports whether the record was seen unchanged for its whole TTL and so
// much more. Litestream's records do not say their TTL.
func (s sighting) unchangedFor(more time.Duration) bool {
	return s.rec.TTL > 0 && s.since > s.rec.TTL.duration()+more
}

// checkTakeover is nil if the record may be replaced by a new holder's.
func (s sighting) checkTakeover(now moment, cfg LeaseConfig) error {
	switch {
	case s.token == "":
		return nil
	case s.err != nil:
		return s.err
	}
	state, err := s.judge(now, cfg)
	switch {
	case state == LeaseReleased:
		return nil
	case state == LeaseExpired && (s.rec.ended(now, cfg.MaxSkew) || s.unchangedFor(cfg.MaxSkew)):
		return nil
	case err != nil:
		return err
	}
	return &LeaseExistsError{Owner: s.rec.Owner, ExpiresAt: s.rec.ExpiresAt, Generation: s.rec.Generation}
}
