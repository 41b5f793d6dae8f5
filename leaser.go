package replicate

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Lease errors. Every engine returns these values, wrapped with the operation
// and the object; the engine packages export the same values under their names.
var (
	// ErrLeaseNotHeld: the lease is not (or no longer) this holder's. It was
	// taken over, renewed under another ETag, or belongs to another owner.
	ErrLeaseNotHeld = errors.New("lease not held")

	// ErrLeaseRequired: a nil *Lease was given.
	ErrLeaseRequired = errors.New("lease required")

	// ErrLeaseETagRequired: the Lease has no ETag, so it does not come from an
	// acquire or renew and cannot be compared with what is stored.
	ErrLeaseETagRequired = errors.New("lease etag required")

	// ErrLeaseAlreadyReleased: the lease was released before, or its record is
	// gone.
	ErrLeaseAlreadyReleased = errors.New("lease already released")

	// ErrTTLExceedsMax: the leaser is configured with a TTL above its MaxTTL.
	ErrTTLExceedsMax = errors.New("lease ttl exceeds maximum")

	// ErrLeaseCorrupt: the stored record does not parse, has impossible values,
	// or expires further in the future than any honest holder could have asked
	// for (now + MaxTTL), which is a *lease.ReachError. It is neither honoured nor
	// overwritten; only an explicit break replaces it.
	ErrLeaseCorrupt = errors.New("lease record corrupt")
)

// LeaseExistsError says that somebody else holds the lease, and until when.
type LeaseExistsError struct {
	Owner      string    // the holder's name, as it gave it; may be empty
	ExpiresAt  time.Time // when the lease ends unless it is renewed; the holder's clock
	Generation int64     // the holder's fencing number; zero if it is not known
}

func (e *LeaseExistsError) Error() string {
	owner := "an unnamed owner"
	if e.Owner != "" {
		owner = strconv.Quote(e.Owner) // free text from the store: no control characters on a terminal
	}
	return fmt.Sprintf("lease already held by %s until %s", owner, e.ExpiresAt.UTC().Format(time.RFC3339))
}

// Lease is a snapshot of a held lease: a value to renew or release with, and a
// fencing number to pass on. It does not stay alive by itself.
//
// The JSON form is the record in the store (lock.json), which Litestream's
// leaser reads and writes too.
type Lease struct {
	// Generation is the fencing number. It starts at 1, grows by one with each
	// change of holder, and never decreases: not by release, expiry, crash or
	// break. (It has nothing to do with the generations of a v0.3.x backup.)
	Generation int64 `json:"generation"`

	// ExpiresAt is the end of the lease by the holder's wall clock.
	ExpiresAt time.Time `json:"expires_at"`

	// Owner is the holder's name: free text, for people.
	Owner string `json:"owner,omitempty"`

	// ETag identifies the stored record that this value was read from or
	// written as. Renewing and releasing compare with it.
	ETag string `json:"-"`
}

// IsExpired reports whether the lease has ended by this machine's clock: by its
// wall clock, or by the monotonic one, for a lease that was taken in this process.
// (The monotonic clock stands still while the machine is suspended; the wall clock
// jumps.) A false is not a permission to write: by the time the write lands it may
// be true. See Session.
func (l *Lease) IsExpired() bool { return l.TTL() < 0 }

// TTL is the time left by this machine's clock, of the two the shorter one;
// negative after the end.
func (l *Lease) TTL() time.Duration {
	now := time.Now()
	return min(l.ExpiresAt.Sub(now), l.ExpiresAt.Round(0).Sub(now.Round(0)))
}

// Leaser hands out one lease on one record of a store. Implementations are safe
// for concurrent use; contenders in other processes and on other machines
// exclude each other through the store alone.
type Leaser interface {
	// Type names the engine: "file", "s3".
	Type() string

	// AcquireLease takes the lease if it is free, released or expired, with a
	// generation one above the last. While somebody holds it the error is a
	// *LeaseExistsError; a record that cannot be trusted is ErrLeaseCorrupt.
	AcquireLease(ctx context.Context) (*Lease, error)

	// RenewLease extends a held lease by the leaser's TTL and returns its new
	// value, with the same generation and a new ETag; the old value is void.
	// ErrLeaseNotHeld means that it was lost, for good.
	RenewLease(ctx context.Context, lease *Lease) (*Lease, error)

	// ReleaseLease ends a held lease so that others need not wait for it to
	// expire. The record stays, marked, and keeps the generation. Releasing a
	// lease that somebody else holds by now is ErrLeaseNotHeld and changes
	// nothing; releasing twice is ErrLeaseAlreadyReleased.
	ReleaseLease(ctx context.Context, lease *Lease) error

	// MaxLeaseTTL is the longest TTL that this leaser asks for or honours.
	MaxLeaseTTL() time.Duration
}
