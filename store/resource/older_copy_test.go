package resource_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync/atomic"
	"testing"
	"time"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/store/resource"
)

// exchanged is a store that is replaced by another one while it is open.
type exchanged struct{ now atomic.Pointer[cas.Store] }

func (e *exchanged) by(s cas.Store) { e.now.Store(&s) }

func (e *exchanged) Read(ctx context.Context, key string, known cas.Token) (cas.Record, error) {
	return (*e.now.Load()).Read(ctx, key, known)
}

func (e *exchanged) Write(ctx context.Context, key string, value []byte, expect cas.Token) (cas.Written, error) {
	return (*e.now.Load()).Write(ctx, key, value, expect)
}

func (e *exchanged) List(ctx context.Context, prefix, after string) iter.Seq2[cas.Entry, error] {
	return (*e.now.Load()).List(ctx, prefix, after)
}

func TestOlderCopy(t *testing.T) {
	t.Run("Memory", func(t *testing.T) { testOlderCopy(t, memory) })
	t.Run("File", func(t *testing.T) { testOlderCopy(t, directory) })
	t.Run("S3", func(t *testing.T) { testOlderCopy(t, fakeS3) })
}

// testOlderCopy: a store is replaced by an older copy of itself under a running handle,
// and another handle writes to the copy. Whichever writes first, the other finds that
// there are two histories, and does not mix them.
func testOlderCopy(t *testing.T, engine func(t *testing.T) func() cas.Store) {
	for name, runningFirst := range map[string]bool{
		"the running handle writes first": true, "the new one writes first": false,
	} {
		t.Run(name, func(t *testing.T) {
			original, older := engine(t)(), engine(t)()
			store := new(exchanged)
			store.by(original)
			running := opened(t, store, options)
			for i := range 3 {
				write(t, running, with(fmt.Sprintf("both-%d", i), ""))
			}
			copyAll(t, original, older)
			for i := range 3 {
				write(t, running, with(fmt.Sprintf("lost-%d", i), ""))
			}
			store.by(older)
			fresh := opened(t, older, options)
			for i := range 3 {
				write(t, fresh, with(fmt.Sprintf("new-%d", i), ""))
			}
			first, second := running, fresh
			if !runningFirst {
				first, second = fresh, running
			}
			write(t, first, with("first", ""))
			_, err := second.WriteCAS(t.Context(), with("second", ""))
			wantCorrupt(t, "WriteCAS to a log with two histories", err)
			_, err = second.List(t.Context(), resource.Strong, named("x").Type.Unversioned(), resource.Tenancy{}, "")
			wantCorrupt(t, "List of a log with two histories", err)
		})
	}
	t.Run("the running handle makes a checkpoint", func(t *testing.T) { testCheckpointOnOlderCopy(t, engine) })
	t.Run("nothing was written since", func(t *testing.T) { testEmptyCopy(t, engine) })
}

// testCheckpointOnOlderCopy: a running handle whose checkpoints are ahead of those of the
// copy does not put its own in their place.
func testCheckpointOnOlderCopy(t *testing.T, engine func(t *testing.T) func() cas.Store) {
	original, older := engine(t)(), engine(t)()
	store := new(exchanged)
	store.by(original)
	running := opened(t, store, small)
	r := write(t, running, with("x", "both"))
	rewrite := func(data string, n int) (err error) {
		for range n {
			r.Data = []byte(data)
			next, writeErr := running.WriteCAS(t.Context(), r)
			if writeErr != nil {
				return writeErr
			}
			r = next
		}
		return nil
	}
	if err := rewrite("both", 10); err != nil {
		t.Fatal(err)
	}
	if err := running.Close(); err != nil { // so that no checkpoint is under way
		t.Fatal(err)
	}
	copyAll(t, original, older)
	running = opened(t, store, small)
	if err := rewrite("lost", 10); err != nil {
		t.Fatal(err)
	}
	read(t, running, r.ID) // waits for a checkpoint that is under way
	store.by(older)
	var err error
	for range 3 * small.LogRecords {
		if err = rewrite("lost", 1); errors.Is(err, resource.ErrCorrupt) {
			break
		}
	}
	wantCorrupt(t, "the writes of a handle that is ahead of the store", err)
	if got := read(t, opened(t, older, small), r.ID); string(got.Data) != "both" {
		t.Errorf("a new handle finds %q", got.Data)
	}
}

// testEmptyCopy: a store that is empty all of a sudden.
func testEmptyCopy(t *testing.T, engine func(t *testing.T) func() cas.Store) {
	original, older := engine(t)(), engine(t)()
	copyAll(t, original, older)
	store := new(exchanged)
	store.by(original)
	running := opened(t, store, small)
	r := write(t, running, with("x", ""))
	for range small.LogRecords + 1 { // so that there is a checkpoint
		r = write(t, running, r)
	}
	store.by(older)
	_, err := running.WriteCAS(t.Context(), r)
	wantCorrupt(t, "WriteCAS to a store that is empty", err)
}

func copyAll(t *testing.T, from, to cas.Store) {
	t.Helper()
	for e, err := range from.List(t.Context(), "", "") {
		if err != nil {
			t.Fatal(err)
		}
		r, err := from.Read(t.Context(), e.Key, "")
		if err == nil {
			_, err = to.Write(t.Context(), e.Key, r.Value, "")
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// options are the options of tests that do not wait for polls.
var options = resource.Options{Interval: 5 * time.Millisecond}

// small is a log that comes round soon, and a buffer that is soon too small.
var small = resource.Options{Interval: 5 * time.Millisecond, LogRecords: 64, WatchBuffer: 16}

func named(name string) resource.ID {
	return resource.ID{Type: resource.Type{Group: "demo", GroupVersion: "v1", Kind: "Workload"}, Name: name}
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

func read(t *testing.T, b resource.Backend, id resource.ID) *resource.Resource {
	t.Helper()
	r, err := b.Read(t.Context(), resource.Strong, id)
	if err != nil {
		t.Fatalf("Read(%s): %v", id, err)
	}
	return r
}

func wantCorrupt(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, resource.ErrCorrupt) {
		t.Errorf("%s: got error %v, want ErrCorrupt", what, err)
	}
}
