package resource_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/store/resource"
	"github.com/replctl/replicate/store/resource/resourcetest"
)

// TestNative runs the suite over an implementation without a cas.Store.
func TestNative(t *testing.T) {
	t.Parallel()
	resourcetest.Run(t, resourcetest.Harness{New: func(*testing.T) func() resource.Backend {
		n := newNative()
		return func() resource.Backend { return n }
	}})
}

// native is a resource.Backend in memory. It keeps encoded resources, so that nothing is
// shared with callers.
type native struct {
	mu       sync.Mutex
	version  uint64
	stored   map[nativeKey][]byte
	events   []nativeEvent
	restores int
	changed  chan struct{} // closed with each change
}

type nativeKey struct {
	typ     resource.UnversionedType
	tenancy resource.Tenancy
	name    string
}

type nativeEvent struct {
	operation resource.Operation
	encoded   []byte
}

func newNative() *native {
	return &native{stored: map[nativeKey][]byte{}, changed: make(chan struct{})}
}

func keyOf(id resource.ID) nativeKey { return nativeKey{id.Type.Unversioned(), id.Tenancy, id.Name} }

func decoded(encoded []byte) *resource.Resource {
	r := new(resource.Resource)
	if err := json.Unmarshal(encoded, r); err != nil {
		panic(err)
	}
	return r
}

// encoded checks a resource, and encodes it as it is stored.
func encoded(r *resource.Resource) ([]byte, error) {
	if r == nil || checkID(r.ID) != nil {
		return nil, resource.ErrInvalid
	}
	one := *r
	one.Status = map[string]resource.Status{}
	for controller, s := range r.Status {
		s.UpdatedAt = s.UpdatedAt.UTC()
		for _, c := range s.Conditions {
			if c.State < resource.StateUnknown || c.State > resource.StateFalse {
				return nil, resource.ErrInvalid
			}
		}
		one.Status[controller] = s
	}
	value, err := json.Marshal(one)
	if err != nil || bytes.Contains(value, []byte(`\ufffd`)) {
		return nil, errors.Join(resource.ErrInvalid, err)
	}
	size := len(value)
	if r.Version != "" {
		size -= len(`,"version":""`) + len(r.Version)
	}
	if size > resource.MaxResourceSize {
		return nil, cas.ErrTooLarge
	}
	return value, nil
}

func checkID(id resource.ID) error {
	text, err := json.Marshal(id)
	t := id.Tenancy
	if id.Type.Kind == "" || id.Name == "" || err != nil || bytes.Contains(text, []byte(`\ufffd`)) ||
		slices.Contains([]string{t.Partition, t.Namespace, t.PeerName}, resource.Wildcard) {
		return resource.ErrInvalid
	}
	return nil
}

// begin checks what every call checks, and takes the mutex.
func (n *native) begin(ctx context.Context, c resource.Consistency) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", resource.ErrInconsistent, context.Cause(ctx))
	}
	if c != resource.Eventual && c != resource.Strong {
		return resource.ErrInvalid
	}
	n.mu.Lock()
	return nil
}

func (n *native) Read(ctx context.Context, c resource.Consistency, id resource.ID) (*resource.Resource, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	if err := n.begin(ctx, c); err != nil {
		return nil, err
	}
	defer n.mu.Unlock()
	value, ok := n.stored[keyOf(id)]
	if !ok {
		return nil, resource.ErrNotFound
	}
	r := decoded(value)
	switch {
	case id.UID != "" && id.UID != r.ID.UID:
		return nil, resource.ErrNotFound
	case id.Type != r.ID.Type:
		return nil, resource.GroupVersionMismatchError{RequestedType: id.Type, Stored: r}
	}
	return r, nil
}

func (n *native) WriteCAS(ctx context.Context, res *resource.Resource) (*resource.Resource, error) {
	if _, err := encoded(res); err != nil {
		return nil, err
	}
	if err := n.begin(ctx, resource.Strong); err != nil {
		return nil, err
	}
	defer n.mu.Unlock()
	old, exists := n.stored[keyOf(res.ID)]
	switch {
	case exists && decoded(old).ID.UID != res.ID.UID && res.Version == "":
		return nil, errors.Join(resource.ErrCASFailure, resource.ErrWrongUID)
	case exists && decoded(old).ID.UID != res.ID.UID:
		return nil, resource.ErrWrongUID
	case !exists && res.Version != "", exists && decoded(old).Version != res.Version:
		return nil, resource.ErrCASFailure
	}
	next := *res
	next.Version = n.next()
	value, err := encoded(&next)
	if err != nil {
		return nil, err
	}
	n.stored[keyOf(res.ID)] = value
	n.tell(nativeEvent{resource.Upsert, value})
	return decoded(value), nil
}

func (n *native) next() string {
	n.version++
	return strconv.FormatUint(n.version, 10)
}

func (n *native) tell(e nativeEvent) {
	n.events = append(n.events, e)
	close(n.changed)
	n.changed = make(chan struct{})
}

func (n *native) DeleteCAS(ctx context.Context, id resource.ID, version string) error {
	if err := checkID(id); err != nil {
		return err
	}
	if err := n.begin(ctx, resource.Strong); err != nil {
		return err
	}
	defer n.mu.Unlock()
	value, ok := n.stored[keyOf(id)]
	switch {
	case !ok || decoded(value).ID.UID != id.UID:
		return nil
	case decoded(value).Version != version:
		return resource.ErrCASFailure
	}
	delete(n.stored, keyOf(id))
	n.version++
	n.tell(nativeEvent{resource.Delete, value})
	return nil
}

// all returns the resources that are wanted, in their order.
func (n *native) all(wanted func(*resource.Resource) bool) []*resource.Resource {
	list := []*resource.Resource{}
	for _, value := range n.stored {
		if r := decoded(value); wanted(r) {
			list = append(list, r)
		}
	}
	text := func(r *resource.Resource) string {
		typ, t := r.ID.Type, r.ID.Tenancy
		return strings.Join([]string{typ.Group, typ.Kind, t.Partition, t.PeerName, t.Namespace, r.ID.Name}, "\x00")
	}
	slices.SortFunc(list, func(a, b *resource.Resource) int { return strings.Compare(text(a), text(b)) })
	return list
}

func matching(typ resource.UnversionedType, at resource.Tenancy, prefix string) func(*resource.Resource) bool {
	is := func(want, got string) bool { return want == resource.Wildcard || want == got }
	return func(r *resource.Resource) bool {
		t := r.ID.Tenancy
		return r.ID.Type.Unversioned() == typ && is(at.Partition, t.Partition) && is(at.Namespace, t.Namespace) &&
			is(at.PeerName, t.PeerName) && strings.HasPrefix(r.ID.Name, prefix)
	}
}

func (n *native) List(
	ctx context.Context, c resource.Consistency, typ resource.UnversionedType, at resource.Tenancy, prefix string,
) ([]*resource.Resource, error) {
	if err := n.begin(ctx, c); err != nil {
		return nil, err
	}
	defer n.mu.Unlock()
	return n.all(matching(typ, at, prefix)), nil
}

func (n *native) ListByOwner(ctx context.Context, owner resource.ID) ([]*resource.Resource, error) {
	if err := n.begin(ctx, resource.Eventual); err != nil {
		return nil, err
	}
	defer n.mu.Unlock()
	return n.all(func(r *resource.Resource) bool {
		return r.Owner != nil && keyOf(*r.Owner) == keyOf(owner) && r.Owner.UID == owner.UID
	}), nil
}

// nativeWatch has what is there as events, and then goes on with the events of n.
type nativeWatch struct {
	n        *native
	matches  func(*resource.Resource) bool
	first    []*resource.WatchEvent
	next     int
	restores int
	closed   bool
}

func (n *native) WatchList(
	ctx context.Context, typ resource.UnversionedType, at resource.Tenancy, prefix string,
) (resource.Watch, error) {
	if err := n.begin(ctx, resource.Strong); err != nil {
		return nil, err
	}
	defer n.mu.Unlock()
	w := &nativeWatch{n: n, matches: matching(typ, at, prefix), next: len(n.events), restores: n.restores}
	for _, r := range n.all(w.matches) {
		w.first = append(w.first, &resource.WatchEvent{Operation: resource.Upsert, Resource: r})
	}
	w.first = append(w.first, &resource.WatchEvent{Operation: resource.EndOfSnapshot})
	return w, nil
}

func (w *nativeWatch) Next(ctx context.Context) (*resource.WatchEvent, error) {
	for {
		event, changed, err := w.take()
		if event != nil || err != nil {
			return event, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (w *nativeWatch) take() (*resource.WatchEvent, <-chan struct{}, error) {
	w.n.mu.Lock()
	defer w.n.mu.Unlock()
	if w.closed || w.restores != w.n.restores {
		return nil, nil, resource.ErrWatchClosed
	}
	if len(w.first) > 0 {
		event := w.first[0]
		w.first = w.first[1:]
		return event, nil, nil
	}
	for w.next < len(w.n.events) {
		e := w.n.events[w.next]
		w.next++
		if r := decoded(e.encoded); w.matches(r) {
			return &resource.WatchEvent{Operation: e.operation, Resource: r}, nil, nil
		}
	}
	return nil, w.n.changed, nil
}

func (w *nativeWatch) Close() { w.closed = true }

type nativeSnapshot struct {
	rest    []*resource.Resource
	version string
}

func (n *native) Snapshot(ctx context.Context) (resource.Snapshot, error) {
	if err := n.begin(ctx, resource.Strong); err != nil {
		return nil, err
	}
	defer n.mu.Unlock()
	all := n.all(func(*resource.Resource) bool { return true })
	return &nativeSnapshot{all, strconv.FormatUint(n.version, 10)}, nil
}

func (s *nativeSnapshot) Next() (r *resource.Resource) {
	if len(s.rest) > 0 {
		r, s.rest = s.rest[0], s.rest[1:]
	}
	return r
}

func (s *nativeSnapshot) Len() int        { return len(s.rest) }
func (s *nativeSnapshot) Version() string { return s.version }

type nativeRestoration struct {
	n     *native
	list  []*resource.Resource
	above uint64
	over  bool
}

func (n *native) Restore() (resource.Restoration, error) { return &nativeRestoration{n: n}, nil }

func (r *nativeRestoration) Apply(res *resource.Resource) error {
	if r.over {
		return resource.ErrClosed
	}
	if _, err := encoded(res); err != nil || res == nil || res.Version == "" {
		return errors.Join(resource.ErrInvalid, err)
	}
	if _, err := strconv.ParseUint(res.Version, 10, 64); err == nil {
		if err := r.Above(res.Version); err != nil {
			return err
		}
	}
	one := *res
	r.list = append(r.list, &one)
	return nil
}

func (r *nativeRestoration) Above(version string) error {
	v, err := strconv.ParseUint(version, 10, 62)
	if err != nil {
		return resource.ErrInvalid
	}
	r.above = max(r.above, v)
	return nil
}

func (r *nativeRestoration) Abort() { r.over = true }

func (r *nativeRestoration) Commit(ctx context.Context) error {
	if r.over {
		return resource.ErrClosed
	}
	if err := r.n.begin(ctx, resource.Strong); err != nil {
		return err
	}
	defer r.n.mu.Unlock()
	r.over = true
	r.n.version = max(r.n.version, r.above)
	clear(r.n.stored)
	for _, res := range r.list {
		res.Version = r.n.next()
		value, err := encoded(res)
		if err != nil {
			return err
		}
		r.n.stored[keyOf(res.ID)] = value
	}
	r.n.restores++
	r.n.tell(nativeEvent{})
	return nil
}
