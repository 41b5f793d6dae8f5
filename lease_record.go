package replicate

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"
)

// DefaultLeaseFile is the name of the lease's record, at the replica's root.
const DefaultLeaseFile = "lock.json"

// MaxLeaseRecordSize is the largest record, in bytes, that is read. An honest
// one has a few hundred.
const MaxLeaseRecordSize = 64 << 10

// LeaseState is what a lease's record says at some moment.
type LeaseState string

const (
	LeaseNone     LeaseState = "none"     // there is no record
	LeaseHeld     LeaseState = "held"     // somebody holds it
	LeaseExpired  LeaseState = "expired"  // its holder has not renewed it in time
	LeaseReleased LeaseState = "released" // its holder has given it up
	LeaseCorrupt  LeaseState = "corrupt"  // the record cannot be trusted: ErrLeaseCorrupt
)

// leaseRecord is lock.json as stored: what Litestream's leaser reads and writes,
// and fields of ours that its decoder ignores.
type leaseRecord struct {
	Lease

	// Nonce makes each record unlike any other, so that a writer whose answer
	// was lost can tell whether it was applied, and so that no two versions
	// have the same ETag.
	Nonce string `json:"nonce,omitempty"`

	TTL        milliseconds `json:"ttl_ms,omitempty"` // that the holder asked for
	AcquiredAt *time.Time   `json:"acquired_at,omitempty"`
	WrittenAt  *time.Time   `json:"written_at,omitempty"`

	// LocalExpiresAt is the end of the lease by the holder's own clock, where that is
	// visibly apart from the store's, by which ExpiresAt is reckoned then.
	LocalExpiresAt *time.Time `json:"local_expires_at,omitempty"`

	// Released: given up, or broken. ExpiresAt is in the past too, so that
	// Litestream's leaser takes the lease, and counts the generation on.
	Released bool `json:"released,omitempty"`
}

type milliseconds int64

func (m milliseconds) duration() time.Duration { return time.Duration(m) * time.Millisecond }

// longAgo is the expiry of a released record: past by every clock.
var longAgo = time.Unix(0, 0).UTC()

// encode gives the record a nonce of its own and returns it as stored.
func (r *leaseRecord) encode() ([]byte, error) {
	r.Nonce = rand.Text()
	return json.Marshal(r)
}

// ParseLease reads a lease's record and tells its state at the given moment for a leaser
// that honours leases of up to maxTTL. With an error and no lease the record is corrupt; an
// error and a lease are a *[LeaseReachError].
func ParseLease(data []byte, now time.Time, maxTTL time.Duration) (*Lease, LeaseState, error) {
	rec, err := decodeLease(data)
	if err != nil {
		return nil, LeaseCorrupt, err
	}
	state, err := rec.judge(moment{local: now}, LeaseConfig{MaxTTL: maxTTL})
	return &rec.Lease, state, err
}

func decodeLease(data []byte) (*leaseRecord, error) {
	if len(data) > MaxLeaseRecordSize {
		return nil, fmt.Errorf("%w: %d bytes, at most %d expected", ErrLeaseCorrupt, len(data), MaxLeaseRecordSize)
	}
	rec := new(leaseRecord)
	if err := json.Unmarshal(data, rec); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLeaseCorrupt, err)
	}
	switch {
	case rec.Generation < 1:
		return nil, fmt.Errorf("%w: generation %d, want at least 1", ErrLeaseCorrupt, rec.Generation)
	case rec.Generation == maxGeneration:
		return nil, fmt.Errorf("%w: generation %d has no successor", ErrLeaseCorrupt, rec.Generation)
	case rec.ExpiresAt.IsZero():
		return nil, fmt.Errorf("%w: no expires_at", ErrLeaseCorrupt)
	case rec.TTL < 0 || rec.TTL > milliseconds(maxRecordedTTL/time.Millisecond):
		return nil, fmt.Errorf("%w: ttl_ms %d", ErrLeaseCorrupt, rec.TTL)
	}
	return rec, nil
}

const (
	maxGeneration  = 1<<63 - 1
	maxRecordedTTL = 1000 * time.Hour
)
