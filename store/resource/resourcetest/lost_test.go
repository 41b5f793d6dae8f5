package resourcetest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/cas/castest"
	"github.com/replctl/replicate/store/resource"
)

// testLostAnswers: the answer to a write is lost, or is a refusal because a proxy has
// repeated the request, and others write before it can be read back. What was applied
// is never called refused, and what is certain is never called unknown.
func testLostAnswers(t *testing.T, h engine) {
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
			open := h.records(t)
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

// testFaultyIncrements: with answers lost before and after writes, reported
// increments are in the sum once each, and of the others at most the indeterminate
// ones.
func testFaultyIncrements(t *testing.T, h engine) {
	open := h.records(t)
	id := write(t, opened(t, open(), small), with("counter", "0")).ID
	each := h.rounds(100)
	applied, unknown := 0, 0
	for _, counts := range castest.Results(racers, func(i int) (counts [2]int) {
		b := opened(t, castest.NewFaulty(open(), uint64(i)), small)
		for range each {
			switch _, err := increment(t.Context(), b, id); {
			case err == nil:
				counts[0]++
			case errors.Is(err, cas.ErrIndeterminate):
				counts[1]++
			default:
				t.Errorf("increment: %v", err)
			}
		}
		return counts
	}) {
		applied, unknown = applied+counts[0], unknown+counts[1]
	}
	if got := total(t, opened(t, open(), small), id); got < applied || got > applied+unknown {
		t.Errorf("the sum is %d after %d reported increments and %d unknown ones", got, applied, unknown)
	}
	if applied == 0 {
		t.Error("no increment got through")
	}
}

// testLaps: a handle that was away while the log came round, several times, finds
// its way, and so does a new one; what is stored does not grow.
func testLaps(t *testing.T, h engine) {
	store := h.records(t)
	open := func() *resource.Store { return opened(t, store(), small) }
	count := func() (n int) {
		for _, err := range store().List(t.Context(), "", "") {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		return n
	}
	b, away := open(), open()
	id := write(t, away, with("counter", "0")).ID
	for lap, size := 0, 0; lap < 2+h.rounds(25)/10; lap++ {
		for range small.LogRecords + 10 {
			if _, err := increment(t.Context(), b, id); err != nil {
				t.Fatal(err)
			}
		}
		wantSame(t, "a new handle", read(t, open(), id), read(t, b, id))
		wantSame(t, "one that was away", read(t, away, id), read(t, b, id))
		if lap == 0 {
			size = count()
		} else if now := count(); now > size+2 {
			t.Errorf("%d records after the first lap, now %d", size, now)
		}
	}
}

// testRestoreFaults has the store fail from its nth write on, in each way. What then
// is there is all or nothing, and nothing if Commit knows that it failed.
func testRestoreFaults(t *testing.T, h engine) {
	big := strings.Repeat("x", 300<<10) // a chunk each
	for _, fault := range []castest.Fault{
		castest.FailBefore, castest.LostBefore, castest.AppliedThenFail, castest.NotDurable,
	} {
		open := h.records(t)
		b := opened(t, open(), options)
		for i := range 2 {
			write(t, b, with(fmt.Sprintf("old-%d", i), big))
		}
		before := snapshot(t, b)
		after := make([]*resource.Resource, 0, 2)
		for i := range 2 {
			r := with(fmt.Sprintf("new-%d", i), big)
			r.Version = "1"
			after = append(after, r)
		}
		committed := false
		for n := 0; !committed && n < 20; n++ {
			committed = commitFailing(t, open, fault, n, before, after)
		}
		if !committed {
			t.Errorf("fault %d: Commit never succeeds", fault)
		}
		wantSame(t, "in the end", names(snapshot(t, opened(t, open(), options))), names(after))
	}
}

// commitFailing reports whether Commit succeeded although the nth write and all after it fail.
// If it is not known, before is restored for the next try.
func commitFailing(
	t *testing.T, open func() cas.Store, fault castest.Fault, n int, before, after []*resource.Resource,
) bool {
	t.Helper()
	var mu sync.Mutex
	writes := 0
	faulty := opened(t, &castest.Faulty{Store: open(), Decide: func(op, _ string) castest.Fault {
		mu.Lock()
		defer mu.Unlock()
		if op == "write" {
			writes++
		}
		if op == "write" && writes > n {
			return fault
		}
		return castest.None
	}}, options)
	r := restoration(t, faulty, after)
	err := r.Commit(t.Context())
	got := snapshot(t, opened(t, open(), options))
	switch {
	case err == nil:
		wantSame(t, "after Commit", names(got), names(after))
		return true
	case errors.Is(err, resource.ErrInconsistent):
		wantSame(t, "after a failed Commit", names(got), names(before))
	case errors.Is(err, cas.ErrIndeterminate):
		if names(got)[0] == names(after)[0] {
			wantSame(t, "after Commit, perhaps", names(got), names(after))
			if err := restoration(t, opened(t, open(), options), before).Commit(t.Context()); err != nil {
				t.Error(err)
			}
		} else {
			wantSame(t, "after Commit, perhaps not", names(got), names(before))
		}
	default:
		t.Errorf("Commit: %v", err)
	}
	if errors.Is(err, resource.ErrInconsistent) && errors.Is(err, cas.ErrIndeterminate) {
		t.Errorf("an error is certain and not: %v", err)
	}
	r.Abort()
	return false
}

// testClosed: closing a handle closes its watches.
func testClosed(t *testing.T, h engine) {
	b := opened(t, h.records(t)(), options)
	w := watch(t, b, anywhere, "")
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	wantClosed(t, w)
	_, err := b.WriteCAS(t.Context(), with("x", ""))
	wantIs(t, "WriteCAS after Close", err, resource.ErrClosed)
}

// testSlowWatch: a reader that is slower than the buffer allows is told so.
func testSlowWatch(t *testing.T, h engine) {
	b := handles(t, h.Small)()
	r := write(t, b, with("x", ""))
	slow, idle := watch(t, b, anywhere, ""), watch(t, b, anywhere, "")
	wantEvents(t, idle, "+x=", "|")
	for range small.WatchBuffer {
		r = write(t, b, r)
		wantEvents(t, idle, "+x=")
	}
	wantEvents(t, slow, "+x=", "|", "+x=") // just so
	write(t, b, write(t, b, r))
	wantClosed(t, slow)
	again := watch(t, b, anywhere, "")
	wantEvents(t, again, "+x=", "|")
	wantEvents(t, idle, "+x=", "+x=")
}

// testLappedWatch: so is one on a handle that has not looked while the log came round.
func testLappedWatch(t *testing.T, h engine) {
	open := handles(t, h.Small)
	b, away := open(), open()
	r := write(t, b, with("x", ""))
	w := watch(t, away, anywhere, "")
	wantEvents(t, w, "+x=", "|")
	for range small.LogRecords + 10 {
		r = write(t, b, r)
	}
	wantClosed(t, w)
	wantEvents(t, watch(t, away, anywhere, ""), "+x=", "|")
}
