package resourcetest

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/replctl/replicate/cas/castest"
	"github.com/replctl/replicate/store/resource"
)

// testWatch: the snapshot, then every change in order, by whichever handle.
func testWatch(t *testing.T, h Harness) {
	open := handles(t, h.New)
	b, other := open(), open()
	empty := watch(t, other, anywhere, "")
	one := write(t, b, with("one", "1"))
	two := write(t, b, with("two", "1"))
	remove(t, b, write(t, b, with("gone", "1")))
	own, foreign := watch(t, b, anywhere, ""), watch(t, other, anywhere, "")
	one.Data = []byte("2")
	one = write(t, other, one)
	one.Data = []byte("3")
	one = write(t, b, one)
	remove(t, b, one)
	write(t, other, with("one", "4"))
	remove(t, other, two)
	changes := []string{"+one=2", "+one=3", "-one=3", "+one=4", "-two=1"}
	wantEvents(t, own, append([]string{"+one=1", "+two=1", "|"}, changes...)...)
	wantEvents(t, foreign, append([]string{"+one=1", "+two=1", "|"}, changes...)...)
	wantEvents(t, empty, append([]string{"|", "+one=1", "+two=1", "+gone=1", "-gone=1"}, changes...)...)

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := own.Next(ctx)
	wantIs(t, "Next without a change", err, context.DeadlineExceeded)
	write(t, other, with("late", ""))
	for _, w := range []resource.Watch{own, foreign} {
		e := next(t, w)
		wantSame(t, "a late event", describe(e), "+late=")
		got, err := b.Read(t.Context(), resource.Eventual, e.Resource.ID)
		if w == own && (err != nil || got.Version != e.Resource.Version) {
			t.Errorf("an eventual read after the event: %v, %v", got, err)
		}
	}
	own.Close()
	wantClosed(t, own)
}

func testWatchFilter(t *testing.T, h Harness) {
	open := handles(t, h.New)
	b := open()
	put := func(typ resource.Type, partition, namespace, name string) {
		at := resource.Tenancy{Partition: partition, Namespace: namespace}
		write(t, b, &resource.Resource{ID: resource.ID{Type: typ, Tenancy: at, Name: name}})
	}
	put(workload, "p1", "n1", "a1")
	all := watch(t, b, anywhere, "")
	partition := watch(t, b, resource.Tenancy{Partition: "p1", Namespace: "*"}, "a")
	exact := watch(t, b, home, "a2")
	put(service, "p1", "n1", "a2")
	put(workload, "p2", "n1", "a2")
	put(workload, "p1", "n2", "a3")
	put(workload, "p1", "n1", "b1")
	newer := workload
	newer.GroupVersion = "v2"
	put(newer, "p1", "n1", "a2")
	wantEvents(t, all, "+a1=", "|", "+a2=", "+a3=", "+b1=", "+a2=")
	wantEvents(t, partition, "+a1=", "|", "+a3=", "+a2=")
	wantEvents(t, exact, "|", "+a2=")
}

// replay is what the events of a watch amount to.
type replay struct {
	resources map[string]*resource.Resource
	live      bool // behind the snapshot
	writes    int  // since then
	last      uint64
	restarts  int
}

// follow replays a watch until it has seen the whole snapshot and the end, and starts
// over when it is told to. Then the end can be in the snapshot, before other resources.
func (r *replay) follow(t *testing.T, b resource.Backend, end string) {
	for ; ; r.restarts++ {
		w, err := b.WatchList(t.Context(), workload.Unversioned(), anywhere, "")
		if err != nil {
			t.Errorf("WatchList: %v", err)
			return
		}
		*r = replay{resources: map[string]*resource.Resource{}, restarts: r.restarts}
		for err == nil && (!r.live || r.resources[end] == nil) {
			var e *resource.WatchEvent
			if e, err = w.Next(t.Context()); err == nil {
				r.add(t, e)
			}
		}
		if !errors.Is(err, resource.ErrWatchClosed) {
			if err != nil {
				t.Errorf("Next: %v", err)
			}
			return
		}
	}
}

// add applies an event, and checks that it follows from what was before.
func (r *replay) add(t *testing.T, e *resource.WatchEvent) {
	if e.Operation == resource.EndOfSnapshot {
		r.live = true
		return
	}
	name := e.Resource.ID.Name
	was := r.resources[name]
	if e.Operation == resource.Delete {
		if was == nil || was.Version != e.Resource.Version {
			t.Errorf("%s is deleted with version %s, but was %v", name, e.Resource.Version, was)
		}
		delete(r.resources, name)
		return
	}
	if r.live {
		r.writes++
	}
	version, err := strconv.ParseUint(e.Resource.Version, 10, 64)
	if err != nil || r.live && version <= r.last {
		t.Errorf("%s is written with version %s after one with %d", name, e.Resource.Version, r.last)
	}
	r.resources[name], r.last = e.Resource, max(r.last, version)
}

// randomWrites makes n changes that are successful, of resources with some few names,
// and tells how many of them were writes. A delete of what was deleted meanwhile is
// successful, and no change.
func randomWrites(t *testing.T, b resource.Backend, seed uint64, n int) (writes int) {
	rng := rand.New(rand.NewPCG(seed, 1))
	for n > 0 {
		r := with("x"+strconv.Itoa(rng.IntN(40)), strconv.FormatUint(rng.Uint64(), 36))
		stored, err := b.Read(t.Context(), resource.Eventual, r.ID)
		if err == nil {
			r.Version = stored.Version
		}
		isWrite := err != nil || rng.IntN(4) > 0
		if isWrite {
			_, err = b.WriteCAS(t.Context(), r)
		} else {
			err = b.DeleteCAS(t.Context(), r.ID, r.Version)
		}
		switch {
		case err == nil && isWrite:
			writes++
			n--
		case err == nil:
			n--
		case !errors.Is(err, resource.ErrCASFailure):
			t.Errorf("random write: %v", err)
			return writes
		}
	}
	return writes
}

// testWatchReplay: replaying a watch's events over its snapshot gives the list, and
// misses nothing, under random writes of several handles.
func testWatchReplay(t *testing.T, h Harness) {
	open := handles(t, h.New)
	const writers, watchers, end = 4, 2, "the end"
	each := 10000 / writers
	if h.Slow {
		each = 100 / writers
	}
	randomWrites(t, open(), 99, 50)
	var replays [watchers]replay
	var all sync.WaitGroup
	ready := make(chan struct{}, watchers)
	for i := range replays {
		b := open()
		all.Go(func() { replays[i].follow(t, announcing{b, ready}, end) })
	}
	for range watchers {
		<-ready
	}
	writing := make([]resource.Backend, writers)
	for i := range writing {
		writing[i] = open()
	}
	writes := 1 // the end
	for _, n := range castest.Results(writers, func(i int) int { return randomWrites(t, writing[i], uint64(i), each) }) {
		writes += n
	}
	write(t, open(), with(end, ""))
	all.Wait()
	want := map[string]*resource.Resource{}
	for _, r := range list(t, open(), workload, anywhere, "") {
		want[r.ID.Name] = r
	}
	for _, r := range replays {
		wantSame(t, "the replayed list", r.resources, want)
		if r.restarts > 0 {
			t.Logf("a watch was too slow, %d times", r.restarts)
		} else if r.writes != writes {
			t.Errorf("a watch has told of %d writes, there were %d", r.writes, writes)
		}
	}
}

// announcing tells when a watch has begun.
type announcing struct {
	resource.Backend
	ready chan<- struct{}
}

func (a announcing) WatchList(
	ctx context.Context, typ resource.UnversionedType, tenancy resource.Tenancy, namePrefix string,
) (resource.Watch, error) {
	w, err := a.Backend.WatchList(ctx, typ, tenancy, namePrefix)
	select {
	case a.ready <- struct{}{}:
	default:
	}
	return w, err
}
