package kv

import (
	"context"
	"errors"
	"time"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/lease"
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

	// ErrLeaseLost: a lease that was kept alive could not be renewed, or somebody else has
	// released it. Its records are gone, or will be soon.
	ErrLeaseLost = lease.ErrLost

	// ErrLeaseReleased: a lease is not kept alive any more because it was released.
	ErrLeaseReleased = lease.ErrReleased
)

// Key names a record: any bytes, 1 to MaxKeyLen of them.
type Key string

// Value is what a record has, at most MaxValueSize bytes.
type Value []byte

// Version counts the changes of a key, from 1. Deleting counts, too.
type Version int64

// LeaseId names a lease.
type LeaseId int64

// NoLeaseId is that of a record that stays until it is deleted.
const NoLeaseId LeaseId = 0

// Record is a key and what it has.
type Record struct {
	Key     Key
	Value   Value
	Version Version
	Lease   LeaseId // that it is attached to, or NoLeaseId
}

// Records are in the order of the bytes of their keys.
type Records []Record

// Storage is a set of records. [Store] is one; it is safe for concurrent use.
//
// Where nothing else is said, a record whose lease has ended is as good as deleted.
// A bad key is cas.ErrInvalidKey. Every promise here is a test in package kvtest.
type Storage interface {
	// Lessor makes and finds the leases that records are attached to.
	Lessor() Lessor

	// Create makes a record, attached to r.Lease, and returns its version;
	// r.Version does not matter. If the key has a record, nothing changes, and the error
	// is ErrAlreadyExists with that record's version. If the lease has ended, the
	// error is ErrNotFound; if it ends meanwhile, the record may have been there for no time.
	Create(ctx context.Context, r Record) (Version, error)

	// Get returns the record of a key, or ErrNotFound.
	Get(ctx context.Context, key Key) (Record, error)

	// GetRange returns the records with start <= Key <= end, in the order of the bytes of
	// their keys; there may be none. An empty end is no bound.
	GetRange(ctx context.Context, start, end Key) (Records, error)

	// CasByVersion gives the record of r.Key the value r.Value if r.Version is its
	// version, and returns the new version. The lease stays what it is, whatever
	// r.Lease is. Otherwise nothing changes, and the error is ErrWrongVersion, or
	// ErrNotFound if there is no record.
	CasByVersion(ctx context.Context, r Record) (Version, error)

	// Delete deletes the record of a key, or is ErrNotFound.
	Delete(ctx context.Context, key Key) error

	// WaitForVersionChange returns the record of a key as soon as its version is not
	// the given one, which may be at once. When the record is deleted, or its lease
	// ends, it returns the zero Record and no error; if there is none to begin with,
	// ErrNotFound; if ctx ends first, its cause.
	WaitForVersionChange(ctx context.Context, key Key, version Version) (Record, error)
}

// Lessor makes and finds leases.
type Lessor interface {
	// NewLease makes a lease that ends after ttl (MinTTL to MaxTTL, to the millisecond).
	// With keepAlive it is renewed until this process ends or releases it; ctx is for
	// making it only.
	NewLease(ctx context.Context, ttl time.Duration, keepAlive bool) (Lease, error)

	// GetLease returns a lease that has not ended, whoever made it, or ErrNotFound.
	GetLease(id LeaseId) (Lease, error)
}

// Lease is what records are attached to. Those of a [Store] are *[StoreLease], which can do more.
type Lease interface {
	Id() LeaseId

	// TTL is the time until the lease expires, as far as is known here, and 0 after that. It
	// does not ask the store: renewals by another process do not show.
	TTL() time.Duration

	// Release ends the lease, and its renewals. When it returns nil the records
	// are gone, on every reader; until then all of them are there. It is no error that
	// a lease has ended already, but ErrLeaseLost if it was kept alive here.
	Release() error
}
