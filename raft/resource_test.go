package raft_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/replctl/replicate/internal/rafttest"
	"github.com/replctl/replicate/raft"
	"github.com/replctl/replicate/store/resource"
	"github.com/replctl/replicate/store/resource/raftbackend"
	"github.com/replctl/replicate/store/resource/resourcetest"
)

// startResources starts a cluster whose nodes have resources, and returns their backends.
func startResources(t *testing.T, change func(cfg *raft.Config)) (*rafttest.Cluster, []*raftbackend.Backend) {
	t.Helper()
	var mu sync.Mutex
	backends := make([]*raftbackend.Backend, 3)
	c := rafttest.Start(t, rafttest.Options{Change: func(i int, cfg *raft.Config) {
		change(cfg)
		cfg.Part = func(h *raft.Handle) (raft.Part, error) {
			b, err := raftbackend.NewBackend(raftbackend.CASOutcomes(h), slog.New(slog.DiscardHandler))
			if err != nil {
				return nil, err
			}
			ctx, cancel := context.WithCancel(context.Background())
			t.Cleanup(cancel)
			go b.Run(ctx)
			mu.Lock()
			defer mu.Unlock()
			backends[i] = b
			return raftbackend.Part{Backend: b}, nil
		}
	}})
	return c, backends
}

// TestResources: the contract of resources on three nodes, by the log that the records have, too. Two
// clusters take turns, since some tests have two stores; each is emptied before it is used again.
func TestResources(t *testing.T) {
	t.Parallel()
	var clusters [2][]*raftbackend.Backend
	for i := range clusters {
		_, clusters[i] = startResources(t, func(*raft.Config) {})
	}
	turn := 0
	resourcetest.Run(t, resourcetest.Harness{Slow: true, New: func(t *testing.T) func() resource.Backend {
		backends := clusters[turn%2]
		turn++
		empty(t, raftbackend.Resources{Backend: backends[0]})
		var next atomic.Int64
		return func() resource.Backend {
			return raftbackend.Resources{Backend: backends[next.Add(1)%int64(len(backends))]}
		}
	}})
}

// empty has a cluster forget its resources.
func empty(t *testing.T, r raftbackend.Resources) {
	t.Helper()
	nothing, err := r.Restore()
	if err == nil {
		err = nothing.Commit(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestResourcesInSnapshots: a node that was empty has the resources that only a snapshot has.
func TestResourcesInSnapshots(t *testing.T) {
	t.Parallel()
	c, backends := startResources(t, func(cfg *raft.Config) { cfg.Trailing = 1 })
	typ := resource.Type{Group: "g", GroupVersion: "v1", Kind: "k"}
	const n = 20
	for i := range n {
		b := raftbackend.Resources{Backend: backends[i%3]}
		id := resource.ID{Type: typ, Name: fmt.Sprint("r", i), UID: fmt.Sprint("u", i)}
		if _, err := b.WriteCAS(t.Context(), &resource.Resource{ID: id}); err != nil {
			t.Fatal(err)
		}
	}
	lost := (c.Leader() + 1) % 3
	for i := range 3 {
		if err := c.Node(i).Snapshot(t.Context(), io.Discard); err != nil {
			t.Fatal(err)
		}
	}
	c.Lose(lost)
	c.Open(lost)
	c.WaitVoters()
	list, err := raftbackend.Resources{Backend: backends[lost]}.List(
		t.Context(), resource.Strong, resource.UnversionedType{Group: "g", Kind: "k"}, resource.Tenancy{}, "")
	if err != nil || len(list) != n {
		t.Errorf("the node that was empty has %d resources, want %d (%v)", len(list), n, err)
	}
}
