package resource_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/store/resource"
)

// A controller watches a type, while somebody else changes it from another handle.
func Example() {
	ctx := context.Background()
	records := new(cas.Memory) // or a directory, or a bucket

	controller, err := resource.Open(records, resource.Options{})
	if err != nil {
		panic(err)
	}
	defer controller.Close()
	workloads := resource.Type{Group: "catalog", GroupVersion: "v1", Kind: "Workload"}
	everywhere := resource.Tenancy{Partition: resource.Wildcard, Namespace: resource.Wildcard}
	watch, err := controller.WatchList(ctx, workloads.Unversioned(), everywhere, "api-")
	if err != nil {
		panic(err)
	}

	user, err := resource.Open(records, resource.Options{})
	if err != nil {
		panic(err)
	}
	defer user.Close()
	shop := resource.Tenancy{Partition: "default", Namespace: "shop"}
	created, err := user.WriteCAS(ctx, &resource.Resource{
		ID:   resource.ID{Type: workloads, Tenancy: shop, Name: "api-1", UID: "7f3a"},
		Data: []byte("port 80"),
	})
	if err != nil {
		panic(err)
	}
	changed := *created
	changed.Data = []byte("port 8080")
	if _, err := user.WriteCAS(ctx, &changed); err != nil {
		panic(err)
	}
	_, err = user.WriteCAS(ctx, &changed) // its version is the one before
	fmt.Println("again:", errors.Is(err, resource.ErrCASFailure))

	for range 3 {
		event, err := watch.Next(ctx)
		if err != nil {
			panic(err) // if it is ErrWatchClosed, WatchList again
		}
		if event.Operation == resource.EndOfSnapshot {
			fmt.Println("up to date")
			continue
		}
		fmt.Printf("%s: %s\n", event.Resource.ID.Name, event.Resource.Data)
	}
	// Output:
	// again: true
	// up to date
	// api-1: port 80
	// api-1: port 8080
}

// A snapshot is kept as a file, and restored into another store.
func ExampleWriteSnapshot() {
	ctx := context.Background()
	source, err := resource.Open(new(cas.Memory), resource.Options{})
	if err != nil {
		panic(err)
	}
	defer source.Close()
	id := resource.ID{Type: resource.Type{Kind: "Node"}, Name: "a"}
	if _, err := source.WriteCAS(ctx, &resource.Resource{ID: id, Data: []byte("rack 7")}); err != nil {
		panic(err)
	}
	snapshot, err := source.Snapshot(ctx)
	if err != nil {
		panic(err)
	}
	var file bytes.Buffer
	if err := resource.WriteSnapshot(&file, snapshot); err != nil {
		panic(err)
	}

	target, err := resource.Open(new(cas.Memory), resource.Options{})
	if err != nil {
		panic(err)
	}
	defer target.Close()
	restoration, err := target.Restore()
	if err != nil {
		panic(err)
	}
	if err := resource.ReadSnapshot(&file, restoration); err != nil {
		panic(err)
	}
	if err := restoration.Commit(ctx); err != nil {
		panic(err)
	}
	node, err := target.Read(ctx, resource.Strong, id)
	fmt.Println(string(node.Data), err)
	// Output: rack 7 <nil>
}

// A snapshot of one store becomes the content of another, all at one instant. What was
// known of either store's resources before is out of date: a write with an old version
// is refused.
func ExampleRestoration() {
	ctx := context.Background()
	node := func(name string) *resource.Resource {
		return &resource.Resource{ID: resource.ID{Type: resource.Type{Kind: "Node"}, Name: name}}
	}
	source, err := resource.Open(new(cas.Memory), resource.Options{})
	if err != nil {
		panic(err)
	}
	defer source.Close()
	for _, name := range []string{"a", "b"} {
		if _, err := source.WriteCAS(ctx, node(name)); err != nil {
			panic(err)
		}
	}
	snapshot, err := source.Snapshot(ctx)
	if err != nil {
		panic(err)
	}

	target, err := resource.Open(new(cas.Memory), resource.Options{})
	if err != nil {
		panic(err)
	}
	defer target.Close()
	stale, err := target.WriteCAS(ctx, node("a")) // version 1, as in the source
	if err != nil {
		panic(err)
	}
	restoration, err := target.Restore()
	if err != nil {
		panic(err)
	}
	defer restoration.Abort()
	if err := restoration.Above(snapshot.Version()); err != nil {
		panic(err)
	}
	for r := snapshot.Next(); r != nil; r = snapshot.Next() {
		if err := restoration.Apply(r); err != nil {
			panic(err)
		}
	}
	if err := restoration.Commit(ctx); err != nil {
		panic(err)
	}
	nodes, err := target.List(ctx, resource.Strong, resource.UnversionedType{Kind: "Node"}, resource.Tenancy{}, "")
	if err != nil {
		panic(err)
	}
	for _, n := range nodes {
		fmt.Println("node", n.ID.Name, "version", n.Version)
	}
	_, err = target.WriteCAS(ctx, stale)
	fmt.Println("stale write refused:", errors.Is(err, resource.ErrCASFailure))
	// Output:
	// node a version 3
	// node b version 4
	// stale write refused: true
}
