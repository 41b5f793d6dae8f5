package raftbackend

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/replctl/replicate/store/resource"
)

// TestNoHost: without a Handle, and as a zero value, everything but restoring returns an error.
func TestNoHost(t *testing.T) {
	for name, r := range map[string]Resources{"zero": {}, "zero backend": {new(Backend)}, "no handle": {bare(t)}} {
		ctx, id := t.Context(), idOf("a")
		_, readErr := r.Read(ctx, resource.Eventual, id)
		_, writeErr := r.WriteCAS(ctx, &resource.Resource{ID: id})
		_, listErr := r.List(ctx, resource.Strong, typ.Unversioned(), anywhere, "")
		_, ownedErr := r.ListByOwner(ctx, id)
		_, watchErr := r.WatchList(ctx, typ.Unversioned(), anywhere, "")
		_, snapshotErr := r.Snapshot(ctx)
		_, restoreErr := r.Restore()
		for i, err := range []error{
			readErr, writeErr, listErr, ownedErr, watchErr, snapshotErr, restoreErr, r.DeleteCAS(ctx, id, "1"),
		} {
			if !errors.Is(err, resource.ErrInconsistent) {
				t.Errorf("%s, method %d: %v", name, i, err)
			}
		}
	}
	var b Backend
	_, snapshotErr := b.Snapshot()
	_, restoreErr := b.Restore()
	_, nextErr := new(Snapshot).Next()
	result, _ := b.Apply(sampleLog()[0], 1).(error)
	for i, err := range []error{
		snapshotErr, restoreErr, nextErr, result, new(Restoration).Apply(nil), new(Restoration).Commit(),
	} {
		if err == nil {
			t.Errorf("zero value %d returns no error", i)
		}
	}
	new(Restoration).Abort()
	b.LeaderChanged()
	b.Run(t.Context())
	ours, theirs := net.Pipe()
	b.HandleConnection(ours)
	if _, err := theirs.Read(make([]byte, 1)); err == nil {
		t.Error("a zero backend keeps a connection open")
	}
}

// TestRunEnds: with its context, and with it the watches, the connections and all calls.
func TestRunEnds(t *testing.T) {
	c := newCluster(t, 1, false)
	b, err := NewBackend(c.nodes[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		b.Run(ctx)
		close(done)
	}()
	w, err := b.WatchList(t.Context(), typ.Unversioned(), anywhere, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Next(t.Context()); err != nil {
		t.Error(err)
	}
	ours, theirs := net.Pipe()
	b.HandleConnection(ours)
	cancel()
	<-done
	if _, err := w.Next(t.Context()); !errors.Is(err, resource.ErrWatchClosed) {
		t.Errorf("a watch: %v", err)
	}
	for range 100 { // what the server has sent before
		if _, err = theirs.Read(make([]byte, 4096)); err != nil {
			break
		}
	}
	if err == nil {
		t.Error("a connection is still open")
	}
	late, other := net.Pipe()
	b.HandleConnection(late)
	if _, err := other.Read(make([]byte, 1)); err == nil {
		t.Error("a late connection is kept open")
	}
	if _, err := b.Read(t.Context(), resource.Eventual, idOf("a")); !errors.Is(err, resource.ErrClosed) {
		t.Errorf("a read: %v", err)
	}
}

// TestFollowerWaits: a follower that cannot follow says so when the caller's time is over, and a
// write that the leader has acknowledged counts all the same.
func TestFollowerWaits(t *testing.T) {
	c := newCluster(t, 2, false)
	follower := c.nodes[1]
	c.change(func() { follower.stopped = true })
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_ = c.wait(t.Context(), func() bool { return c.nodes[0].applied > 0 })
		cancel() // before or after the leader's answer is here
	}()
	stored, err := follower.WriteCAS(ctx, &resource.Resource{ID: idOf("a")})
	if err == nil && stored.Version != "1" {
		t.Errorf("a write: got version %s", stored.Version)
	}
	if errors.Is(err, resource.ErrInconsistent) {
		t.Errorf("a write that was applied: %v", err)
	}
	gone, leave := context.WithCancelCause(t.Context())
	left := errors.New("the caller has left")
	go leave(left)
	if _, err := follower.List(gone, resource.Strong, typ.Unversioned(), anywhere, ""); !errors.Is(err, left) {
		t.Errorf("a list: %v", err)
	}
	c.change(func() { follower.stopped = false })
	if got := listOf(t, follower.Resources); len(got) != 1 {
		t.Errorf("the list of the follower has %d resources, want 1", len(got))
	}
}
