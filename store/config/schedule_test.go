package config_test

import (
	"context"
	"errors"
	"iter"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/replctl/replicate/cas"
)

// A client is code that asks the store for something only when it is its turn, so
// that a test can try every order in which several clients' requests arrive.
type client struct {
	run func(ctx context.Context, s cas.Store) error

	asks chan struct{} // has a value when the client waits for its turn; closed when it has returned
	turn chan bool     // whether it may go on, or is dead
	dead bool
	err  error

	wrote bool // with its last request
}

var errKilled = errors.New("killed")

// wait asks for a turn.
func (c *client) wait() error {
	if c.dead {
		return errKilled
	}
	c.asks <- struct{}{}
	if c.dead = !<-c.turn; c.dead {
		return errKilled
	}
	return nil
}

// gated is the store as a client sees it.
type gated struct {
	cas.Store
	c *client
}

func (g gated) Read(ctx context.Context, key string, known cas.Token) (cas.Record, error) {
	if err := g.c.wait(); err != nil {
		return cas.Record{}, err
	}
	return g.Store.Read(ctx, key, known)
}

func (g gated) Write(ctx context.Context, key string, value []byte, expect cas.Token) (cas.Written, error) {
	if err := g.c.wait(); err != nil {
		return cas.Written{}, err
	}
	g.c.wrote = true
	return g.Store.Write(ctx, key, value, expect)
}

// gatedDeleter is gated for a store that can delete.
type gatedDeleter struct{ gated }

func (g gatedDeleter) Delete(ctx context.Context, key string, expect cas.Token) error {
	if err := g.c.wait(); err != nil {
		return err
	}
	g.c.wrote = true
	return g.Store.(cas.Deleter).Delete(ctx, key, expect)
}

func (g gated) List(ctx context.Context, prefix, after string) iter.Seq2[cas.Entry, error] {
	if err := g.c.wait(); err != nil {
		return func(yield func(cas.Entry, error) bool) { yield(cas.Entry{}, err) }
	}
	return g.Store.List(ctx, prefix, after)
}

// race is a test of every order of the requests of several clients.
type race struct {
	setup   func(t *testing.T, s cas.Store)
	clients []func(ctx context.Context, s cas.Store) error
	always  func(t *testing.T, s cas.Store)               // holds after each write
	atEnd   func(t *testing.T, s cas.Store, errs []error) // holds when all have returned

	kill int // the request that the first client does not live to send; 0 is none

	keeps bool // the store cannot delete
}

// everyOrder runs the race in each order, and returns how many there are.
func (r race) everyOrder(t *testing.T) (orders int) {
	for order := []int{}; order != nil && !t.Failed(); orders++ {
		taken, options := r.inOrder(t, func(step, _ int) int {
			if step < len(order) {
				return order[step]
			}
			return 0
		})
		order = nil
		for i := len(taken) - 1; i >= 0; i-- {
			if taken[i]+1 < options[i] {
				order = slices.Concat(taken[:i], []int{taken[i] + 1})
				break
			}
		}
	}
	return orders
}

// someOrders runs the race in so many random orders, which are always the same.
func (r race) someOrders(t *testing.T, orders int) {
	random := rand.New(rand.NewPCG(1, 1))
	for range orders {
		if r.inOrder(t, func(_, options int) int { return random.IntN(options) }); t.Failed() {
			return
		}
	}
}

// inOrder runs it once. Of the clients that wait for their turn at each step, choose
// says which one gets it. It returns who got it, and of how many.
func (r race) inOrder(t *testing.T, choose func(step, options int) int) (taken, options []int) {
	store := cas.Store(new(cas.Memory))
	if r.keeps {
		store = struct{ cas.Store }{store}
	}
	r.setup(t, store)
	clients, waiting := r.start(t, store)
	for requests := 0; len(waiting) > 0; {
		i := choose(len(taken), len(waiting))
		taken, options = append(taken, i), append(options, len(waiting))
		c := waiting[i]
		if c == clients[0] {
			requests++
		}
		c.wrote = false
		c.turn <- c != clients[0] || requests != r.kill
		if _, ok := <-c.asks; !ok {
			waiting = slices.Delete(waiting, i, i+1)
		}
		if c.wrote {
			r.always(t, store)
		}
	}
	errs := make([]error, len(clients))
	for i, c := range clients {
		errs[i] = c.err
	}
	r.atEnd(t, store, errs)
	if t.Failed() {
		t.Logf("in the order %v, with the first one killed before request %d", taken, r.kill)
	}
	return taken, options
}

// start returns the clients, and those of them that wait for their turn.
func (r race) start(t *testing.T, store cas.Store) (clients, waiting []*client) {
	for _, run := range r.clients {
		c := &client{run: run, asks: make(chan struct{}), turn: make(chan bool)}
		clients = append(clients, c)
		go func() {
			defer close(c.asks)
			s := cas.Store(gated{store, c})
			if !r.keeps {
				s = gatedDeleter{gated{store, c}}
			}
			c.err = c.run(t.Context(), s)
		}()
		if _, ok := <-c.asks; ok {
			waiting = append(waiting, c)
		}
	}
	return clients, waiting
}
