package lease_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/lease"
)

func TestSessionOptions(t *testing.T) {
	c := newContender(new(cas.Memory), "me")
	for name, o := range map[string]lease.Options{
		"ttl -1s":                               {TTL: -time.Second},
		"renewal interval -1s":                  {RenewEvery: -time.Second},
		"guard -1s":                             {Guard: -time.Second},
		"attempt timeout -1s":                   {AttemptTimeout: -time.Second},
		"poll interval -1s":                     {PollEvery: -time.Second},
		"intervals of 15s and the guard of 3s":  {RenewEvery: 15 * time.Second},
		"intervals of 10s and the guard of 10s": {Guard: 10 * time.Second},
		"10s and the guard of 1s do not fit into": {TTL: 20 * time.Second, RenewEvery: 10 * time.Second,
			Guard: time.Second},
		"do not fit into the ttl of 1s":             {TTL: time.Second, Guard: time.Second},
		"two renewal intervals of 29s and the guar": {RenewEvery: 29 * time.Second, Guard: time.Second},
	} {
		for what, acquire := range map[string]func(context.Context, replicate.Leaser, lease.Options) (*lease.Session, error){
			"Acquire": lease.Acquire, "TryAcquire": lease.TryAcquire,
		} {
			if _, err := acquire(t.Context(), silent{c}, o); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%s: got error %v, want one that says %q", what, err, name)
			}
		}
	}
	if reads, _, writes := c.counts(); reads+writes > 0 {
		t.Errorf("%d requests were sent", reads+writes)
	}
}

// TestSessionLost: when renewals fail the context ends the guard before the lease.
func TestSessionLost(t *testing.T) {
	for name, fail := range map[string]func(context.Context, func() (cas.Written, error)) (cas.Written, error){
		"refused": func(context.Context, func() (cas.Written, error)) (cas.Written, error) {
			return cas.Written{}, errors.New("no")
		},
		"hanging": func(ctx context.Context, _ func() (cas.Written, error)) (cas.Written, error) {
			<-ctx.Done()
			return cas.Written{}, cas.ErrIndeterminate
		},
		"deaf": func(context.Context, func() (cas.Written, error)) (cas.Written, error) {
			time.Sleep(time.Minute)
			return cas.Written{}, cas.ErrIndeterminate
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, store *cas.Memory) {
				start, c := time.Now(), newContender(store, "me")
				s := c.acquire(t)
				c.script(fail)
				time.Sleep(26 * time.Second)
				if !s.Valid() || s.Context().Err() != nil || s.Left() != time.Second {
					t.Errorf("after 26s: valid %v, left %v, context %v", s.Valid(), s.Left(), s.Context().Err())
				}
				<-s.Context().Done()
				if got, want := time.Since(start), sessionTTL-sessionGuard; got != want {
					t.Errorf("the context ended after %v, want %v", got, want)
				}
				wantHeld(t, store, "me")
				wantLost(t, s)
				time.Sleep(time.Minute) // the deaf store answers
				if n := len(slices.DeleteFunc(c.kinds(), func(k lease.EventKind) bool { return k != lease.EventLost })); n != 1 {
					t.Errorf("%d events that it was lost", n)
				}
			})
		})
	}
}

// TestSessionTakenOver: the holder learns of a break when it next renews.
func TestSessionTakenOver(t *testing.T) {
	inBubble(t, func(t *testing.T, store *cas.Memory) {
		c, start := newContender(store, "me"), time.Now()
		s := c.acquire(t)
		if _, err := newContender(store, "operator").BreakLease(t.Context(), lease.BreakOptions{Generation: 1}); err != nil {
			t.Fatal(err)
		}
		<-s.Context().Done()
		if got := time.Since(start); got != sessionTTL/3 {
			t.Errorf("lost after %v, want %v", got, sessionTTL/3)
		}
		wantLost(t, s)
		if !errors.Is(s.Err(), replicate.ErrLeaseNotHeld) {
			t.Errorf("it says %v, want ErrLeaseNotHeld", s.Err())
		}
		wantFree(t, store, 3)
	})
}

// TestSessionValid does not need a timer: none of the session's ever fires here.
func TestSessionValid(t *testing.T) {
	for name, pass := range map[string]func(*contender){
		"suspended": func(c *contender) { c.clock.Suspend(); time.Sleep(sessionTTL - sessionGuard); c.clock.Resume() },
		"stopped":   func(c *contender) { c.clock.Stop(); time.Sleep(sessionTTL - sessionGuard); c.clock.Resume() },
		"set ahead": func(c *contender) { c.clock.Set(sessionTTL - sessionGuard) },
		"set back, and late": func(c *contender) {
			c.clock.Set(-time.Hour)
			time.Sleep(sessionTTL - sessionGuard)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, store *cas.Memory) {
				c := newContender(store, "me")
				c.opts = c.opts.WithClock(lateTimers{c.clock, always})
				s := c.acquire(t)
				if !s.Valid() {
					t.Fatal("not valid at first")
				}
				pass(c)
				if s.Valid() {
					t.Error("still valid")
				}
				wantLost(t, s)
			})
		})
	}
}

// TestSessionLateRenewal: what comes back after the deadline does not count, even if
// nobody has noticed the deadline, and nobody has taken the lease.
func TestSessionLateRenewal(t *testing.T) {
	inBubble(t, func(t *testing.T, store *cas.Memory) {
		c := newContender(store, "me")
		c.opts.AttemptTimeout = sessionTTL
		c.opts = c.opts.WithClock(lateTimers{c.clock, func(d time.Duration) bool { return d != sessionTTL/3 }})
		s := c.acquire(t)
		before := s.Lease()
		c.script(func(_ context.Context, write func() (cas.Written, error)) (cas.Written, error) {
			time.Sleep(18 * time.Second) // sent at 10s, back at 28s
			return write()
		})
		<-s.Context().Done()
		if s.Lease() != before {
			t.Errorf("the lease was renewed to %+v", s.Lease())
		}
		wantLost(t, s)
		if slices.Contains(c.kinds(), lease.EventRenewed) {
			t.Error("a renewal was reported")
		}
	})
}

// TestSessionLostStaysLost: a clock that is set back brings nothing back.
func TestSessionLostStaysLost(t *testing.T) {
	inBubble(t, func(t *testing.T, store *cas.Memory) {
		c := newContender(store, "me")
		s := c.acquire(t)
		c.clock.Set(time.Hour)
		wantLost(t, s)
		c.clock.Set(0)
		_, _, before := c.counts()
		time.Sleep(sessionTTL + time.Second)
		wantLost(t, s)
		if _, _, after := c.counts(); after != before {
			t.Errorf("%d writes for a session that is over", after-before)
		}
		wantFree(t, store, 2)
	})
}

// TestSessionDroppedReply: a renewal whose answer is lost costs a read, not the lease.
func TestSessionDroppedReply(t *testing.T) {
	inBubble(t, func(t *testing.T, store *cas.Memory) {
		c := newContender(store, "me")
		s := c.acquire(t)
		c.script(func(_ context.Context, write func() (cas.Written, error)) (cas.Written, error) {
			if _, err := write(); err != nil {
				return cas.Written{}, err
			}
			return cas.Written{}, cas.ErrIndeterminate
		})
		time.Sleep(2*sessionTTL + time.Second)
		if !s.Valid() {
			t.Errorf("lost: %v", s.Err())
		}
		now, err := store.Read(t.Context(), lease.DefaultFile, "")
		if err != nil || s.Lease().ETag != string(now.Token) {
			t.Errorf("the lease has the etag %s, the store %s (%v)", s.Lease().ETag, now.Token, err)
		}
		c.script(nil)
		release(t, s)
		want := []lease.EventKind{lease.EventAcquired}
		for range 6 {
			want = append(want, lease.EventAmbiguous, lease.EventRecovered, lease.EventRenewed)
		}
		if diff := cmp.Diff(append(want, lease.EventReleased), c.kinds()); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
}

func TestSessionEvents(t *testing.T) {
	inBubble(t, func(t *testing.T, store *cas.Memory) {
		holder, waiter := newContender(store, "holder"), newContender(store, "waiter")
		s := holder.acquire(t)
		holder.script(func(_ context.Context, write func() (cas.Written, error)) (cas.Written, error) {
			time.Sleep(250 * time.Millisecond)
			return write()
		})
		time.AfterFunc(sessionTTL/3+time.Second, func() { release(t, s) })
		next, err := lease.Acquire(t.Context(), waiter, waiter.opts)
		if err != nil {
			t.Fatal(err)
		}
		release(t, next)

		k := func(kinds ...lease.EventKind) []lease.EventKind { return kinds }
		if diff := cmp.Diff(k(lease.EventAcquired, lease.EventRenewed, lease.EventReleased), holder.kinds()); diff != "" {
			t.Errorf("the holder's events (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(k(lease.EventWaiting, lease.EventAcquired, lease.EventReleased), waiter.kinds()); diff != "" {
			t.Errorf("the waiter's events (-want +got):\n%s", diff)
		}
		if e := holder.events[1]; e.Latency != 250*time.Millisecond || e.Lease.Generation != 1 || e.Lease.Owner != "holder" {
			t.Errorf("renewed: %+v", e)
		}
		if e := waiter.events[0]; e.Lease.Owner != "holder" || e.Lease.Generation != 1 || e.Err == nil {
			t.Errorf("waiting: %+v", e)
		}
		if e := waiter.events[1]; e.Lease.Generation != 2 {
			t.Errorf("acquired: %+v", e)
		}
	})
}
