//go:build realservers

package postgres_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/pgserver"
	"github.com/replctl/replicate/postgres"
)

const (
	clients       = 16
	tortureKills  = 30 // of backends, in each chapter
	tortureCrash  = 2  // of the server
	tortureSeed   = 15
	callTimeout   = 2 * time.Second
	settleTimeout = 5 * time.Minute // for what is unknown, however slow the machine
)

// tally is the record that the clients increment. Each change names the client and how often it
// has tried, so that a client finds out what became of a change whose outcome it does not know.
type tally struct {
	Count int
	By    string       // unlike that of any other value
	Last  [clients]int // the last change of each client
	Pad   []byte       // does not fit into the page of the table
}

// TestTorture: clients increment a record while connections, the server, the disk and the network
// break. One chapter by default, ten with REPLICATE_PGTORTURE=full (make pgtorture).
func TestTorture(t *testing.T) {
	chapters := 1
	if os.Getenv("REPLICATE_PGTORTURE") == "full" {
		chapters = 10
	}
	server := pgserver.Start(t, "autovacuum=off", "checkpoint_timeout=30s", "wal_recycle=off")
	net := newNetwork(t, server.Port)
	opts := pgserver.Fresh()
	var stores []*postgres.Store
	for range 4 {
		url := net.url(server.URL("pool_max_conns=4&connect_timeout=60&application_name=tortured"), server.Port)
		s, err := postgres.Open(t.Context(), url, opts)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		stores = append(stores, s)
	}
	ballast := make([]byte, 1<<20)
	for i := range 17 { // the table is larger than a segment of the log
		_, _ = rand.Read(ballast)
		if _, err := stores[0].Write(t.Context(), fmt.Sprint("ballast/", i), ballast, ""); err != nil {
			t.Fatal(err)
		}
	}
	var all figures
	for n := range chapters {
		c := &chapter{t: t, server: server, net: net, key: fmt.Sprint("tally/", n), start: time.Now()}
		c.run(stores, mathrand.New(mathrand.NewPCG(tortureSeed, uint64(n))))
		t.Logf("chapter %d, %v: %v", n, time.Since(c.start).Round(time.Second), &c.figures)
		all.add(&c.figures)
	}
	t.Logf("in all: %v", &all)
	if want := chapters * tortureKills; all.kills != want || all.crashes < chapters*tortureCrash {
		t.Errorf("%d backends killed, want %d; %d crashes", all.kills, want, all.crashes)
	}
	if all.applied+all.lost == 0 || all.acked == 0 {
		t.Error("nothing was acknowledged, or nothing unknown")
	}
}

// figures are what happened.
type figures struct {
	kills, crashes, full, panics, cuts             int
	reads, acked, conflicts, failed, applied, lost int
	checked                                        time.Duration
}

func (f *figures) add(g *figures) {
	f.kills, f.crashes, f.full, f.cuts = f.kills+g.kills, f.crashes+g.crashes, f.full+g.full, f.cuts+g.cuts
	f.panics, f.reads, f.acked = f.panics+g.panics, f.reads+g.reads, f.acked+g.acked
	f.conflicts, f.failed, f.checked = f.conflicts+g.conflicts, f.failed+g.failed, f.checked+g.checked
	f.applied, f.lost = f.applied+g.applied, f.lost+g.lost
}

func (f *figures) String() string {
	return fmt.Sprintf("%d backends killed, %d kill -9 of the server, %d full disks (%d ended the server), %d cuts; "+
		"%d reads, %d acknowledged, %d conflicts, %d certainly failed, %d unknown (%d were applied); "+
		"linearizable, checked in %v", f.kills, f.crashes, f.full, f.panics, f.cuts,
		f.reads, f.acked, f.conflicts, f.failed, f.applied+f.lost, f.applied, f.checked.Round(time.Millisecond))
}

// chapter is a record, its clients, and the harm done to them.
type chapter struct {
	t      *testing.T
	server *pgserver.Server
	net    *network
	key    string
	start  time.Time
	done   chan struct{} // no more harm

	mu      sync.Mutex
	history []porcupine.Operation
	figures
}

func (c *chapter) run(stores []*postgres.Store, r *mathrand.Rand) {
	c.done = make(chan struct{})
	all := make([]*incrementer, clients)
	var running sync.WaitGroup
	for id := range all {
		all[id] = &incrementer{chapter: c, s: stores[id%len(stores)], id: id,
			rand: mathrand.New(mathrand.NewPCG(r.Uint64(), uint64(id)))}
		running.Go(all[id].run)
	}
	func() {
		defer running.Wait()
		defer close(c.done)
		c.harm(r)
	}()
	v, _, err := all[0].read(settleTimeout)
	if err != nil {
		c.t.Fatal(err)
	}
	if want := c.acked + c.applied; v.Count != want {
		c.t.Errorf("the count is %d after %d acknowledged and %d applied whose outcome was unknown",
			v.Count, c.acked, c.applied)
	}
	for _, i := range all {
		i.check(v)
	}
	began := time.Now()
	if got := porcupine.CheckOperationsTimeout(register, c.history, 10*time.Minute); got != porcupine.Ok {
		c.t.Errorf("a history of %d operations is not linearizable: %v", len(c.history), got)
	}
	c.checked = time.Since(began)
}

// incrementer is one client.
type incrementer struct {
	*chapter
	s    *postgres.Store
	id   int
	rand *mathrand.Rand
	n    int // tries
	last int // the last one that was applied
}

func (i *incrementer) run() {
	for {
		select {
		case <-i.done:
			return
		case <-time.After(time.Duration(1+i.rand.IntN(8)) * time.Millisecond):
		}
		began := time.Now()
		v, token, err := i.read(callTimeout)
		if err != nil {
			continue
		}
		i.check(v)
		i.note(began, step{}, v.By)
		i.increment(v, token)
	}
}

// check compares a record with what this client knows about it.
func (i *incrementer) check(v tally) {
	if v.Last[i.id] != i.last {
		i.t.Errorf("client %d: change %d is there, want %d", i.id, v.Last[i.id], i.last)
		i.last = v.Last[i.id] // once is enough
	}
}

func (i *incrementer) read(patience time.Duration) (v tally, token cas.Token, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := i.s.Read(ctx, i.key, "")
	if err == nil && r.Exists() {
		err = json.Unmarshal(r.Value, &v)
	}
	return v, r.Token, err
}

func (i *incrementer) increment(old tally, expect cas.Token) {
	i.n++
	v := tally{Count: old.Count + 1, By: fmt.Sprintf("%d.%d", i.id, i.n), Last: old.Last, Pad: make([]byte, 4<<10)}
	_, _ = rand.Read(v.Pad)
	v.Last[i.id] = i.n
	value, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	in := step{write: true, expect: old.By, value: v.By}
	began := time.Now()
	switch err := i.write(callTimeout, value, expect); {
	case err == nil:
		i.last = i.n
		i.note(began, in, applied)
	case errors.Is(err, cas.ErrIndeterminate):
		if i.resolve(value, expect) {
			i.last = i.n
			i.note(began, in, found)
		} else {
			i.note(began, in, lost)
		}
	case errors.Is(err, cas.ErrConflict):
		i.note(began, in, conflict)
	default:
		i.note(began, in, failed)
	}
}

func (i *incrementer) write(patience time.Duration, value []byte, expect cas.Token) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := i.s.Write(ctx, i.key, value, expect)
	return err
}

// resolve finds out whether a change was applied. As long as the record is the one before it, the
// change may still be under way: it is written again, on the same condition.
func (i *incrementer) resolve(value []byte, expect cas.Token) bool {
	for end := time.Now().Add(settleTimeout); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		v, token, err := i.read(settleTimeout)
		switch {
		case err != nil:
		case v.Last[i.id] == i.n:
			return true
		case token != expect:
			return false
		case i.write(settleTimeout, value, expect) == nil:
			return true
		}
	}
	i.t.Errorf("client %d: the outcome of change %d stays unknown", i.id, i.n)
	return false
}

// step is a read, or a change from one value to another.
type step struct {
	write         bool
	expect, value string
}

// What became of a change.
const (
	applied  = "applied"
	conflict = "conflict"
	found    = "found to be applied"
	lost     = "found not to be applied"
	failed   = "certainly failed"
)

// register is a record whose values are all different, and which changes by compare-and-swap.
var register = porcupine.Model{
	Init: func() any { return "" },
	Step: func(state, input, output any) (bool, any) {
		switch in := input.(step); {
		case !in.write:
			return output == state, state
		case output == conflict:
			return state != in.expect, state
		default:
			return state == in.expect, in.value
		}
	},
}

// note counts an operation, and takes those that had an effect, or saw one, into the history.
func (i *incrementer) note(began time.Time, in step, out string) {
	ended := time.Now()
	i.mu.Lock()
	defer i.mu.Unlock()
	count := map[string]*int{
		applied: &i.acked, conflict: &i.conflicts, found: &i.applied, lost: &i.lost, failed: &i.failed,
	}[out]
	if !in.write {
		count = &i.reads
	}
	*count++
	if in.write && (out == lost || out == failed) {
		return
	}
	i.history = append(i.history, porcupine.Operation{ClientId: i.id, Input: in, Output: out,
		Call: int64(began.Sub(i.start)), Return: int64(ended.Sub(i.start))})
}
