package leasesim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/clock/faketime"
)

const (
	reading  kind = "read"
	swapping kind = "swap"
)

// access is a read or a swap of a counter, or a write that was not reported.
type access struct {
	*operation
	expect, token cas.Token // before a swap; read, or after it
	silent        bool
}

// counter is the value. Its nonce makes it unlike any other.
type counter struct {
	Sum   int    `json:"sum"`
	Nonce string `json:"nonce"`
}

// registerModel is a register that changes by compare-and-swap; its state is the
// token of its version.
var registerModel = porcupine.Model{
	Init: func() any { return cas.Token("") },
	Step: func(state, input, _ any) (bool, any) {
		now, a := state.(cas.Token), input.(*access)
		switch {
		case a.silent:
			return now == a.expect, a.token
		case a.kind == reading:
			return a.err != nil || now == a.token, now
		case a.err == nil:
			return now == a.expect, a.token
		case errors.Is(a.err, cas.ErrConflict) || errors.Is(a.err, cas.ErrSuperseded):
			return now != a.expect, now
		}
		return true, now
	},
}

// tally is a history of increments.
type tally struct {
	*world
	careless bool // the engine does not settle refusals
	mu       sync.Mutex
	accesses []*access
}

func (c *tally) run() {
	var everybody sync.WaitGroup
	for i := range c.contenders {
		m := &machine{id: i, Clock: faketime.New(0)}
		p := c.newProcess(m, 0)
		store := p.open(
			&network{settles: !c.careless, applied: func(op *operation, value []byte, token cas.Token, undurable bool) {
				op.note(value, token, undurable)
			}},
		)
		everybody.Go(func() {
			for !c.over() {
				c.increment(p, store)
				p.sleep(rand2(p.rand, 0, time.Second))
			}
		})
	}
	everybody.Wait()
	time.Sleep(time.Hour)
}

// increment reads the counter and writes it back, once.
func (c *tally) increment(p *process, store cas.Store) {
	var now cas.Record
	read := c.access(p, reading, "", func(ctx context.Context) (_ cas.Record, err error) {
		now, err = store.Read(ctx, "counter", "")
		return now, err
	})
	if read.err != nil {
		return
	}
	var n counter
	if now.Exists() {
		if err := json.Unmarshal(now.Value, &n); err != nil {
			c.violate("torn record %q", now.Value)
		}
	}
	value, _ := json.Marshal(counter{n.Sum + 1, fmt.Sprint(p.name, time.Since(c.start))})
	c.access(p, swapping, now.Token, func(ctx context.Context) (cas.Record, error) {
		return cas.Swap(ctx, store, "counter", value, now.Token)
	})
}

func (c *tally) access(p *process, k kind, expect cas.Token, do func(context.Context) (cas.Record, error)) *access {
	ctx, cancel := context.WithTimeout(context.Background(), 2*clientTimeout)
	defer cancel()
	o := p.begin(k)
	r, err := do(context.WithValue(ctx, operationKey{}, o))
	o.err = err
	o.finish()
	a := &access{operation: o, expect: expect, token: r.Token}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.accesses = append(c.accesses, a)
	return a
}

// judge checks a history that has come to its end, and returns how many increments
// were reported, and how many were applied in all.
func (c *tally) judge() (reported, applied int) {
	var history []porcupine.Operation
	for _, a := range c.accesses {
		history = append(history, porcupine.Operation{ClientId: a.p.machine.id, Input: a, Call: a.call, Return: a.ret})
		applied += len(a.writes)
		if a.kind == swapping && a.err == nil {
			reported++
			continue
		}
		for _, e := range a.writes {
			silent := &access{operation: a.operation, expect: a.expect, token: e.token, silent: true}
			history = append(history, porcupine.Operation{ClientId: a.p.machine.id, Input: silent, Call: a.call, Return: e.seq})
		}
		if len(a.writes) > 0 && !errors.Is(a.err, cas.ErrIndeterminate) {
			c.violations = append(c.violations, fmt.Sprintf("applied, and reported as not applied: %v", a.err))
		}
	}
	if !porcupine.CheckOperations(registerModel, history) {
		c.violations = append(c.violations, "the history is not linearizable")
	}
	var final counter
	r, _ := c.mem.Read(context.Background(), "counter", "")
	if err := json.Unmarshal(r.Value, &final); err != nil || final.Sum != applied {
		c.violations = append(c.violations, fmt.Sprintf("lost update: the sum is %d after %d increments", final.Sum, applied))
	}
	return reported, applied
}

// tallyUp runs a history of increments and checks it.
func tallyUp(t *testing.T, seed uint64, plant func(*tally)) (c *tally, reported, applied int) {
	synctest.Test(t, func(*testing.T) {
		c = &tally{world: newWorld(seed, setup{contenders: 8, ops: 1000, faults: 0.1 + float64(seed%5)/10})}
		plant(c)
		c.run()
	})
	reported, applied = c.judge()
	return c, reported, applied
}

// TestSwap: whatever is lost on the way, cas.Swap loses no update, and what it says
// is true.
func TestSwap(t *testing.T) {
	reported, applied := 0, 0
	for seed := range uint64(plain) {
		c, r, a := tallyUp(t, seed, func(*tally) {})
		if len(c.violations) > 0 {
			t.Errorf("seed %d: %s", seed, strings.Join(c.violations[:min(5, len(c.violations))], "\n"))
		}
		reported += r
		applied += a
	}
	t.Logf("in %d histories %d increments were applied, %d of them reported", plain, applied, reported)
	if reported < 100*plain || applied == reported {
		t.Error("that proves little")
	}
}

// TestSwapMutants: what loses updates, or says what is not true, is found.
func TestSwapMutants(t *testing.T) {
	for name, plant := range map[string]func(*tally){
		"unconditional writes": func(c *tally) {
			c.store = func(_ *process, s cas.Store) cas.Store { return blindStore{s} }
		},
		"412 taken on trust": func(c *tally) { c.careless = true },
		"retries under a CAS write": func(c *tally) {
			c.store = func(_ *process, s cas.Store) cas.Store { return retryingStore{s} }
		},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(20) {
				if c, _, _ := tallyUp(t, seed, plant); len(c.violations) > 0 {
					t.Logf("after %d histories: %s", seed+1, c.violations[0])
					return
				}
			}
			t.Error("the mutant survives")
		})
	}
}
