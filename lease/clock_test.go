package lease_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/lease"
)

// tells has a contender's store tell the true time, as HTTP's Date does, and take so
// long to be asked and to answer. set, if not nil, happens while it answers.
func (c *contender) tells(there, back time.Duration, set func()) {
	c.onRead = func(_ context.Context, read func() (cas.Record, error)) (cas.Record, error) {
		time.Sleep(there)
		r, err := read()
		r.StoreTime = time.Now().Truncate(time.Second)
		time.Sleep(back)
		if set != nil {
			set()
		}
		return r, err
	}
}

// TestTakeover: when a lease of 30s may be taken over by a contender whose clock is
// apart from the holder's, in true time; on a store that tells its time, and on one
// that does not. The contender has not seen the record before. A contender whose own
// clock says that the lease goes on does not take it at first sight.
func TestTakeover(t *testing.T) {
	for name, c := range map[string]struct {
		ahead             time.Duration // the contender's clock
		tells             bool
		there, back       time.Duration
		set               time.Duration // its clock, while the store answers
		tooEarly, inOrder time.Duration // after so long it must not be, and must be
	}{
		"right":                   {0, false, 0, 0, 0, 30 * time.Second, 31 * time.Second},
		"right, store tells":      {0, true, 0, 0, 0, 30 * time.Second, 31 * time.Second},
		"ahead":                   {2 * time.Second, false, 0, 0, 0, 28 * time.Second, 29 * time.Second},
		"far ahead, store tells":  {time.Hour, true, 0, 0, 0, 29 * time.Second, 32 * time.Second},
		"far behind, store tells": {-time.Hour, true, 0, 0, 0, time.Hour, time.Hour + 31*time.Second},
		"slow to be asked": {-100 * time.Millisecond, true, 20 * time.Second, 0, 0, 9 * time.Second,
			12 * time.Second},
		"slow to answer": {100 * time.Millisecond, true, 0, 20 * time.Second, 0, 29 * time.Second,
			32 * time.Second},
		"ahead, and slow":          {15 * time.Second, true, 0, 20 * time.Second, 0, 29 * time.Second, 32 * time.Second},
		"set ahead while it waits": {0, true, 0, 0, time.Hour, 29 * time.Second, 32 * time.Second},
		"set back while it waits":  {0, true, 0, 0, -time.Hour, time.Hour, time.Hour + 31*time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			for after, want := range map[time.Duration]bool{c.tooEarly: false, c.inOrder: true} {
				inBubble(t, func(t *testing.T, store *cas.Memory) {
					mustAcquire(t, newContender(store, "holder"))
					time.Sleep(after)
					other := newContender(store, "other")
					other.clock.Set(c.ahead)
					if c.tells {
						other.tells(c.there, c.back, func() { other.clock.Set(c.ahead + c.set) })
					}
					if _, err := other.AcquireLease(t.Context()); (err == nil) != want {
						t.Errorf("after %v: got %v, want success: %v", after, err, want)
					}
				})
			}
		})
	}
}

// TestUnchanged: a record that was seen unchanged for its TTL is taken over, however
// far ahead its holder's clock was.
func TestUnchanged(t *testing.T) {
	inBubble(t, func(t *testing.T, store *cas.Memory) {
		holder, other := newContender(store, "holder"), newContender(store, "other")
		holder.clock.Set(2 * time.Second)
		mustAcquire(t, holder)
		start, look := time.Now(), func() error {
			_, err := other.AcquireLease(t.Context())
			return err
		}
		for look() != nil {
			time.Sleep(100 * time.Millisecond)
		}
		if got := time.Since(start); got <= sessionTTL || got > sessionTTL+time.Second {
			t.Errorf("taken over after %v, want %v", got, sessionTTL)
		}
	})
}

// TestBehind: a clock that is behind by what a guard makes up for finds records held.
func TestBehind(t *testing.T) {
	for behind, want := range map[time.Duration]bool{sessionGuard: true, sessionGuard + time.Second: false} {
		inBubble(t, func(t *testing.T, store *cas.Memory) {
			mustAcquire(t, newContender(store, "holder"))
			other := newContender(store, "other")
			other.clock.Set(-behind)
			_, err := other.AcquireLease(t.Context())
			var exists *replicate.LeaseExistsError
			if errors.As(err, &exists) != want || errors.Is(err, replicate.ErrLeaseCorrupt) == want {
				t.Errorf("%v behind: got %v", behind, err)
			}
		})
	}
}

// TestSkewEvent: who looks at a clock that is far off says so, once.
func TestSkewEvent(t *testing.T) {
	inBubble(t, func(t *testing.T, store *cas.Memory) {
		mustAcquire(t, newContender(store, "holder"))
		c := newContender(store, "me")
		c.clock.Set(time.Minute)
		c.tells(0, 0, nil)
		c.Observe(c.opts.OnEvent)
		for range 3 {
			_, _ = c.AcquireLease(t.Context())
			time.Sleep(time.Second)
		}
		if kinds := c.kinds(); len(kinds) != 1 || kinds[0] != lease.EventSkew {
			t.Fatalf("events %v, want one of the skew", kinds)
		}
		if got := c.events[0].Skew; got < -time.Minute || got > -time.Minute+time.Second {
			t.Errorf("skew %v, want -1m within a second", got)
		}
	})
}

// storeClock has a contender's store tell a time with every answer, as HTTP's Date
// does: the true one and so much more.
func (c *contender) storeClock(ahead time.Duration) {
	tell := func() time.Time { return time.Now().Add(ahead).Truncate(time.Second) }
	c.onRead = func(_ context.Context, read func() (cas.Record, error)) (cas.Record, error) {
		r, err := read()
		r.StoreTime = tell()
		return r, err
	}
	c.script(func(_ context.Context, write func() (cas.Written, error)) (cas.Written, error) {
		w, err := write()
		w.StoreTime = tell()
		return w, err
	})
}

// TestStoreClockOnlyDelays: a wrong clock of the store, or of a proxy before it, lets
// nobody take over a lease whose holder and contender have right clocks; nor do wrong
// clocks of theirs where the store's is right. A takeover is delayed by a TTL at most.
func TestStoreClockOnlyDelays(t *testing.T) {
	for name, c := range map[string]struct {
		holder, contender           time.Duration // the store's clock, as they see it
		holderLocal, contenderLocal time.Duration
	}{
		"ahead for the contender":    {contender: 35 * time.Second},
		"behind for the contender":   {contender: -35 * time.Second},
		"behind for the holder":      {holder: -35 * time.Second},
		"ahead for the holder":       {holder: 35 * time.Second},
		"ahead for both":             {holder: 35 * time.Second, contender: 35 * time.Second},
		"an hour apart":              {holder: -time.Hour, contender: time.Hour},
		"an hour apart, other side":  {holder: time.Hour, contender: -time.Hour},
		"holder an hour behind":      {holderLocal: -time.Hour},
		"holder an hour ahead":       {holderLocal: time.Hour},
		"contender an hour behind":   {contenderLocal: -time.Hour},
		"contender an hour ahead":    {contenderLocal: time.Hour},
		"machines two hours apart":   {holderLocal: -time.Hour, contenderLocal: time.Hour},
		"machines apart, other side": {holderLocal: time.Hour, contenderLocal: -time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, store *cas.Memory) {
				holder, other := newContender(store, "holder"), newContender(store, "other")
				holder.clock.Set(c.holderLocal)
				other.clock.Set(c.contenderLocal)
				holder.storeClock(c.holder)
				other.storeClock(c.contender)
				other.opts.PollEvery = 100 * time.Millisecond
				s := holder.acquire(t)
				time.Sleep(25 * time.Second) // it was renewed
				holder.script(refuses)
				ctx, cancel := context.WithTimeout(t.Context(), sessionTTL+2*time.Second)
				defer cancel()
				next, err := lease.Acquire(ctx, other, other.opts)
				if err != nil {
					t.Errorf("Acquire: %v", err)
					_ = s.Release(t.Context())
					return
				}
				if s.Valid() {
					t.Errorf("both are valid, for %v and %v", s.Left(), next.Left())
				}
				wantLost(t, s)
				release(t, next)
			})
		})
	}
}

// TestDriftIsBounded: a clock that runs four percent slow or fast is made up for by
// the default guard, at any age of the lease, where the store tells its time.
func TestDriftIsBounded(t *testing.T) {
	for _, holds := range []float64{-0.04, 0, 0.04} {
		for _, waits := range []float64{-0.04, 0, 0.04} {
			for age := time.Duration(0); age < 40*time.Minute; age = age*3/2 + 3100*time.Millisecond {
				inBubble(t, func(t *testing.T, store *cas.Memory) {
					holder, other := newContender(store, "holder"), newContender(store, "other")
					holder.clock.Drift(holds)
					other.clock.Drift(waits)
					holder.storeClock(0)
					other.storeClock(0)
					other.opts.PollEvery = 20 * time.Millisecond
					s := holder.acquire(t)
					time.Sleep(age)
					if !s.Valid() {
						t.Errorf("rates %v and %v: lost after %v: %v", holds, waits, age, s.Err())
					}
					holder.script(refuses)
					next, err := lease.Acquire(t.Context(), other, other.opts)
					if err != nil {
						t.Errorf("Acquire: %v", err)
						_ = s.Release(t.Context())
						return
					}
					if s.Valid() {
						t.Errorf("rates %v and %v, after %v: both are valid, for %v", holds, waits, age, s.Left())
					}
					_ = s.Release(t.Context())
					release(t, next)
				})
			}
		}
	}
}
