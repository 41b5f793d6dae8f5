package resource

import (
	"slices"
	"strings"
)

// state is a set of resources. Those in it are never changed, only replaced.
type state struct {
	types  map[UnversionedType]map[key]*Resource
	owners map[ownerKey]map[key]*Resource
	size   int64 // bytes, about, when encoded
}

// ownerKey is an owner as its resources refer to it.
type ownerKey struct {
	key
	uid string
}

func newState() *state {
	return &state{types: make(map[UnversionedType]map[key]*Resource), owners: make(map[ownerKey]map[key]*Resource)}
}

func (s *state) get(k key) *Resource { return s.types[k.Type][k] }

func (s *state) put(r *Resource) {
	k := r.ID.key()
	s.remove(k)
	s.size += sizeOf(r)
	insert(s.types, k.Type, k, r)
	if r.Owner != nil {
		insert(s.owners, ownerKey{r.Owner.key(), r.Owner.UID}, k, r)
	}
}

// remove returns what was there, or nil.
func (s *state) remove(k key) *Resource {
	r := s.get(k)
	if r == nil {
		return nil
	}
	s.size -= sizeOf(r)
	drop(s.types, k.Type, k)
	if r.Owner != nil {
		drop(s.owners, ownerKey{r.Owner.key(), r.Owner.UID}, k)
	}
	return r
}

func insert[K comparable](index map[K]map[key]*Resource, at K, k key, r *Resource) {
	if index[at] == nil {
		index[at] = make(map[key]*Resource)
	}
	index[at][k] = r
}

func drop[K comparable](index map[K]map[key]*Resource, at K, k key) {
	delete(index[at], k)
	if len(index[at]) == 0 {
		delete(index, at)
	}
}

// filter is what a list or a watch is about.
type filter struct {
	typ     UnversionedType
	tenancy Tenancy
	prefix  string
}

func (f filter) matches(id ID) bool {
	return id.Type.Unversioned() == f.typ && f.tenancy.matches(id.Tenancy) && strings.HasPrefix(id.Name, f.prefix)
}

func (s *state) list(f filter) (list []*Resource) {
	for _, r := range s.types[f.typ] {
		if f.matches(r.ID) {
			list = append(list, r)
		}
	}
	return sorted(list)
}

func (s *state) owned(owner ID) (list []*Resource) {
	for _, r := range s.owners[ownerKey{owner.key(), owner.UID}] {
		list = append(list, r)
	}
	return sorted(list)
}

func (s *state) all() (list []*Resource) {
	for _, ofType := range s.types {
		for _, r := range ofType {
			list = append(list, r)
		}
	}
	return sorted(list)
}

func sorted(list []*Resource) []*Resource {
	slices.SortFunc(list, func(a, b *Resource) int { return compareKeys(a.ID.key(), b.ID.key()) })
	return list
}

func clones(list []*Resource) []*Resource {
	copies := make([]*Resource, len(list))
	for i, r := range list {
		copies[i] = r.clone()
	}
	return copies
}

// sizeOf is about the size of a resource when encoded.
func sizeOf(r *Resource) int64 {
	n := 200 + len(r.Data)*4/3
	for _, s := range r.texts() {
		n += len(s) + 3
	}
	return int64(n)
}
