package config

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/lease"
	"github.com/replctl/replicate/store/internal/record"
)

// Limits.
const (
	// MaxNameLen is the longest collection, version, instance or status, in bytes.
	// They are valid UTF-8 and not empty; any character is allowed.
	MaxNameLen = 253

	// MaxContentSize is the largest content of a snapshot, in bytes: a record less the
	// header that names the snapshot.
	MaxContentSize = cas.MaxValueSize - maxContentHeader

	// MaxSnapshots is how many snapshots a collection has at most. There are fewer where
	// the versions have hundreds of control characters each.
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

	// ErrTooManySnapshots: the collection has MaxSnapshots of them, or its head has no
	// room for another one.
	ErrTooManySnapshots = errors.New("too many snapshots")

	// ErrTooLarge: the content is above MaxContentSize.
	ErrTooLarge = errors.New("snapshot too large")

	// ErrInvalidName: a collection, version, instance or status is empty, longer than
	// MaxNameLen or not UTF-8.
	ErrInvalidName = errors.New("invalid name")

	// ErrLockNotAcquired: somebody else holds the lock.
	ErrLockNotAcquired = errors.New("lock not acquired")

	// ErrLockLost: a later holder of a lock that this Store holds has changed the
	// collection, so that this Store has lost the lock. Nothing was changed.
	ErrLockLost = errors.New("lock lost")

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
	CreatedAt  time.Time // by the clock of the machine that saved it
}

// Options configure a Store. The zero value suits most.
type Options struct {
	// LockTTL is how long a lock is held by a process that has died;
	// lease.DefaultTTL if zero, MaxLockTTL at most. It need not be the
	// same everywhere.
	LockTTL time.Duration

	// LockOwner is this process's name in the record of a lock, for people;
	// lease.DefaultOwner ("host:pid") if empty.
	LockOwner string

	// Locker, if set, hands out the locks in place of leases in the store. LockTTL and
	// LockOwner are not used then. All processes have to use the same way to lock.
	Locker Locker
}

// HeadsPrefix is the prefix of the records that change with every change to a
// collection's snapshots, for cas.Changes.
const HeadsPrefix = "config/heads/"

// The other records' prefixes. The functions that make the keys say what follows.
const (
	contentsPrefix = "config/contents/"
	deletedPrefix  = "config/deleted/"
	appliedPrefix  = "config/applied/"
	locksPrefix    = "config/locks/"
)

// ActiveVersionChecker asks which version of a collection is active. It is all that
// an instance of the fleet needs to find out whether it is up to date.
type ActiveVersionChecker interface {
	// GetActiveVersion returns the active version of a collection, without its
	// content. If there is none, the error is ErrSnapshotNotFound.
	GetActiveVersion(ctx context.Context, collection string) (string, error)
}

// Storage is the contract, which package configtest tests. [Store] keeps it on a
// cas.Store. The package comment says what is promised.
type Storage interface {
	ActiveVersionChecker

	// SaveSnapshot saves a version of a collection as pending. If the version exists
	// with the same content, nothing changes, whatever its status. If it exists with
	// other content, or did before it was deleted, the error is ErrSnapshotExists.
	SaveSnapshot(ctx context.Context, collection, version string, content []byte) error

	// ActivateSnapshot makes a version the active one of its collection, whatever its
	// status. The one that was active becomes inactive at the same instant. If the
	// version does not exist, the error is ErrSnapshotNotFound.
	ActivateSnapshot(ctx context.Context, collection, version string) error

	// FailSnapshot marks a version as failed. If it is the active one, the collection
	// has no active version until one is activated. If the version does not exist, the
	// error is ErrSnapshotNotFound.
	FailSnapshot(ctx context.Context, collection, version string) error

	// GetActiveSnapshot returns the active snapshot of a collection with its content.
	// If there is none, the error is ErrSnapshotNotFound.
	GetActiveSnapshot(ctx context.Context, collection string) (*Snapshot, error)

	// GetSnapshot returns a version of a collection with its content, whatever its
	// status. If it does not exist, the error is ErrSnapshotNotFound.
	GetSnapshot(ctx context.Context, collection, version string) (*Snapshot, error)

	// ListSnapshots returns all snapshots of a collection as they were at one instant,
	// in the order in which they were saved, without their contents.
	ListSnapshots(ctx context.Context, collection string) ([]Snapshot, error)

	// LogApply records the status of an instance for a version, in place of the one
	// that it had. If the version does not exist, the error is ErrSnapshotNotFound.
	LogApply(ctx context.Context, instanceID, collection, version, status string) error

	// CountApplied returns how many instances have the status Applied for a version;
	// 0 if the version does not exist.
	CountApplied(ctx context.Context, collection, version string) (int, error)

	// AppliedInstances returns the instances that have a status for a version, in the
	// order of their bytes; none if the version does not exist.
	AppliedInstances(ctx context.Context, collection, version, status string) ([]string, error)

	// ResetApplyLog empties the log of a version. If the version does not exist, it
	// does nothing.
	ResetApplyLog(ctx context.Context, collection, version string) error

	// DeleteOldSnapshots deletes the snapshots of all collections that were created
	// before olderThan, with their logs. It keeps active ones. It returns how many it
	// has deleted, also with an error; the next call deletes the rest.
	DeleteOldSnapshots(ctx context.Context, olderThan time.Time) (int, error)

	// AcquireLock takes the lock with that number if it is free, and holds it until
	// release is called or the process ends. If somebody holds it, in this process or
	// another, the error is ErrLockNotAcquired, at once. Release may be called more
	// than once.
	AcquireLock(ctx context.Context, key int64) (release func(), err error)
}

// Store is a [Storage] on a cas.Store. It is safe for concurrent use, and other
// processes may use the same store. It remembers the heads of the collections that
// it was used for. New makes one; the methods of the zero Store return errors.
type Store struct {
	store cas.Store
	opts  Options

	mu       sync.Mutex
	heads    map[string]record.Stored     // by key, as last seen
	statuses map[string]map[string]logged // by prefix of the log, and key
	leasers  map[int64]*lease.Leaser
	held     map[int64]int64 // fencing numbers of the locks that are held, by lock
}

var _ Storage = (*Store)(nil)

// New returns the collections that are kept in store, below "config/".
func New(store cas.Store, opts Options) *Store {
	return &Store{
		store: store, opts: opts,
		heads: map[string]record.Stored{}, statuses: map[string]map[string]logged{},
		leasers: map[int64]*lease.Leaser{}, held: map[int64]int64{},
	}
}

// records returns the store, also that of the zero Store.
func (s *Store) records() cas.Store { return record.In(s.store) }

func checkName(what, name string) error {
	switch {
	case name == "" || len(name) > MaxNameLen:
		return fmt.Errorf("%w: %s of %d bytes, want 1 to %d", ErrInvalidName, what, len(name), MaxNameLen)
	case !utf8.ValidString(name):
		return fmt.Errorf("%w: %s %q is not UTF-8", ErrInvalidName, what, name)
	}
	return nil
}
