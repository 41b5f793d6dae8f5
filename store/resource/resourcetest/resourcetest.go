// Package resourcetest is the contract of resource.Backend as a test, for any
// implementation.
package resourcetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/replctl/replicate/store/resource"
)

// Harness says how to make what is tested.
type Harness struct {
	// New makes a fresh, empty backend that the test owns, and returns a function
	// that opens a new handle on it each time, as another process would. Handles that
	// are an io.Closer are closed at the end.
	New func(t *testing.T) (open func() resource.Backend)

	// Small does the same for a backend whose bounds are soon reached: a log that comes
	// round, a buffer of events. It may be nil, for New.
	Small func(t *testing.T) (open func() resource.Backend)

	// Slow backends (on a server behind a socket, a disk that is waited for) get
	// fewer rounds.
	Slow bool
}

// Run runs every test of the contract.
func Run(t *testing.T, h Harness) {
	if h.New == nil {
		t.Fatal("the harness has no New")
	}
	if h.Small == nil {
		h.Small = h.New
	}
	for name, test := range map[string]func(*testing.T, Harness){
		"Write":             testWrite,
		"UIDs":              testUIDs,
		"GroupVersions":     testGroupVersions,
		"Delete":            testDelete,
		"Versions":          testVersions,
		"List":              testList,
		"Peers":             testPeers,
		"Status":            testStatus,
		"Owners":            testOwners,
		"Invalid":           testInvalid,
		"Sizes":             testSizes,
		"Handles":           testHandles,
		"Cancelled":         testCancelled,
		"CreateRace":        testCreateRace,
		"Increments":        testIncrements,
		"OneHandle":         testOneHandle,
		"Watch":             testWatch,
		"WatchFilter":       testWatchFilter,
		"WatchReplay":       testWatchReplay,
		"Restore":           testRestore,
		"RestoreAbort":      testRestoreAbort,
		"RestoreConcurrent": testRestoreConcurrent,
		"RestoreVersions":   testRestoreVersions,
		"RestoreStream":     testRestoreStream,
	} {
		t.Run(name, func(t *testing.T) { test(t, h) })
	}
}

func (h Harness) rounds(n int) int {
	if h.Slow {
		return max(1, n/25)
	}
	return n
}

// handles are those of make, which are closed at the end.
func handles(t *testing.T, make func(t *testing.T) (open func() resource.Backend)) func() resource.Backend {
	open := make(t)
	return func() resource.Backend {
		b := open()
		if c, ok := b.(io.Closer); ok {
			t.Cleanup(func() { _ = c.Close() })
		}
		return b
	}
}

var (
	workload = resource.Type{Group: "demo", GroupVersion: "v1", Kind: "Workload"}
	service  = resource.Type{Group: "demo", GroupVersion: "v1", Kind: "Service"}
	home     = resource.Tenancy{Partition: "p1", Namespace: "n1"}
	anywhere = resource.Tenancy{Partition: resource.Wildcard, Namespace: resource.Wildcard}
)

func named(name string) resource.ID {
	return resource.ID{Type: workload, Tenancy: home, Name: name, UID: "uid of " + name}
}

func with(name, data string) *resource.Resource {
	return &resource.Resource{ID: named(name), Data: []byte(data)}
}

func write(t *testing.T, b resource.Backend, r *resource.Resource) *resource.Resource {
	t.Helper()
	stored, err := b.WriteCAS(t.Context(), r)
	if err != nil {
		t.Fatalf("WriteCAS(%s): %v", r.ID, err)
	}
	if stored.Version == "" || stored.Version == r.Version {
		t.Fatalf("WriteCAS(%s): got version %q after %q", r.ID, stored.Version, r.Version)
	}
	return stored
}

func remove(t *testing.T, b resource.Backend, r *resource.Resource) {
	t.Helper()
	if err := b.DeleteCAS(t.Context(), r.ID, r.Version); err != nil {
		t.Fatalf("DeleteCAS(%s): %v", r.ID, err)
	}
}

func read(t *testing.T, b resource.Backend, id resource.ID) *resource.Resource {
	t.Helper()
	r, err := b.Read(t.Context(), resource.Strong, id)
	if err != nil {
		t.Fatalf("Read(%s): %v", id, err)
	}
	return r
}

func list(
	t *testing.T, b resource.Backend, typ resource.Type, tenancy resource.Tenancy, prefix string,
) []*resource.Resource {
	t.Helper()
	l, err := b.List(t.Context(), resource.Strong, typ.Unversioned(), tenancy, prefix)
	if err != nil {
		t.Fatalf("List: %v", err)
	}
	return l
}

func names(list []*resource.Resource) []string {
	n := []string{}
	for _, r := range list {
		n = append(n, r.ID.Name)
	}
	return n
}

func wantIs(t *testing.T, what string, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("%s: got error %v, want one that is %q", what, err, target)
	}
}

func wantSame(t *testing.T, what string, got, want any) {
	t.Helper()
	if reflect.DeepEqual(want, got) {
		return // cmp takes a second for the bytes of large resources
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// nextWait is how long an event may take. One that was lost does not come later,
// so that it may be long.
const nextWait = time.Minute

func next(t *testing.T, w resource.Watch) *resource.WatchEvent {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), nextWait, errors.New("no event"))
	defer cancel()
	e, err := w.Next(ctx)
	if err != nil {
		t.Fatalf("Next: %v", err)
	}
	return e
}

// wantEvents checks the next events, written as "+name=data", "-name=data" and "|".
func wantEvents(t *testing.T, w resource.Watch, want ...string) {
	t.Helper()
	for i, text := range want {
		if got := describe(next(t, w)); got != text {
			t.Fatalf("event %d: got %s, want %s", i, got, text)
		}
	}
}

func describe(e *resource.WatchEvent) string {
	if e.Operation == resource.EndOfSnapshot {
		return "|"
	}
	sign := map[resource.Operation]string{resource.Upsert: "+", resource.Delete: "-"}[e.Operation]
	return fmt.Sprintf("%s%s=%s", sign, e.Resource.ID.Name, e.Resource.Data)
}

func watch(t *testing.T, b resource.Backend, tenancy resource.Tenancy, prefix string) resource.Watch {
	t.Helper()
	w, err := b.WatchList(t.Context(), workload.Unversioned(), tenancy, prefix)
	if err != nil {
		t.Fatalf("WatchList: %v", err)
	}
	return w
}

// wantClosed reads a watch until it is closed, which it has to be.
func wantClosed(t *testing.T, w resource.Watch) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), nextWait)
	defer cancel()
	for {
		if _, err := w.Next(ctx); err != nil {
			wantIs(t, "Next of what cannot go on", err, resource.ErrWatchClosed)
			break
		}
	}
	_, err := w.Next(ctx)
	wantIs(t, "Next again", err, resource.ErrWatchClosed)
}
