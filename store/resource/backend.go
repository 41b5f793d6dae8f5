package resource

import "context"

// Consistency is how current an answer has to be.
type Consistency int

const (
	// Eventual answers from memory, if that is not older than Options.Interval
	// or there is nothing newer to be had.
	Eventual Consistency = iota

	// Strong answers with the state at some instant between call and return, or
	// with an error that is ErrInconsistent.
	Strong
)

// Backend is the contract, which package resourcetest tests. [Store] is the one
// that keeps it on a cas.Store.
//
// Resources that go in and come out are copies. Empty and nil Data are the same, and
// so are empty and nil Metadata and Status. Strings are valid UTF-8; Kind and Name are
// not empty. Versions are decimal numbers that grow with every change. A Consistency
// other than Eventual and Strong is ErrInvalid.
type Backend interface {
	// Read returns the resource of that type, tenancy and name.
	//
	// With an empty UID it returns whatever is stored under the name. With another UID
	// than the stored one the error is ErrNotFound. If the resource is stored with another
	// GroupVersion, the error is a GroupVersionMismatchError that has the resource.
	Read(ctx context.Context, consistency Consistency, id ID) (*Resource, error)

	// WriteCAS stores the resource if its Version is still the stored one; with
	// an empty Version, if there is none of that name. It returns the
	// resource as stored, with its new version.
	//
	// If another version is stored, or none, the error is ErrCASFailure. A UID never
	// changes: if a resource with another UID is stored, the error is ErrWrongUID, and for
	// an empty Version ErrCASFailure as well. An empty UID is one like any other here.
	// GroupVersion may change with any write.
	WriteCAS(ctx context.Context, res *Resource) (*Resource, error)

	// DeleteCAS removes the resource if it has that version. If it has another one, the
	// error is ErrCASFailure. If there is none, or only one with another UID than id has,
	// there is nothing to do, and no error. GroupVersion does not matter.
	DeleteCAS(ctx context.Context, id ID, version string) error

	// List returns the resources of a type whose tenancy matches and whose names
	// start with prefix, all as they were at one instant, ordered by partition, peer
	// name, namespace and name. They may be of different GroupVersions.
	List(
		ctx context.Context, consistency Consistency, typ UnversionedType, tenancy Tenancy, namePrefix string,
	) ([]*Resource, error)

	// ListByOwner returns the resources, of all types, whose owner has that type
	// (of whatever GroupVersion), tenancy, name and UID. It is eventual: after a watch of the
	// same handle has told of the owner's deletion, it has every resource that
	// was owned then.
	ListByOwner(ctx context.Context, owner ID) ([]*Resource, error)

	// WatchList watches what List lists: first all of it, as at one instant during
	// the call, then every change since, one by one and in their order.
	WatchList(ctx context.Context, typ UnversionedType, tenancy Tenancy, namePrefix string) (Watch, error)

	// Snapshot returns all resources as they were at one instant during the call.
	// WriteSnapshot writes it as bytes.
	Snapshot(ctx context.Context) (Snapshot, error)

	// Restore begins to replace all resources by others. ReadSnapshot reads them from
	// bytes.
	Restore() (Restoration, error)
}

// Snapshot is all resources as they were at one instant. It is for one goroutine.
type Snapshot interface {
	// Next returns the next resource, ordered by type, tenancy and name; nil after
	// the last.
	Next() *Resource

	// Len is the number of resources that Next has yet to return.
	Len() int

	// Version is the last one that the store had given at that instant, for
	// Restoration.Above. A deleted resource may have had it.
	Version() string
}

// Watch is a watch on a list. It is for one reader.
type Watch interface {
	// Next returns the next event, and waits for it until ctx ends. After an
	// error that is ErrInconsistent (the store does not answer) or the context's,
	// it may be called again, and nothing is lost. ErrWatchClosed is the end: the
	// reader has fallen behind by more than Options.WatchBuffer changes (of
	// whatever type) or more than LogRecords, or everything was restored.
	Next(ctx context.Context) (*WatchEvent, error)

	// Close ends the watch. It frees some memory, as forgetting it does.
	Close()
}

// Operation is what happened to a resource.
type Operation int

const (
	// Upsert: the resource was written, or is there as the watch begins.
	Upsert Operation = iota + 1

	// Delete: the resource, here as it last was, was deleted.
	Delete

	// EndOfSnapshot comes once, without a resource, between what was there as
	// the watch began and what has changed since.
	EndOfSnapshot
)

// WatchEvent is one event of a watch.
type WatchEvent struct {
	Operation Operation
	Resource  *Resource
}

// Restoration replaces all resources, of all types, at one instant or not at all. It
// is for one goroutine.
//
// Writes that come before that instant are gone; those that come after it are checked
// against what was restored. Every watch is closed by it.
//
// Everything that is restored gets a new version, above all that this store has ever
// given and above those that were applied: a version never names two contents, and a write
// that was prepared before the restore, here or in the store that the snapshot is of, is
// ErrCASFailure.
type Restoration interface {
	// Apply adds a resource as it is in a snapshot. Of two with the same name the
	// later one counts. Until Commit it is held in memory.
	Apply(res *Resource) error

	// Above has the versions after the restore be above this one too: the last one that
	// the other store has given, Snapshot.Version as far as the snapshot knows.
	Above(version string) error

	// Commit makes the resources that were applied the only ones. After an error that is
	// ErrInconsistent nothing has changed, and it may be called again; after one
	// that is cas.ErrIndeterminate, everything or nothing has, and it may not.
	Commit(ctx context.Context) error

	// Abort drops what was applied. After Commit it does nothing.
	Abort()
}
