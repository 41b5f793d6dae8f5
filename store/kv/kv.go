package kv

import (
	"context"
	"errors"
	"time"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/store/internal/names"
)

// Limits.
const (
	MaxKeyLen    = names.MaxLen                 // bytes; any bytes, at least one
	MaxValueSize = cas.MaxValueSize - maxHeader // bytes

	MinTTL = 100 * time.Millisecond // a store over the network needs seconds
	MaxTTL = 960 * time.Hour        // 40 days
)

// Errors that callers tell apart, found with errors.Is.
var (
	ErrAlreadyExists = errors.New("record already exists")
	ErrNotFound      = errors.New("not found")
	ErrWrongVersion  = errors.New("wrong version")

	// ErrCorrupt: what is stored is no record of this package.
	ErrCorrupt = errors.New("record corrupt")
)

// Version counts the changes of a key: 1 is the first it ever had. Deleting counts, too.
type Version int64

// LeaseId names a lease.
type LeaseId int64

// NoLeaseId is that of a record that stays until it is deleted.
const NoLeaseId LeaseId = 0

// Record is a key and what it has.
type Record struct {
	Key     string
	Value   []byte
	Version Version
	Lease   LeaseId // that it is attached to, or NoLeaseId
}

// Storage is a set of records. [Store] is one; it is safe for concurrent use.
//
// Where nothing else is said, a record whose lease has ended is as good as deleted.
// Every promise here is a test in package kvtest.
type Storage interface {
	// Lessor makes and finds the leases that records are attached to.
	Lessor() Lessor

	// Create makes a record, attached to r.Lease, and returns its version;
	// r.Version does not matter. If the key has a record, nothing changes, and the error
	// is ErrAlreadyExists with that record's version. If the lease has ended, the
	// error is ErrNotFound; if it ends meanwhile, the record may have been there for no time.
	Create(ctx context.Context, r Record) (Version, error)

	// Get returns the record of a key, or ErrNotFound.
	Get(ctx context.Context, key string) (Record, error)

	// GetRange returns the records with start <= Key <= end, in the order of the bytes of
	// their keys; there may be none. An empty end is no bound.
	GetRange(ctx context.Context, start, end string) ([]Record, error)

	// CasByVersion gives the record of r.Key the value r.Value if r.Version is its
	// version, and returns it with the new version. The lease stays what it is, whatever
	// r.Lease is. Otherwise nothing changes, and the error is ErrWrongVersion, or
	// ErrNotFound if there is no record.
	CasByVersion(ctx context.Context, r Record) (Record, error)

	// Delete deletes the record of a key, or is ErrNotFound.
	Delete(ctx context.Context, key string) error

	// WaitForVersionChange returns the record of a key as soon as its version is not
	// the given one, which may be at once. When the record is deleted, or its lease
	// ends, it returns neither a record nor an error; if there is none to begin with,
	// ErrNotFound; if ctx ends first, its cause.
	WaitForVersionChange(ctx context.Context, key string, version Version) (*Record, error)
}

// Lessor makes and finds leases.
type Lessor interface {
	// NewLease makes a lease that ends after ttl (MinTTL to MaxTTL, to the millisecond).
	// With keepAlive it is renewed, three times in that time, until this process ends or
	// releases it; ctx is for making it only. If the store cannot be reached for so long
	// that the lease may have ended, it is not renewed any more: see Lease.Done.
	NewLease(ctx context.Context, ttl time.Duration, keepAlive bool) (Lease, error)

	// GetLease returns a lease that has not ended, whoever made it, or ErrNotFound.
	GetLease(ctx context.Context, id LeaseId) (Lease, error)
}

// Lease is what records are attached to.
type Lease interface {
	Id() LeaseId

	// TTL is how long the lease lasts, from when it was made or last renewed.
	TTL() time.Duration

	// Done is closed when a lease that NewLease keeps alive is not kept alive any
	// more: because it was lost, which is known a tenth of the TTL before it ends, or
	// because it was released. Of a lease that is not kept alive here it is nil.
	Done() <-chan struct{}

	// Err is nil until Done is closed, and then says why: replicate.ErrSessionLost or
	// replicate.ErrSessionReleased is in its chain. It asks the clocks, too, so that
	// it is right at once after the machine was suspended.
	Err() error

	// Release ends the lease, and its renewals. When it returns nil the records
	// are gone, on every reader; until then all of them are there. It waits as long
	// as readers may take the lease on trust (see the package's comment); if ctx ends
	// before, the lease expires a second after that time.
	//
	// An error that is replicate.ErrSessionLost says that the records are gone, and
	// that a lease which was kept alive here had been lost before: its records were
	// perhaps missing for a while. Of a lease that is not kept alive here it is no
	// error that it has ended already.
	Release(ctx context.Context) error
}
