package resource

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Wildcard in a field of a Tenancy matches every value, in List and WatchList.
const Wildcard = "*"

// MaxResourceSize is the largest resource, in bytes: as JSON without its Version, with
// Data in base64.
const MaxResourceSize = 768 << 10

// Type is what a resource is, and the version of the schema that its data follows.
type Type struct {
	Group        string `json:"group,omitempty"`
	GroupVersion string `json:"group_version,omitempty"`
	Kind         string `json:"kind,omitempty"`
}

// Unversioned is the type as resources are found by.
func (t Type) Unversioned() UnversionedType { return UnversionedType{t.Group, t.Kind} }

// UnversionedType is a Type without its GroupVersion. There is one resource of a
// name for all versions of the schema.
type UnversionedType struct {
	Group string
	Kind  string
}

// Tenancy is where a resource belongs. Its fields may be empty, which is a value
// like any other.
type Tenancy struct {
	Partition string `json:"partition,omitempty"`
	Namespace string `json:"namespace,omitempty"`

	// PeerName is the peer that the resource was imported from; empty for local ones.
	PeerName string `json:"peer_name,omitempty"`
}

// matches reports whether t, with its wildcards, includes other.
func (t Tenancy) matches(other Tenancy) bool {
	return (t.Partition == Wildcard || t.Partition == other.Partition) &&
		(t.PeerName == Wildcard || t.PeerName == other.PeerName) &&
		(t.Namespace == Wildcard || t.Namespace == other.Namespace)
}

// ID names a resource.
type ID struct {
	Type    Type    `json:"type"`
	Tenancy Tenancy `json:"tenancy"`
	Name    string  `json:"name"`

	// UID tells one life of a name from the next, after it was deleted and
	// created again. The creator of the resource chooses it.
	UID string `json:"uid,omitempty"`
}

func (id ID) String() string {
	at := fmt.Sprintf("%q/%q", id.Tenancy.Partition, id.Tenancy.Namespace)
	if id.Tenancy.PeerName != "" {
		at += fmt.Sprintf(" of peer %q", id.Tenancy.PeerName)
	}
	return fmt.Sprintf("%s/%s/%s %q in %s", id.Type.Group, id.Type.GroupVersion, id.Type.Kind, id.Name, at)
}

// key is an ID without what it does not find resources by.
type key struct {
	Type    UnversionedType
	Tenancy Tenancy
	Name    string
}

func (id ID) key() key { return key{id.Type.Unversioned(), id.Tenancy, id.Name} }

// compareKeys orders resources in lists: by type, tenancy and name.
func compareKeys(a, b key) int {
	return slices.Compare(a.texts(), b.texts())
}

func (k key) texts() []string {
	return []string{k.Type.Group, k.Type.Kind, k.Tenancy.Partition, k.Tenancy.PeerName, k.Tenancy.Namespace, k.Name}
}

// Resource is one version of a resource.
type Resource struct {
	ID ID `json:"id"`

	// Owner is the resource that this one is to be deleted with. The backend does not
	// delete it; see ListByOwner.
	Owner *ID `json:"owner,omitempty"`

	// Version is a decimal number, which the backend gives with every write.
	Version string `json:"version,omitempty"`

	// Generation is the writer's: what it calls a change of meaning.
	Generation string `json:"generation,omitempty"`

	// Status is what controllers say of the resource, each under its own key. To the
	// backend it is data like the rest: a write replaces it.
	Status map[string]Status `json:"status,omitempty"`

	Metadata map[string]string `json:"metadata,omitempty"`
	Data     []byte            `json:"data,omitempty"`
}

// clone is a copy that shares nothing. An empty map and empty data become nil, as
// they are when read from the store.
func (r *Resource) clone() *Resource {
	c := *r
	c.Metadata, c.Data, c.Status = nil, nil, nil
	if len(r.Status) > 0 {
		c.Status = make(map[string]Status, len(r.Status))
	}
	for controller, s := range r.Status {
		c.Status[controller] = s.clone()
	}
	if r.Owner != nil {
		owner := *r.Owner
		c.Owner = &owner
	}
	if len(r.Metadata) > 0 {
		c.Metadata = maps.Clone(r.Metadata)
	}
	if len(r.Data) > 0 {
		c.Data = slices.Clone(r.Data)
	}
	return &c
}

// Errors that callers tell apart, found with errors.Is.
var (
	// ErrNotFound: there is no such resource, or only one with another UID.
	ErrNotFound = errors.New("resource not found")

	// ErrCASFailure: the stored resource has another version than the write or
	// delete is for. Nothing was changed.
	ErrCASFailure = errors.New("stored version is not the given one")

	// ErrWrongUID: the stored resource of that name has another UID. Nothing was
	// changed.
	ErrWrongUID = errors.New("stored uid is not the given one")

	// ErrInconsistent: the store did not allow what was asked for, the cause says
	// why. A write that fails with it was certainly not applied. Where that is not
	// certain, the error is cas.ErrIndeterminate instead.
	ErrInconsistent = errors.New("consistency not attainable")

	// ErrWatchClosed: the watch cannot go on without a gap, because its reader is
	// too slow, or because everything was restored, or it was closed. A new watch
	// begins with a new snapshot.
	ErrWatchClosed = errors.New("watch closed")

	// ErrInvalid: the resource, ID, consistency or option cannot be stored or used.
	ErrInvalid = errors.New("invalid")

	// ErrCorrupt: what is stored was not written by this package, or was deleted
	// or changed behind it.
	ErrCorrupt = errors.New("stored state is corrupt")

	// ErrClosed: the handle was closed, or the restoration is over.
	ErrClosed = errors.New("closed")
)

// GroupVersionMismatchError is what Read returns when the resource is stored with
// another GroupVersion than was asked for. It has the resource, for callers that can
// translate it.
type GroupVersionMismatchError struct {
	RequestedType Type
	Stored        *Resource
}

func (e GroupVersionMismatchError) Error() string {
	stored := "another"
	if e.Stored != nil {
		stored = fmt.Sprintf("%q", e.Stored.ID.Type.GroupVersion)
	}
	return fmt.Sprintf("group version %q was asked for, %s is stored", e.RequestedType.GroupVersion, stored)
}
