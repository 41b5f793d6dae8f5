package raftbackend_test

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"google.golang.org/grpc"

	"github.com/replctl/replicate/store/resource"
	"github.com/replctl/replicate/store/resource/raftbackend"
)

// alone is a Raft host of one node, which keeps no log. A real one appends the message,
// and calls Backend.Apply from its state machine when the entry is committed.
type alone struct {
	backend *raftbackend.Backend
	mu      sync.Mutex
	index   uint64
}

func (a *alone) Apply(msg []byte) (any, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.index++
	return a.backend.Apply(msg, a.index), nil
}

func (a *alone) IsLeader() bool                                { return true }
func (a *alone) EnsureStrongConsistency(context.Context) error { return nil }
func (a *alone) DialLeader() (*grpc.ClientConn, error)         { return nil, errors.New("this node leads") }

func Example() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	host := new(alone)
	backend, err := raftbackend.NewBackend(host, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	host.backend = backend
	go backend.Run(ctx)

	id := resource.ID{Type: resource.Type{Group: "net", GroupVersion: "v1", Kind: "Node"}, Name: "a"}
	first, err := backend.WriteCAS(ctx, &resource.Resource{ID: id, Data: []byte("10.0.0.1")})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("version", first.Version)
	_, err = backend.WriteCAS(ctx, &resource.Resource{ID: id})
	fmt.Println("created again:", errors.Is(err, resource.ErrCASFailure))

	// A node that starts from a snapshot.
	snapshot, err := backend.Snapshot()
	if err != nil {
		fmt.Println(err)
		return
	}
	other, err := raftbackend.NewBackend(nil, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	restoration, err := other.Restore()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer restoration.Abort()
	for record, err := snapshot.Next(); record != nil; record, err = snapshot.Next() {
		if err := errors.Join(err, restoration.Apply(record)); err != nil {
			fmt.Println(err)
			return
		}
	}
	fmt.Println("restored:", restoration.Commit())
	// Output:
	// version 1
	// created again: true
	// restored: <nil>
}
