package raft_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/race"
	"github.com/replctl/replicate/lease"
)

// tortureTTL is long enough for a renewal after an election.
var tortureTTL = race.Pick(2*time.Second, 20*time.Second)

// bout is a lease that contenders hold in turns while the cluster is harmed.
type bout struct {
	t    *testing.T
	stop context.CancelFunc
	all  sync.WaitGroup

	mu         sync.Mutex
	holder     *lease.Session // the last one that was seen to hold it
	generation int64
	turns      int
}

// contend has a contender at each store, until end is called, which returns how often the lease changed hands.
func contend(t *testing.T, stores []cas.Store, key string, seed uint64) (end func() int) {
	ctx, cancel := context.WithCancel(context.Background())
	b := &bout{t: t, stop: cancel}
	for i, s := range stores {
		l := leaserOn(func() cas.Store { return s })
		l.Path, l.Owner, l.TTL = key, fmt.Sprint("contender ", i), tortureTTL
		r := rand.New(rand.NewPCG(seed, uint64(i)))
		b.all.Go(func() {
			for ctx.Err() == nil {
				if s, err := lease.Acquire(ctx, l, lease.Options{PollEvery: tortureTTL / 20}); err == nil {
					b.hold(ctx, s, r)
				}
			}
		})
	}
	return sync.OnceValue(func() int {
		cancel()
		b.all.Wait()
		return b.turns
	})
}

// hold checks that nobody else holds the lease, works for a while, and releases it or dies.
func (b *bout) hold(ctx context.Context, s *lease.Session, r *rand.Rand) {
	b.mu.Lock()
	if s.Valid() { // if not, this goroutine was held up for a whole TTL
		if b.holder != nil && b.holder.Valid() { // now, so that it was then, too
			b.t.Errorf("generations %d and %d hold the lease at once", b.holder.Generation(), s.Generation())
		}
		if s.Generation() <= b.generation {
			b.t.Errorf("generation %d after %d", s.Generation(), b.generation)
		}
		b.holder, b.generation, b.turns = s, s.Generation(), b.turns+1
	}
	b.mu.Unlock()
	select {
	case <-s.Context().Done():
	case <-time.After(time.Duration(r.Int64N(int64(tortureTTL)))):
	case <-ctx.Done():
	}
	if r.IntN(3) == 0 { // it dies: the next one waits
		s.Leave()
	}
	release, cancel := context.WithTimeout(context.Background(), tortureTTL)
	defer cancel()
	_ = s.Release(release) // the answer may be lost
}
