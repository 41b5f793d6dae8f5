// Package tally has clients increment a record while a test breaks what is below it, and
// checks what they have seen: every acknowledged increment is in the sum, none is there that certainly
// failed, and the history of reads and changes is linearizable.
package tally

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/replctl/replicate/cas"
)

const (
	callTimeout   = 2 * time.Second
	settleTimeout = 5 * time.Minute // for what is unknown, however slow the machine
)

// Options of a run.
type Options struct {
	Stores  []cas.Store    // handles on one store; a client has one of them
	Clients int            // how many there are
	Key     string         // of the record, which does not exist yet
	Pad     int            // bytes beyond the sum, unlike those of any other value
	Rand    *mathrand.Rand // decides when a client acts
}

// Figures are what happened.
type Figures struct {
	Reads, Acked, Conflicts, Failed int
	Applied, Lost                   int // of the changes whose outcome was unknown
	Checked                         time.Duration
}

// Add adds those of another run.
func (f *Figures) Add(g Figures) {
	f.Reads, f.Acked, f.Conflicts = f.Reads+g.Reads, f.Acked+g.Acked, f.Conflicts+g.Conflicts
	f.Failed, f.Applied, f.Lost, f.Checked = f.Failed+g.Failed, f.Applied+g.Applied, f.Lost+g.Lost, f.Checked+g.Checked
}

// String implements [fmt.Stringer].
func (f Figures) String() string {
	return fmt.Sprintf("%d reads, %d acknowledged, %d conflicts, %d certainly failed, %d unknown (%d were applied); "+
		"linearizable, checked in %v",
		f.Reads, f.Acked, f.Conflicts, f.Failed, f.Applied+f.Lost, f.Applied, f.Checked.Round(time.Millisecond))
}

// Run has the clients at work until harm returns, and checks what is left and what they saw. The
// store must work again then.
func Run(t testing.TB, o Options, harm func()) Figures {
	t.Helper()
	r := &run{t: t, key: o.Key, start: time.Now(), done: make(chan struct{})}
	all := make([]*client, o.Clients)
	var running sync.WaitGroup
	for id := range all {
		all[id] = &client{run: r, s: o.Stores[id%len(o.Stores)], id: id, pad: o.Pad,
			rand: mathrand.New(mathrand.NewPCG(o.Rand.Uint64(), uint64(id)))}
		running.Go(all[id].work)
	}
	func() {
		defer running.Wait()
		defer close(r.done)
		harm()
	}()
	v, _, err := all[0].read(settleTimeout)
	if err != nil {
		t.Fatal(err)
	}
	if want := r.Acked + r.Applied; v.Count != want {
		t.Errorf("the count is %d after %d acknowledged and %d applied whose outcome was unknown",
			v.Count, r.Acked, r.Applied)
	}
	for _, c := range all {
		c.check(v)
	}
	began := time.Now()
	if got := porcupine.CheckOperationsTimeout(register, r.history, 10*time.Minute); got != porcupine.Ok {
		t.Errorf("a history of %d operations is not linearizable: %v", len(r.history), got)
	}
	r.Checked = time.Since(began)
	return r.Figures
}

type run struct {
	t     testing.TB
	key   string
	start time.Time
	done  chan struct{} // no more harm

	mu      sync.Mutex
	history []porcupine.Operation
	Figures
}

// value is the record that the clients increment. Each change names the client and how often it
// has tried, so that a client finds out what became of a change whose outcome it does not know.
type value struct {
	Count int
	By    string      // unlike that of any other value
	Last  map[int]int // the last change of each client
	Pad   []byte
}

type client struct {
	*run
	s    cas.Store
	id   int
	pad  int
	rand *mathrand.Rand
	n    int // tries
	last int // the last one that was applied
}

func (c *client) work() {
	for {
		select {
		case <-c.done:
			return
		case <-time.After(time.Duration(1+c.rand.IntN(8)) * time.Millisecond):
		}
		began := time.Now()
		v, token, err := c.read(callTimeout)
		if err != nil {
			continue
		}
		c.check(v)
		c.note(began, step{}, v.By)
		c.increment(v, token)
	}
}

// check compares a record with what this client knows about it.
func (c *client) check(v value) {
	if v.Last[c.id] != c.last {
		c.t.Errorf("client %d: change %d is there, want %d", c.id, v.Last[c.id], c.last)
		c.last = v.Last[c.id] // once is enough
	}
}

func (c *client) read(patience time.Duration) (v value, token cas.Token, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := c.s.Read(ctx, c.key, "")
	if err == nil && r.Exists() {
		err = json.Unmarshal(r.Value, &v)
	}
	return v, r.Token, err
}

func (c *client) increment(old value, expect cas.Token) {
	c.n++
	v := value{Count: old.Count + 1, By: fmt.Sprintf("%d.%d", c.id, c.n), Last: map[int]int{}, Pad: make([]byte, c.pad)}
	_, _ = rand.Read(v.Pad)
	for id, last := range old.Last {
		v.Last[id] = last
	}
	v.Last[c.id] = c.n
	encoded, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	in := step{write: true, expect: old.By, value: v.By}
	began := time.Now()
	switch err := c.write(callTimeout, encoded, expect); {
	case err == nil:
		c.last = c.n
		c.note(began, in, applied)
	case errors.Is(err, cas.ErrIndeterminate):
		if c.resolve(encoded, expect) {
			c.last = c.n
			c.note(began, in, found)
		} else {
			c.note(began, in, lost)
		}
	case errors.Is(err, cas.ErrConflict):
		c.note(began, in, conflict)
	default:
		c.note(began, in, failed)
	}
}

func (c *client) write(patience time.Duration, encoded []byte, expect cas.Token) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := c.s.Write(ctx, c.key, encoded, expect)
	return err
}

// resolve finds out whether a change was applied. As long as the record is the one before it, the
// change may still be under way: it is written again, on the same condition.
func (c *client) resolve(encoded []byte, expect cas.Token) bool {
	for end := time.Now().Add(settleTimeout); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		v, token, err := c.read(settleTimeout)
		switch {
		case err != nil:
		case v.Last[c.id] == c.n:
			return true
		case token != expect:
			return false
		case c.write(settleTimeout, encoded, expect) == nil:
			return true
		}
	}
	c.t.Errorf("client %d: the outcome of change %d stays unknown", c.id, c.n)
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
func (c *client) note(began time.Time, in step, out string) {
	ended := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	count := map[string]*int{
		applied: &c.Acked, conflict: &c.Conflicts, found: &c.Applied, lost: &c.Lost, failed: &c.Failed,
	}[out]
	if !in.write {
		count = &c.Reads
	}
	*count++
	if in.write && (out == lost || out == failed) {
		return
	}
	c.history = append(c.history, porcupine.Operation{ClientId: c.id, Input: in, Output: out,
		Call: int64(began.Sub(c.start)), Return: int64(ended.Sub(c.start))})
}
