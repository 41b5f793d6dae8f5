package config

import (
	"errors"
	"fmt"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/store/internal/names"
	"github.com/replctl/replicate/store/internal/record"
)

// Limits.
const (
	// MaxNameLen is the longest collection, version, instance or status, in bytes.
	// They are valid UTF-8 and not empty; any character is allowed.
	MaxNameLen = names.MaxLen

	// MaxContentSize is that of a snapshot, in bytes: a record, less what says
	// whose it is.
	MaxContentSize = cas.MaxValueSize - maxContentHeader

	// MaxSnapshots is how many snapshots a collection has at most.
	MaxSnapshots = 1000
)

// Errors that callers tell apart, found with errors.Is. Those of the store are
// below the others: cas.ErrIndeterminate, permissions, an ended context.
var (
	// ErrSnapshotNotFound: there is no such version, or none that is active.
	ErrSnapshotNotFound = errors.New("snapshot not found")

	// ErrSnapshotExists: the version was saved before, with other content. It may have
	// been deleted since.
	ErrSnapshotExists = errors.New("snapshot exists with other content")

	// ErrTooManySnapshots: the collection has MaxSnapshots of them.
	ErrTooManySnapshots = errors.New("too many snapshots")

	// ErrTooLarge: the content is above MaxContentSize.
	ErrTooLarge = errors.New("snapshot too large")

	// ErrInvalidName: a collection, version, instance or status is empty, longer than
	// MaxNameLen or not UTF-8.
	ErrInvalidName = errors.New("invalid name")

	// ErrLockNotAcquired: somebody else holds the lock.
	ErrLockNotAcquired = errors.New("lock not acquired")

	// ErrCorrupt: a record is there that this package did not write, or that was cut
	// short or changed, or one is gone.
	ErrCorrupt = errors.New("record corrupt")
)

// Status is what a snapshot is at some instant.
type Status string

// A snapshot is pending until it is activated or fails, active until another one is
// activated, and inactive then. One that has failed can be activated nevertheless.
const (
	StatusPending  Status = "pending"
	StatusActive   Status = "active"
	StatusInactive Status = "inactive"
	StatusFailed   Status = "failed"
)

// Snapshot is one version of a collection.
type Snapshot struct {
	Collection string
	Version    string
	Content    []byte
	Status     Status    // when it was read
	CreatedAt  time.Time // when it was saved, by the clock of who saved it
}

// Options configure a Storage. The zero value suits most.
type Options struct {
	// LockTTL is how long a lock is held by a process that has died;
	// replicate.DefaultLeaseTTL if zero, MaxLockTTL at most. It need not be the
	// same everywhere.
	LockTTL time.Duration

	// LockOwner is this process's name in the record of a lock, for people;
	// replicate.DefaultLeaseOwner ("host:pid") if empty.
	LockOwner string
}

// HeadsPrefix is that of the records which change with every change to a collection's
// snapshots, for cas.Changes.
const HeadsPrefix = "config/heads/"

// The other records' prefixes. What follows is said where the keys are made.
const (
	contentsPrefix = "config/contents/"
	deletedPrefix  = "config/deleted/"
	appliedPrefix  = "config/applied/"
	locksPrefix    = "config/locks/"
)

// Storage is the collections in one store. It is safe for concurrent use, and other
// processes may use the same store. It remembers the heads of the collections that
// it was used for.
type Storage struct {
	store cas.Store
	opts  Options

	mu       sync.Mutex
	heads    map[string]record.Stored     // by key, as last seen
	statuses map[string]map[string]logged // by prefix of the log, and key
	leasers  map[int64]*replicate.StoreLeaser
}

// New returns the collections that are kept in store, below "config/".
func New(store cas.Store, opts Options) *Storage {
	return &Storage{
		store: store, opts: opts,
		heads: map[string]record.Stored{}, statuses: map[string]map[string]logged{},
		leasers: map[int64]*replicate.StoreLeaser{},
	}
}

func checkName(what, name string) error {
	switch {
	case name == "" || len(name) > MaxNameLen:
		return fmt.Errorf("%w: %s of %d bytes, want 1 to %d", ErrInvalidName, what, len(name), MaxNameLen)
	case !utf8.ValidString(name):
		return fmt.Errorf("%w: %s %q is not UTF-8", ErrInvalidName, what, name)
	}
	return nil
}
