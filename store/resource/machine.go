package resource

import (
	"fmt"
	"strconv"
	"sync"

	"github.com/replctl/replicate/cas"
)

// Machine is the state machine of the contract: the resources, the rules of their
// changes, and the changes that watches read. It does not order changes. Its owner
// applies them one after the other: [Store] from its log in a cas.Store, package
// raftbackend from a Raft log.
//
// The same calls of Write, Delete, Load and Advance in the same order lead to the same
// resources, versions and refusals. A Machine is safe for concurrent use. Resources
// that it returns are copies, except where a method says otherwise. The zero Machine is
// empty, and its watches are closed by the first change.
type Machine struct {
	mu      sync.Mutex
	state   *state
	version uint64 // the last one given
	recent  events
	changed chan struct{} // closed with the next change
	ended   bool
}

// NewMachine returns an empty machine. It remembers that many changes for its watches,
// up to 64 MiB of them.
func NewMachine(watchBuffer int) *Machine {
	return &Machine{state: newState(), recent: events{limit: watchBuffer}, changed: make(chan struct{})}
}

// lock takes mu, and makes what a zero Machine lacks.
func (m *Machine) lock() {
	m.mu.Lock()
	if m.state == nil {
		m.state, m.changed = newState(), make(chan struct{})
	}
}

// Write applies a write: res becomes the resource with that version, if the rules of
// Backend.WriteCAS allow it. Its size is the caller's to check before the write is ordered
// ([CheckResource]). The machine keeps res, and returns it; nobody may change it any more.
func (m *Machine) Write(res *Resource, version uint64) (*Resource, error) {
	if err := checkResource(res); err != nil {
		return nil, err
	}
	m.lock()
	defer m.mu.Unlock()
	if err := checkWrite(m.state.get(res.ID.key()), res); err != nil {
		return nil, err
	}
	if err := checkRoom(m.state.size, res); err != nil {
		return nil, err
	}
	res.Version = strconv.FormatUint(version, 10)
	m.version = version
	m.put(res)
	return res, nil
}

// Delete applies a delete by the rules of Backend.DeleteCAS. The version is that of
// the change, if there is one.
func (m *Machine) Delete(id ID, expect string, version uint64) error {
	if err := checkID(id); err != nil {
		return err
	}
	m.lock()
	defer m.mu.Unlock()
	is, err := checkDelete(m.state.get(id.key()), id, expect)
	if is {
		m.version = version
		m.drop(id)
	}
	return err
}

// Load puts a resource of a snapshot into a machine that is not in use yet, whatever was
// there. The machine keeps res.
func (m *Machine) Load(res *Resource) error {
	if err := checkStored(res); err != nil {
		return err
	}
	m.lock()
	defer m.mu.Unlock()
	if err := checkRoom(m.state.size, res); err != nil {
		return err
	}
	m.state.put(res)
	return nil
}

// Version is the last one given.
func (m *Machine) Version() uint64 {
	m.lock()
	defer m.mu.Unlock()
	return m.version
}

// Advance has that version be the last one given.
func (m *Machine) Advance(version uint64) {
	m.lock()
	defer m.mu.Unlock()
	m.version = version
}

// End ends the watches: their next event would be one of another machine.
func (m *Machine) End() {
	m.lock()
	defer m.mu.Unlock()
	m.ended = true
	m.announce()
}

// Read is Backend.Read.
func (m *Machine) Read(id ID) (*Resource, error) {
	if err := checkID(id); err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	switch r := m.get(id.key()); {
	case r == nil || id.UID != "" && id.UID != r.ID.UID:
		return nil, fmt.Errorf("read %s: %w", id, ErrNotFound)
	case r.ID.Type != id.Type:
		return nil, fmt.Errorf("read %s: %w", id, GroupVersionMismatchError{id.Type, r.clone()})
	default:
		return r.clone(), nil
	}
}

// List is Backend.List.
func (m *Machine) List(typ UnversionedType, tenancy Tenancy, namePrefix string) []*Resource {
	m.lock()
	list := m.state.list(filter{typ, tenancy, namePrefix})
	m.mu.Unlock()
	return clones(list)
}

// ListByOwner is Backend.ListByOwner.
func (m *Machine) ListByOwner(owner ID) []*Resource {
	m.lock()
	list := m.state.owned(owner)
	m.mu.Unlock()
	return clones(list)
}

// Snapshot is Backend.Snapshot.
func (m *Machine) Snapshot() Snapshot {
	m.lock()
	defer m.mu.Unlock()
	return &snapshot{m.state.all(), m.version}
}

// get returns the stored resource itself, or nil.
func (m *Machine) get(k key) *Resource {
	m.lock()
	defer m.mu.Unlock()
	return m.state.get(k)
}

func (m *Machine) size() int64 {
	m.lock()
	defer m.mu.Unlock()
	return m.state.size
}

// all returns the stored resources themselves.
func (m *Machine) all() []*Resource {
	m.lock()
	defer m.mu.Unlock()
	return m.state.all()
}

// apply applies a change that was checked before it was ordered, and counts versions.
func (m *Machine) apply(c change) {
	m.lock()
	defer m.mu.Unlock()
	m.version++
	if c.Put != nil {
		m.put(c.Put)
	} else {
		m.drop(*c.Delete)
	}
}

// put and drop change the state and tell the watches. The caller holds mu.
func (m *Machine) put(r *Resource) {
	m.state.put(r)
	m.recent.add(WatchEvent{Upsert, r})
	m.announce()
}

func (m *Machine) drop(id ID) {
	if gone := m.state.remove(id.key()); gone != nil {
		m.recent.add(WatchEvent{Delete, gone})
		m.announce()
	}
}

func (m *Machine) announce() {
	close(m.changed)
	m.changed = make(chan struct{})
}

// checkWrite is the rule of WriteCAS; stored may be nil.
func checkWrite(stored, res *Resource) error {
	switch {
	case stored == nil && res.Version != "":
		return fmt.Errorf("%w: nothing is stored, not %q", ErrCASFailure, res.Version)
	case stored == nil:
	case stored.ID.UID != res.ID.UID && res.Version == "":
		return fmt.Errorf("%w: it exists; %w: %q is stored, not %q", ErrCASFailure, ErrWrongUID, stored.ID.UID, res.ID.UID)
	case stored.ID.UID != res.ID.UID:
		return fmt.Errorf("%w: %q is stored, not %q", ErrWrongUID, stored.ID.UID, res.ID.UID)
	case stored.Version != res.Version:
		return fmt.Errorf("%w: %q is stored, not %q", ErrCASFailure, stored.Version, res.Version)
	}
	return nil
}

// checkDelete is the rule of DeleteCAS: it reports whether there is something to delete.
func checkDelete(stored *Resource, id ID, version string) (bool, error) {
	switch {
	case stored == nil || stored.ID.UID != id.UID:
		return false, nil
	case stored.Version != version:
		return false, fmt.Errorf("%w: %q is stored, not %q", ErrCASFailure, stored.Version, version)
	}
	return true, nil
}

// maxStored bounds all resources together, in bytes when encoded. A checkpoint of so
// many has room in one manifest.
const maxStored = 1 << 30

// checkRoom refuses a resource that would have all of them, with that size, be too large.
// What it replaces counts as well.
func checkRoom(size int64, res *Resource) error {
	if size += sizeOf(res); size > maxStored {
		return fmt.Errorf("%w: all resources would have %d bytes, at most %d allowed", cas.ErrTooLarge, size, maxStored)
	}
	return nil
}

// CheckResource is nil for a resource that WriteCAS can store, and else an error that
// is ErrInvalid or cas.ErrTooLarge.
func CheckResource(res *Resource) error {
	if err := checkResource(res); err != nil {
		return err
	}
	_, err := encodedSize(res)
	return err
}

// CheckID is ErrInvalid for what names no single resource.
func CheckID(id ID) error { return checkID(id) }

type snapshot struct {
	rest     []*Resource
	revision uint64
}

// Version implements [Snapshot].
func (s *snapshot) Version() string { return strconv.FormatUint(s.revision, 10) }

// Next implements [Snapshot].
func (s *snapshot) Next() *Resource {
	if len(s.rest) == 0 {
		return nil
	}
	r := s.rest[0]
	s.rest = s.rest[1:]
	return r.clone()
}

// Len implements [Snapshot].
func (s *snapshot) Len() int { return len(s.rest) }

// Clone is a copy that shares nothing. Empty maps and empty data become nil, and times UTC.
func (r *Resource) Clone() *Resource { return r.clone() }
