package resource_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/store/internal/record"
	"github.com/replctl/replicate/store/resource"
)

// The program: a controller that gives each node an address, tells of it in the node's
// status, and deletes addresses whose node is gone. It is written against the contract
// alone.

var (
	nodes     = resource.Type{Group: "net", GroupVersion: "v1", Kind: "Node"}
	addresses = resource.Type{Group: "net", GroupVersion: "v1", Kind: "Address"}
	local     = resource.Tenancy{Partition: "default", Namespace: "default"}
)

type controller struct{ backend resource.Backend }

// run handles events of nodes until so many are gone.
func (c controller) run(ctx context.Context, ready chan<- struct{}, gone int) error {
	watch, err := c.backend.WatchList(ctx, nodes.Unversioned(), local, "")
	if err != nil {
		return err
	}
	defer watch.Close()
	close(ready)
	for gone > 0 {
		event, err := watch.Next(ctx)
		if err != nil {
			return err
		}
		switch event.Operation {
		case resource.Upsert:
			err = c.reconcile(ctx, event.Resource)
		case resource.Delete:
			gone--
			err = c.clean(ctx, event.Resource.ID)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", event.Resource.ID, err)
		}
	}
	return nil
}

func (c controller) reconcile(ctx context.Context, node *resource.Resource) error {
	if node.Status["addresses"].ObservedGeneration == node.Generation {
		return nil
	}
	address := &resource.Resource{
		ID: resource.ID{Type: addresses, Tenancy: local, Name: node.ID.Name}, Owner: &node.ID,
		Data: []byte("10.0.0.1"),
	}
	if _, err := c.backend.WriteCAS(ctx, address); err != nil && !errors.Is(err, resource.ErrCASFailure) {
		return err
	}
	node.Status = map[string]resource.Status{"addresses": {
		ObservedGeneration: node.Generation,
		Conditions:         []resource.Condition{{Type: "Assigned", State: resource.StateTrue}},
	}}
	if _, err := c.backend.WriteCAS(ctx, node); !errors.Is(err, resource.ErrCASFailure) {
		return err
	}
	return nil // it has changed meanwhile: there will be an event
}

func (c controller) clean(ctx context.Context, owner resource.ID) error {
	owned, err := c.backend.ListByOwner(ctx, owner)
	for _, r := range owned {
		err = errors.Join(err, c.backend.DeleteCAS(ctx, r.ID, r.Version))
	}
	return err
}

func TestContract(t *testing.T) {
	for name, backend := range map[string]resource.Backend{
		"memory": opened(t, new(cas.Memory), resource.Options{}),
		"file":   opened(t, file.NewRecords(t.TempDir(), file.Options{}), resource.Options{}),
		"native": newNative(),
	} {
		t.Run(name, func(t *testing.T) { testController(t, backend) })
	}
}

func opened(t *testing.T, s cas.Store, opts resource.Options) *resource.Store {
	t.Helper()
	b, err := resource.Open(s, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func testController(t *testing.T, backend resource.Backend) {
	ctx := t.Context()
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- controller{backend}.run(ctx, ready, 2) }()
	select {
	case <-ready:
	case err := <-done:
		t.Fatal(err)
	}
	assigned := []resource.Condition{{Type: "Assigned", State: resource.StateTrue}}
	for _, name := range []string{"a", "b"} {
		id := resource.ID{Type: nodes, Tenancy: local, Name: name, UID: "1"}
		if _, err := backend.WriteCAS(ctx, &resource.Resource{ID: id, Generation: "g1"}); err != nil {
			t.Fatal(err)
		}
		watch, err := backend.WatchList(ctx, nodes.Unversioned(), local, name)
		if err != nil {
			t.Fatal(err)
		}
		var node *resource.Resource
		for node == nil || len(node.Status) == 0 {
			event, err := watch.Next(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if event.Operation == resource.Upsert {
				node = event.Resource
			}
		}
		if got := node.Status["addresses"].Conditions; !slices.Equal(got, assigned) {
			t.Errorf("node %s: %+v", name, got)
		}
		if err := backend.DeleteCAS(ctx, node.ID, node.Version); err != nil {
			t.Error(err)
		}
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	left, err := backend.List(ctx, resource.Strong, addresses.Unversioned(), local, "")
	if len(left) != 0 || err != nil {
		t.Errorf("addresses that are left: %v, %v", left, err)
	}
}

// TestZero: what Open has not made returns errors, and no other zero value panics.
func TestZero(t *testing.T) {
	var s resource.Store
	ctx, id := t.Context(), resource.ID{Type: nodes, Tenancy: local, Name: "x"}
	_, readErr := s.Read(ctx, resource.Strong, id)
	_, writeErr := s.WriteCAS(ctx, &resource.Resource{ID: id})
	_, listErr := s.List(ctx, resource.Eventual, nodes.Unversioned(), local, "")
	_, ownedErr := s.ListByOwner(ctx, id)
	_, watchErr := s.WatchList(ctx, nodes.Unversioned(), local, "")
	_, snapshotErr := s.Snapshot(ctx)
	_, restoreErr := s.Restore()
	_, openErr := resource.Open(nil, resource.Options{})
	for i, err := range []error{
		readErr, writeErr, listErr, ownedErr, watchErr, snapshotErr, restoreErr, openErr,
		s.DeleteCAS(ctx, id, "1"), s.Close(),
	} {
		if !errors.Is(err, record.ErrNoStore) {
			t.Errorf("method %d: %v", i, err)
		}
	}
	if got := (resource.GroupVersionMismatchError{}).Error(); !strings.Contains(got, "another") {
		t.Errorf("a mismatch without a resource: %q", got)
	}
	var m resource.Machine
	watch := m.WatchList(nodes.Unversioned(), local, "")
	if _, err := m.Read(id); !errors.Is(err, resource.ErrNotFound) {
		t.Errorf("a zero machine: %v", err)
	}
	if r, err := m.Write(&resource.Resource{ID: id}, 3); err != nil || r.Version != "3" || m.Version() != 3 {
		t.Errorf("a zero machine writes %v, %v", r, err)
	}
	if _, err := watch.Next(ctx); !errors.Is(err, resource.ErrWatchClosed) {
		t.Errorf("a watch of a zero machine: %v", err)
	}
	if _, err := s.WriteCAS(ctx, nil); !errors.Is(err, resource.ErrInvalid) {
		t.Errorf("WriteCAS of nil: %v", err)
	}
}
