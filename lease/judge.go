package lease

import (
	"fmt"
	"strconv"
	"time"

	"github.com/replctl/replicate"
)

// ReachError says that a record is neither honoured nor replaced, because it
// reaches, or may be renewed to reach, further into the future than this side's MaxTTL
// allows. It is an ErrLeaseCorrupt.
//
// If TTL is more than MaxTTL, an honest holder has another setting: raise MaxTTL here
// to TTL at least. Otherwise the holder's clock or this machine's is wrong. In either
// case the holder may be alive, and breaking the lease is not the way out.
type ReachError struct {
	Owner      string
	Generation int64
	ExpiresAt  time.Time     // by the holder
	TTL        time.Duration // that the record says its holder asked for; zero if it does not say
	MaxTTL     time.Duration // of this side
}

// OtherMaximum reports whether the holder has a longer TTL than this side honours, and
// nothing else is wrong.
func (e *ReachError) OtherMaximum() bool { return e.TTL > e.MaxTTL }

func (e *ReachError) Error() string {
	holder := fmt.Sprintf("generation %d of %s", e.Generation, strconv.Quote(e.Owner))
	if e.OtherMaximum() {
		return fmt.Sprintf("%s has a lease ttl of %v, more than the maximum of %v on this side: "+
			"set the maximum (MaxTTL, --max-ttl) to %v at least", holder, e.TTL, e.MaxTTL, e.TTL)
	}
	return fmt.Sprintf("%v: %s expires at %s, more than the maximum of %v from now: "+
		"the holder's clock or this machine's is wrong",
		replicate.ErrLeaseCorrupt, holder, e.ExpiresAt.UTC().Format(time.RFC3339), e.MaxTTL)
}

// Is makes it an ErrLeaseCorrupt.
func (e *ReachError) Is(target error) bool {
	return target == replicate.ErrLeaseCorrupt
}

// farFuture is how much further than MaxTTL an honest record may seem to reach, to
// a machine whose clock is a little behind; at least, and at least as much as a
// session's guard makes up for.
const farFuture = 2 * time.Second

// state is what the record says, without a look at how far it reaches.
func (r *record) state(now moment) State {
	switch {
	case r.Released:
		return Released
	case r.ended(now, 0):
		return Expired
	}
	return Held
}

// ended reports whether the lease has ended, for so long, by every clock. Each clock is
// compared with the end that the holder reckoned by the same one: if either the
// machines' clocks are right, or the store's is, no lease ends early.
func (r *record) ended(now moment, since time.Duration) bool {
	return now.local.After(r.localEnd().Add(since)) &&
		(now.store.IsZero() || now.store.After(r.ExpiresAt.Add(since)))
}

func (r *record) localEnd() time.Time {
	if r.LocalExpiresAt == nil {
		return r.ExpiresAt
	}
	return *r.LocalExpiresAt
}

// reaches reports whether, by every clock, the record expires later than a lease of
// that TTL can that is granted now.
func (r *record) reaches(now moment, ttl, skew time.Duration) bool {
	if now.store.IsZero() {
		now.store = now.local
	}
	slack := ttl + max(farFuture, ttl/10) + skew
	return now.local.Add(slack).Before(r.localEnd()) && now.store.Add(slack).Before(r.ExpiresAt)
}

// judge is the state of a record for a reader with this configuration. The error is
// nil or a *ReachError; the state with it is Held if an honest holder has
// another maximum, and Corrupt if a clock is wrong.
func (r *record) judge(now moment, cfg Config) (State, error) {
	state := r.state(now)
	if state != Held {
		return state, nil
	}
	reach := &ReachError{
		Owner: r.Owner, Generation: r.Generation, ExpiresAt: r.ExpiresAt, TTL: r.TTL.duration(), MaxTTL: cfg.MaxTTL,
	}
	switch {
	case reach.OtherMaximum() && !r.reaches(now, reach.TTL, cfg.MaxSkew):
		return Held, reach
	case r.reaches(now, cfg.MaxTTL, cfg.MaxSkew):
		reach.TTL = min(reach.TTL, cfg.MaxTTL) // it reaches further than that, too
		return Corrupt, reach
	}
	return Held, nil
}

// judge is the state of the record as seen: like the record's, but a lease is expired,
// too, when it was seen unchanged for its whole TTL, whatever the clocks say.
func (s observed) judge(now moment, cfg Config) (State, error) {
	state, err := s.rec.judge(now, cfg)
	if state == Held && s.unchangedFor(cfg.MaxSkew) {
		return Expired, nil
	}
	return state, err
}

// unchangedFor reports whether the record was seen unchanged for its whole TTL and so
// much more. Litestream's records do not say their TTL.
func (s observed) unchangedFor(more time.Duration) bool {
	return s.rec.TTL > 0 && s.since > s.rec.TTL.duration()+more
}

// checkTakeover is nil if the record may be replaced by a new holder's.
func (s observed) checkTakeover(now moment, cfg Config) error {
	switch {
	case s.token == "":
		return nil
	case s.err != nil:
		return s.err
	}
	state, err := s.judge(now, cfg)
	switch {
	case state == Released:
		return nil
	case state == Expired && (s.rec.ended(now, cfg.MaxSkew) || s.unchangedFor(cfg.MaxSkew)):
		return nil
	case err != nil:
		return err
	}
	return &replicate.LeaseExistsError{Owner: s.rec.Owner, ExpiresAt: s.rec.ExpiresAt, Generation: s.rec.Generation}
}
