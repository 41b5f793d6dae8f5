package resourcetest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/cas/castest"
	"github.com/replctl/replicate/store/resource"
)

// testLostAnswers: the answer to a write is lost, or is a refusal because a proxy has
// repeated the request, and others write before it can be read back. What was applied
// is never called refused, and what is certain is never called unknown.
func testLostAnswers(t *testing.T, h Harness) {
	for _, c := range []struct {
		fault  castest.Fault
		others int
		want   error
	}{
		{castest.AppliedThenReplaced, 1, nil},
		{castest.AppliedThenReplaced, 3, nil},
		{castest.AppliedThenReplaced, small.LogRecords + 1, cas.ErrIndeterminate}, // the log has come round
		{castest.LostBefore, 1, resource.ErrCASFailure},
		{castest.LostBefore, 3, resource.ErrCASFailure},
		{castest.NotDurable, 0, cas.ErrIndeterminate},
	} {
		t.Run(fmt.Sprintf("fault %d, then %d", c.fault, c.others), func(t *testing.T) {
			open := h.Records(t)
			other := opened(t, open(), small)
			r := write(t, other, with("x", "old"))
			id, writes := r.ID, 0
			crowd := func() {
				for range c.others {
					now := read(t, other, id)
					now.Data = []byte("theirs")
					write(t, other, now)
				}
			}
			decide := func(op, key string) castest.Fault {
				if op == "write" && strings.HasPrefix(key, "resource/log/") {
					if writes++; writes == 1 {
						if c.fault == castest.LostBefore {
							crowd()
						}
						return c.fault
					}
				}
				return castest.None
			}
			faulty := &castest.Faulty{Store: open(), Between: func(string) { crowd() }, Decide: decide}
			mine := opened(t, faulty, small)
			read(t, mine, id) // so that it is up to date
			r.Data = []byte("mine")
			_, err := mine.WriteCAS(t.Context(), r)
			if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
				t.Errorf("got error %v, want %v", err, c.want)
			}
			unknown := errors.Is(err, cas.ErrIndeterminate)
			if unknown != errors.Is(c.want, cas.ErrIndeterminate) || unknown && errors.Is(err, resource.ErrCASFailure) {
				t.Errorf("unknown: %v, with error %v, want %v", unknown, err, c.want)
			}
		})
	}
}

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

// testOlderCopy: a store is replaced by an older copy of itself under a running handle,
// and another handle writes to the copy. Whichever writes first, the other finds that
// there are two histories, and does not mix them.
func testOlderCopy(t *testing.T, h Harness) {
	for name, runningFirst := range map[string]bool{
		"the running handle writes first": true, "the new one writes first": false,
	} {
		t.Run(name, func(t *testing.T) {
			original, older := h.Records(t)(), h.Records(t)()
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
			wantIs(t, "WriteCAS to a log with two histories", err, resource.ErrCorrupt)
			_, err = second.List(t.Context(), resource.Strong, workload.Unversioned(), anywhere, "")
			wantIs(t, "List of a log with two histories", err, resource.ErrCorrupt)
		})
	}
	t.Run("the running handle makes a checkpoint", func(t *testing.T) { testCheckpointOnOlderCopy(t, h) })
	t.Run("nothing was written since", func(t *testing.T) { testEmptyCopy(t, h) })
}

// testCheckpointOnOlderCopy: a running handle whose checkpoints are ahead of those of the
// copy does not put its own in their place.
func testCheckpointOnOlderCopy(t *testing.T, h Harness) {
	original, older := h.Records(t)(), h.Records(t)()
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
	wantIs(t, "the writes of a handle that is ahead of the store", err, resource.ErrCorrupt)
	wantSame(t, "what a new handle finds", string(read(t, opened(t, older, small), r.ID).Data), "both")
}

// testEmptyCopy: a store that is empty all of a sudden.
func testEmptyCopy(t *testing.T, h Harness) {
	original, older := h.Records(t)(), h.Records(t)()
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
	wantIs(t, "WriteCAS to a store that is empty", err, resource.ErrCorrupt)
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
