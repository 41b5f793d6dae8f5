package main

import (
	"context"
	"errors"
	"fmt"
	"path"
	"sync/atomic"
	"time"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/lease"
)

// size is that of a record.
const size = 1 << 10

// pollEvery is how often a watcher looks where the engine notifies nobody, and how often one
// looks that waits for a lease.
const pollEvery = 100 * time.Millisecond

// records is an engine of this project.
type records struct {
	name  string
	store *counted
}

// counted counts requests.
type counted struct {
	cas.Store
	requests atomic.Int64
}

func (c *counted) Read(ctx context.Context, key string, known cas.Token) (cas.Record, error) {
	c.requests.Add(1)
	return c.Store.Read(ctx, key, known)
}

func (c *counted) Write(ctx context.Context, key string, value []byte, expect cas.Token) (cas.Written, error) {
	c.requests.Add(1)
	return c.Store.Write(ctx, key, value, expect)
}

// Notify implements [cas.Notifier].
func (c *counted) Notify(ctx context.Context, prefix string) (<-chan struct{}, error) {
	if n, ok := c.Store.(cas.Notifier); ok {
		return n.Notify(ctx, prefix)
	}
	return nil, errNoWatch
}

func (s *records) title() string { return s.name }

func (s *records) client(ctx context.Context, i int) (get, swap func(context.Context) error, err error) {
	key := fmt.Sprint("bench/", i)
	value := make([]byte, size)
	r, err := s.store.Read(ctx, key, "")
	if err != nil {
		return nil, nil, err
	}
	token := r.Token
	swap = func(ctx context.Context) error {
		value[0]++
		w, err := s.store.Write(ctx, key, value, token)
		token = w.Token
		return err
	}
	get = func(ctx context.Context) error {
		_, err := s.store.Read(ctx, key, "")
		return err
	}
	return get, swap, swap(ctx)
}

func (s *records) put(ctx context.Context, key, value string) error {
	r, err := s.store.Read(ctx, key, "")
	if err != nil {
		return err
	}
	_, err = s.store.Write(ctx, key, []byte(value), r.Token)
	return err
}

func (s *records) watch(ctx context.Context, key string, see func(value string)) error {
	var r cas.Record
	return cas.Changes(ctx, s.store, path.Dir(key)+"/", pollEvery, time.Second, func(ctx context.Context) (bool, error) {
		now, err := s.store.Read(ctx, key, r.Token)
		if err == nil && !now.Unchanged {
			r = now
			see(string(r.Value))
		}
		return false, err
	})
}

func (s *records) leaser(key string) *lease.Leaser {
	cfg := lease.Config{Key: key}
	return lease.NewLeaser(s.name, func() lease.Config { return cfg },
		func(context.Context) (cas.Store, error) { return s.store, nil })
}

// acquire has each client take a lease of its own that is free. To give it back is not measured.
func acquire(ctx context.Context, s side, clients int, d time.Duration) ([]time.Duration, error) {
	until := time.Now().Add(d)
	return together(clients, func(i int) (all []time.Duration, err error) {
		l := s.(*records).leaser(fmt.Sprint("lease/", i))
		for first := true; first || time.Now().Before(until); first = false {
			began := time.Now()
			got, err := l.AcquireLease(ctx)
			if err != nil {
				return nil, err
			}
			all = append(all, time.Since(began))
			if err := l.ReleaseLease(ctx, got); err != nil {
				return nil, err
			}
		}
		return all, nil
	})
}

// handOver has clients wait for one lease. It is measured from the call of release until one of
// them has it.
func handOver(ctx context.Context, s side, clients int, d time.Duration) (all []time.Duration, err error) {
	const key = "handed/over"
	opts := lease.Options{PollEvery: pollEvery}
	held, err := lease.Acquire(ctx, s.(*records).leaser(key), opts)
	if err != nil {
		return nil, err
	}
	waiting, stop := context.WithCancel(ctx)
	got := make(chan *lease.Session)
	done := make(chan error, clients)
	for range clients {
		go func() {
			for {
				next, err := lease.Acquire(waiting, s.(*records).leaser(key), opts)
				if err != nil {
					done <- err
					return
				}
				got <- next
			}
		}()
	}
	until := time.Now().Add(d)
	for first := true; (first || time.Now().Before(until)) && err == nil; first = false {
		time.Sleep(pollEvery) // they wait by now
		began := time.Now()
		if err = held.Release(ctx); err == nil {
			held = <-got
			all = append(all, time.Since(began))
		}
	}
	stop()
	err = errors.Join(err, held.Release(ctx))
	for range clients {
		for ended := false; !ended; {
			select {
			case next := <-got:
				err = errors.Join(err, next.Release(ctx))
			case failed := <-done:
				ended = true
				if !errors.Is(failed, context.Canceled) {
					err = errors.Join(err, failed)
				}
			}
		}
	}
	return all, err
}
