package kv_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/cas/castest"
	"github.com/replctl/replicate/internal/clock/faketime"
	"github.com/replctl/replicate/store/kv"
)

// TestOneInstant: however a lease ends, whatever gets lost, and though clocks differ
// by up to a second, nobody sees its records after somebody has seen that they are gone.
func TestOneInstant(t *testing.T) {
	ends := map[string]func(w *leaseWorld){
		"expires":    func(*leaseWorld) {},
		"released":   func(w *leaseWorld) { w.release(w.lease) },
		"by another": func(w *leaseWorld) { w.release(w.found()) },
		"by both":    func(w *leaseWorld) { go w.release(w.found()); w.release(w.lease) },
		"suspended": func(w *leaseWorld) {
			w.machine.Suspend()
			w.pause(20 * time.Second)
			time.Sleep(10 * time.Second)
			w.machine.Resume()
		},
		"interrupted": func(w *leaseWorld) { w.interrupt() },
		"stopped, and": func(w *leaseWorld) {
			w.machine.Stop()
			w.pause(20 * time.Second)
			w.machine.Resume()
			w.release(w.lease)
		},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(15) {
				synctest.Test(t, func(t *testing.T) {
					w := newLeaseWorld(t, seed, name != "expires")
					w.run(end)
				})
			}
		})
	}
}

// leaseWorld is a lease with some records, its holder, and readers, each on a machine of
// its own.
type leaseWorld struct {
	t       *testing.T
	m       cas.Memory
	machine *faketime.Clock // the holder's
	lease   *kv.StoreLease
	begun   atomic.Bool // from here on the holder's network loses things, too

	mu   sync.Mutex
	rand *rand.Rand
	gone bool // somebody was told
	seen int
}

const leasedRecords = 4

func newLeaseWorld(t *testing.T, seed uint64, keepAlive bool) *leaseWorld {
	w := &leaseWorld{t: t, rand: rand.New(rand.NewPCG(seed, 3))}
	w.machine = w.clock()
	network := castest.NewFaulty(slowly{&w.m, w}, seed)
	decide := network.Decide
	network.Decide = func(op, key string) castest.Fault {
		if !w.begun.Load() {
			return castest.None
		}
		return decide(op, key)
	}
	s := handle(t, network, w.machine, kv.Options{LeaseCache: w.draw(3 * time.Second)})
	var err error
	if w.lease, err = s.NewLease(t.Context(), 3*time.Second+w.draw(5*time.Second), keepAlive); err != nil {
		t.Fatal(err)
	}
	for i := range leasedRecords {
		if _, err := s.Create(t.Context(), kv.Record{Key: kv.Key(fmt.Sprint(i)), Lease: w.lease.Id()}); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// clock is one of those that are less than a second apart.
func (w *leaseWorld) clock() *faketime.Clock {
	return faketime.New(w.draw(990*time.Millisecond) - 495*time.Millisecond)
}

// draw is a random time below max.
func (w *leaseWorld) draw(max time.Duration) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Duration(w.rand.Int64N(int64(max)))
}

func (w *leaseWorld) pause(max time.Duration) { time.Sleep(w.draw(max)) }

// slowly is a store that takes up to 20ms before and after.
type slowly struct {
	cas.Store
	w *leaseWorld
}

func (s slowly) Read(ctx context.Context, key string, known cas.Token) (cas.Record, error) {
	s.w.pause(20 * time.Millisecond)
	defer s.w.pause(20 * time.Millisecond)
	return s.Store.Read(ctx, key, known)
}

func (s slowly) Write(ctx context.Context, key string, value []byte, expect cas.Token) (cas.Written, error) {
	s.w.pause(20 * time.Millisecond)
	defer s.w.pause(20 * time.Millisecond)
	return s.Store.Write(ctx, key, value, expect)
}

func (s slowly) Delete(ctx context.Context, key string, expect cas.Token) error {
	s.w.pause(20 * time.Millisecond)
	defer s.w.pause(20 * time.Millisecond)
	return s.Store.(cas.Deleter).Delete(ctx, key, expect)
}

// open is a handle on another machine, over a network that loses things.
func (w *leaseWorld) open() *kv.Store {
	faulty := castest.NewFaulty(slowly{&w.m, w}, uint64(w.draw(time.Hour)))
	return handle(w.t, faulty, w.clock(), kv.Options{})
}

func (w *leaseWorld) run(end func(*leaseWorld)) {
	w.begun.Store(true)
	ctx, cancel := context.WithCancel(w.t.Context())
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for s := w.open(); ctx.Err() == nil; {
				w.look(s)
				w.pause(300 * time.Millisecond)
			}
		})
	}
	w.pause(10 * time.Second)
	end(w)
	w.pause(30 * time.Second)
	time.Sleep(10 * time.Second)
	cancel()
	readers.Wait()
	if w.seen == 0 || !w.gone {
		w.t.Errorf("the records were seen %d times, and gone: %v", w.seen, w.gone)
	}
	_ = w.lease.ReleaseContext(w.t.Context()) // and so ends its renewals
}

// look gets or lists the records.
func (w *leaseWorld) look(s *kv.Store) {
	w.mu.Lock()
	gone := w.gone
	w.mu.Unlock()
	n := leasedRecords
	var err error
	if w.draw(2) == 0 {
		if _, err = s.Get(w.t.Context(), kv.Key(fmt.Sprint(int64(w.draw(leasedRecords))))); errors.Is(err, kv.ErrNotFound) {
			n, err = 0, nil
		}
	} else {
		var records kv.Records
		records, err = s.GetRange(w.t.Context(), "", "")
		n = len(records)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case err != nil: // lost on the way
	case n == 0:
		w.gone = true
	case gone:
		w.t.Error("records were seen after they had gone")
	case n != leasedRecords:
		w.t.Errorf("%d of %d records were seen", n, leasedRecords)
	default:
		w.seen++
	}
}

// found is the lease in other hands; nil if it has ended.
func (w *leaseWorld) found() *kv.StoreLease {
	for s := w.open(); ; {
		l, err := s.GetLease(w.t.Context(), w.lease.Id())
		if err == nil || errors.Is(err, kv.ErrNotFound) {
			return l
		}
	}
}

// release goes on until it is done, by whomever; then everybody knows.
func (w *leaseWorld) release(l *kv.StoreLease) {
	for l != nil {
		if err := l.ReleaseContext(w.t.Context()); err == nil || errors.Is(err, kv.ErrLeaseLost) {
			break
		}
		w.pause(time.Second)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gone = true
}

// interrupt ends a release in the middle.
func (w *leaseWorld) interrupt() {
	ctx, cancel := context.WithTimeout(w.t.Context(), w.draw(2*time.Second))
	defer cancel()
	_ = w.lease.ReleaseContext(ctx)
}
