package lease

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"

	"github.com/replctl/replicate"
)

// DefaultFile is the name of the lease's record, at the replica's root.
const DefaultFile = "lock.json"

// MaxRecordSize is the largest record, in bytes, that is read. An honest
// one has a few hundred.
const MaxRecordSize = 64 << 10

// State is what a lease's record says at some moment.
type State string

const (
	None     State = "none"     // there is no record
	Held     State = "held"     // somebody holds it
	Expired  State = "expired"  // its holder has not renewed it in time
	Released State = "released" // its holder has given it up
	Corrupt  State = "corrupt"  // the record cannot be trusted: ErrLeaseCorrupt
)

// record is lock.json as stored: what Litestream's leaser reads and writes,
// and fields of ours that its decoder ignores.
type record struct {
	replicate.Lease

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

	Note json.RawMessage `json:"note,omitempty"` // of Config
}

type milliseconds int64

func (m milliseconds) duration() time.Duration { return time.Duration(m) * time.Millisecond }

// longAgo is the expiry of a released record: past by every clock.
var longAgo = time.Unix(0, 0).UTC()

// encode gives the record a nonce of its own and returns it as stored.
func (r *record) encode() ([]byte, error) {
	r.Nonce = rand.Text()
	return json.Marshal(r)
}

// Parse reads a lease's record and tells its state at the given moment for a leaser
// that honours leases of up to maxTTL. With an error and no lease the record is corrupt; an
// error and a lease are a *[ReachError].
func Parse(data []byte, now time.Time, maxTTL time.Duration) (*replicate.Lease, State, error) {
	rec, err := decode(data)
	if err != nil {
		return nil, Corrupt, err
	}
	state, err := rec.judge(moment{local: now}, Config{MaxTTL: maxTTL})
	return &rec.Lease, state, err
}

func decode(data []byte) (*record, error) {
	if len(data) > MaxRecordSize {
		return nil, fmt.Errorf("%w: %d bytes, at most %d expected", replicate.ErrLeaseCorrupt, len(data), MaxRecordSize)
	}
	rec := new(record)
	if err := json.Unmarshal(data, rec); err != nil {
		return nil, fmt.Errorf("%w: %w", replicate.ErrLeaseCorrupt, err)
	}
	switch {
	case rec.Generation < 1:
		return nil, fmt.Errorf("%w: generation %d, want at least 1", replicate.ErrLeaseCorrupt, rec.Generation)
	case rec.Generation == maxGeneration:
		return nil, fmt.Errorf("%w: generation %d has no successor", replicate.ErrLeaseCorrupt, rec.Generation)
	case rec.ExpiresAt.IsZero():
		return nil, fmt.Errorf("%w: no expires_at", replicate.ErrLeaseCorrupt)
	case rec.TTL < 0 || rec.TTL > milliseconds(maxRecordedTTL/time.Millisecond):
		return nil, fmt.Errorf("%w: ttl_ms %d", replicate.ErrLeaseCorrupt, rec.TTL)
	}
	return rec, nil
}

const (
	maxGeneration  = 1<<63 - 1
	maxRecordedTTL = 1000 * time.Hour
)
