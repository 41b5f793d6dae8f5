package raftbackend

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/store/resource"
)

var (
	typ      = resource.Type{Group: "demo", GroupVersion: "v1", Kind: "Workload"}
	anywhere = resource.Tenancy{Partition: resource.Wildcard, Namespace: resource.Wildcard}
)

func idOf(name string) resource.ID { return resource.ID{Type: typ, Name: name, UID: "1"} }

func listOf(t *testing.T, b resource.Backend) map[string]*resource.Resource {
	t.Helper()
	list, err := b.List(t.Context(), resource.Strong, typ.Unversioned(), anywhere, "")
	if err != nil {
		t.Fatal(err)
	}
	m := map[string]*resource.Resource{}
	for _, r := range list {
		m[r.ID.Name] = r
	}
	return m
}

// replay is a watch of one node, replayed over its list.
type replay struct {
	resources map[string]*resource.Resource
	restarts  int
}

// follow replays until it has seen the resource end, and begins again when it is told to.
func (r *replay) follow(ctx context.Context, b resource.Backend, end string) error {
	for {
		r.resources = map[string]*resource.Resource{}
		w, err := b.WatchList(ctx, typ.Unversioned(), anywhere, "")
		for live := false; err == nil; {
			if live && r.resources[end] != nil {
				return nil
			}
			var e *resource.WatchEvent
			if e, err = w.Next(ctx); err == nil {
				live = live || e.Operation == resource.EndOfSnapshot
				err = r.add(e)
			}
		}
		if ctx.Err() != nil || !errors.Is(err, resource.ErrWatchClosed) && !errors.Is(err, resource.ErrInconsistent) {
			return err
		}
		if errors.Is(err, resource.ErrWatchClosed) {
			r.restarts++
		}
	}
}

func (r *replay) add(e *resource.WatchEvent) error {
	if e.Operation == resource.EndOfSnapshot {
		return nil
	}
	name := e.Resource.ID.Name
	was := r.resources[name]
	if e.Operation == resource.Delete {
		if was == nil || was.Version != e.Resource.Version {
			return fmt.Errorf("%s is deleted with version %s, but was %v", name, e.Resource.Version, was)
		}
		delete(r.resources, name)
		return nil
	}
	if was != nil && number(was.Version) >= number(e.Resource.Version) {
		return fmt.Errorf("%s has version %s after %s", name, e.Resource.Version, was.Version)
	}
	r.resources[name] = e.Resource
	return nil
}

func number(version string) uint64 {
	n, _ := strconv.ParseUint(version, 10, 64)
	return n
}

// counted is how often a counter was incremented: certainly, and perhaps.
type counted struct{ certain, perhaps int }

// work increments a counter of its own, and makes and deletes other resources.
func work(ctx context.Context, b resource.Backend, name string, rounds int) (c counted, err error) {
	rng := rand.New(rand.NewPCG(uint64(len(name)), uint64(rounds)))
	for i := 0; i < rounds; i++ {
		r, err := b.Read(ctx, resource.Strong, idOf(name))
		switch {
		case errors.Is(err, resource.ErrNotFound):
			r = &resource.Resource{ID: idOf(name), Data: []byte("0")}
		case errors.Is(err, resource.ErrInconsistent):
			i--
			continue
		case err != nil:
			return c, err
		}
		r.Data = []byte(strconv.FormatUint(number(string(r.Data))+1, 10))
		switch _, err = b.WriteCAS(ctx, r); {
		case err == nil:
			c.certain++
		case errors.Is(err, cas.ErrIndeterminate):
			c.perhaps++
		case errors.Is(err, resource.ErrInconsistent), errors.Is(err, resource.ErrCASFailure) && c.perhaps > 0:
		default:
			return c, err
		}
		other := &resource.Resource{ID: idOf("x" + strconv.Itoa(rng.IntN(5)))}
		if stored, err := b.Read(ctx, resource.Eventual, other.ID); err == nil {
			_ = b.DeleteCAS(ctx, stored.ID, stored.Version)
		} else {
			_, _ = b.WriteCAS(ctx, other)
		}
	}
	return c, nil
}

// TestLeaderChanges: the leader changes, and nodes get snapshots in place of entries,
// while all nodes write and watch. Replaying the events of each watch over its list gives the
// leader's final list, or the watcher was told to begin again; and what was acknowledged
// is there once.
func TestLeaderChanges(t *testing.T) {
	t.Parallel()
	const rounds, changes = 60, 25
	c := newCluster(t, 3, true)
	ctx := t.Context()
	replays := make([]replay, len(c.nodes))
	counts := make([]counted, len(c.nodes))
	var watching, working, changing sync.WaitGroup
	for i, n := range c.nodes {
		watching.Go(func() {
			if err := replays[i].follow(ctx, n.Resources, "the end"); err != nil {
				t.Errorf("watch on node %d: %v", i, err)
			}
		})
		working.Go(func() {
			var err error
			if counts[i], err = work(ctx, n.Resources, "counter"+strconv.Itoa(i), rounds); err != nil {
				t.Errorf("work on node %d: %v", i, err)
			}
		})
	}
	changing.Go(func() {
		rng := rand.New(rand.NewPCG(1, 2))
		for range changes {
			c.pause(5 + rng.IntN(20))
			if rng.IntN(4) == 0 {
				c.lead(-1)
			}
			c.lead(rng.IntN(len(c.nodes)))
			c.change(func() { c.nodes[rng.IntN(len(c.nodes))].behind = true })
		}
	})
	changing.Wait()
	working.Wait()
	leader := c.nodes[0]
	c.lead(0)
	if _, err := leader.WriteCAS(ctx, &resource.Resource{ID: idOf("the end")}); err != nil {
		t.Fatal(err)
	}
	watching.Wait()
	want := listOf(t, leader.Resources)
	for i, r := range replays {
		t.Logf("node %d: %d restarts of the watch, increments %+v", i, r.restarts, counts[i])
		if diff := cmp.Diff(want, r.resources); diff != "" {
			t.Errorf("node %d: the replayed list (-want +got):\n%s", i, diff)
		}
		if diff := cmp.Diff(want, listOf(t, c.nodes[i].Resources)); diff != "" {
			t.Errorf("node %d: its list (-want +got):\n%s", i, diff)
		}
		var got int
		if counter := want["counter"+strconv.Itoa(i)]; counter != nil {
			got = int(number(string(counter.Data)))
		}
		if got < counts[i].certain || got > counts[i].certain+counts[i].perhaps {
			t.Errorf("node %d: counter %d after increments %+v", i, got, counts[i])
		}
	}
}

// pause waits until the log has grown by so many entries. Without a leader, or when the work is
// over, it does not grow.
func (c *cluster) pause(entries int) {
	c.mu.Lock()
	from := len(c.log)
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), pauseAtMost)
	defer cancel()
	_ = c.wait(ctx, func() bool { return len(c.log) >= from+entries })
}
