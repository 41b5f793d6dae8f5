// Package resourcetest is the contract of resource.Backend as a test. It tests any
// implementation: a [resource.Store] over an engine, from several handles at once and
// with answers lost on the way, or a backend without an engine.
package resourcetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/store/resource"
)

// Harness says how to make what is tested. One of New and Records is set.
type Harness struct {
	// New makes a fresh, empty backend that the test owns, and returns a function
	// that opens a new handle on it each time, as another process would. Handles that
	// are an io.Closer are closed at the end.
	New func(t *testing.T) (open func() resource.Backend)

	// Records makes a fresh, empty cas.Store in the same way, for a resource.Store. Only
	// with Records do the tests run that make requests to the store fail, look at its
	// records, or need what a resource.Store has beyond the contract.
	Records func(t *testing.T) (open func() cas.Store)

	// Slow backends (on a server behind a socket, a disk that is waited for) get
	// fewer rounds.
	Slow bool
}

// Run runs every test of the contract.
func Run(t *testing.T, h Harness) {
	if h.New == nil && h.Records == nil {
		t.Fatal("the harness has neither New nor Records")
	}
	tests := map[string]func(*testing.T, Harness){
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
	}
	if h.Records != nil {
		maps.Copy(tests, overRecords)
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { test(t, h) })
	}
}

// overRecords are the tests that need the records below.
var overRecords = map[string]func(*testing.T, Harness){
	"Closed":           testClosed,
	"FaultyIncrements": testFaultyIncrements,
	"Laps":             testLaps,
	"LappedWatch":      testLappedWatch,
	"LostAnswers":      testLostAnswers,
	"OlderCopy":        testOlderCopy,
	"RestoreFaults":    testRestoreFaults,
	"SlowWatch":        testSlowWatch,
}

func (h Harness) rounds(n int) int {
	if h.Slow {
		return max(1, n/25)
	}
	return n
}

// options are the options of tests that do not wait for polls.
var options = resource.Options{Interval: 5 * time.Millisecond}

// small is a log that comes round soon, and a buffer that is soon too small.
var small = resource.Options{Interval: 5 * time.Millisecond, LogRecords: 64, WatchBuffer: 16}

func opened(t *testing.T, s cas.Store, opts resource.Options) *resource.Store {
	t.Helper()
	b, err := resource.Open(s, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return b
}

// handles returns a function that opens handles on one new backend. The options are
// for a resource.Store.
func (h Harness) handles(t *testing.T, opts resource.Options) func() resource.Backend {
	if h.New == nil {
		open := h.Records(t)
		return func() resource.Backend { return opened(t, open(), opts) }
	}
	open := h.New(t)
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
