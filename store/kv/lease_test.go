package kv_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/cas/castest"
	"github.com/replctl/replicate/internal/clock"
	"github.com/replctl/replicate/internal/clock/faketime"
	"github.com/replctl/replicate/lease"
	"github.com/replctl/replicate/store/kv"
)

func handle(t *testing.T, store cas.Store, c clock.Clock, opts kv.Options) *kv.Store {
	t.Helper()
	s, err := kv.New(store, opts.WithClock(c))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func leasedRecord(t *testing.T, s *kv.Store, ttl time.Duration, keepAlive bool) *kv.StoreLease {
	t.Helper()
	l, err := s.NewLease(t.Context(), ttl, keepAlive)
	if err == nil {
		_, err = s.Create(t.Context(), kv.Record{Key: "k", Lease: l.Id()})
	}
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func wantThere(t *testing.T, s *kv.Store, what string, want bool) {
	t.Helper()
	_, err := s.Get(t.Context(), "k")
	if want && err != nil || !want && !errors.Is(err, kv.ErrNotFound) {
		t.Errorf("%s: got %v, want it there: %v", what, err, want)
	}
}

// TestClocksApart: the first for whom the lease has expired ends it, for all; and
// until then it is there, for all.
func TestClocksApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, ahead, behind := new(cas.Memory), faketime.New(500*time.Millisecond), faketime.New(-500*time.Millisecond)
		exact := handle(t, m, faketime.New(0), kv.Options{})
		fast, slow := handle(t, m, ahead, kv.Options{}), handle(t, m, behind, kv.Options{})
		leasedRecord(t, exact, 10*time.Second, false)
		time.Sleep(9400 * time.Millisecond)
		for name, s := range map[string]*kv.Store{"exact": exact, "fast": fast, "slow": slow} {
			wantThere(t, s, name+", before the end", true)
		}
		time.Sleep(200 * time.Millisecond)
		wantThere(t, slow, "slow, at the end by a fast clock", true)
		wantThere(t, fast, "fast, at the end by its clock", false)
		wantThere(t, slow, "slow, after somebody has seen the end", false)
		wantThere(t, exact, "exact, after somebody has seen the end", false)
	})
}

// TestMaxSkew: a lease is there for as long after its expiry.
func TestMaxSkew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := handle(t, new(cas.Memory), faketime.New(0), kv.Options{MaxSkew: 5 * time.Second})
		leasedRecord(t, s, 10*time.Second, false)
		time.Sleep(14 * time.Second)
		wantThere(t, s, "within the skew", true)
		time.Sleep(1100 * time.Millisecond)
		wantThere(t, s, "after it", false)
	})
}

// TestNoRevival: a holder that was suspended does not renew what has ended, whether or
// not somebody has seen the end.
func TestNoRevival(t *testing.T) {
	for _, seen := range []bool{false, true} {
		t.Run(fmt.Sprintf("seen %v", seen), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, machine := new(cas.Memory), faketime.New(0)
				holder, reader := handle(t, m, machine, kv.Options{}), handle(t, m, faketime.New(0), kv.Options{})
				l := leasedRecord(t, holder, 9*time.Second, true)
				time.Sleep(time.Minute)
				wantThere(t, reader, "while it is kept alive", true)
				machine.Suspend()
				time.Sleep(10 * time.Second)
				if seen {
					wantThere(t, reader, "its holder is silent", false)
				}
				machine.Resume()
				time.Sleep(time.Minute)
				wantThere(t, reader, "its holder is back", false)
				wantThere(t, holder, "its holder is back", false)
				for range 2 {
					if err := l.ReleaseContext(t.Context()); !errors.Is(err, kv.ErrLeaseLost) {
						t.Errorf("Release of what has been lost: %v", err)
					}
				}
			})
		})
	}
}

// TestLostKeepAlive: a holder that is cut off from the store is told before its
// records vanish, and not before it has to be.
func TestLostKeepAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, clock := new(cas.Memory), faketime.New(0)
		var cut atomic.Bool
		network := &castest.Faulty{Store: m, Decide: func(string, string) castest.Fault {
			if cut.Load() {
				return castest.FailBefore
			}
			return castest.None
		}}
		s, reader := handle(t, network, clock, kv.Options{}), handle(t, m, clock, kv.Options{})
		l := leasedRecord(t, s, 10*time.Second, true)
		time.Sleep(time.Minute)
		if l.Err() != nil {
			t.Errorf("kept alive, and %v", l.Err())
		}
		cut.Store(true)
		start := time.Now()
		<-l.Done()
		if took := time.Since(start); took > 9*time.Second || took < 5*time.Second {
			t.Errorf("the holder is told after %v", took)
		}
		if !errors.Is(l.Err(), kv.ErrLeaseLost) {
			t.Errorf("the holder is told %v", l.Err())
		}
		wantThere(t, reader, "when the holder is told", true)
		if err := l.ReleaseContext(t.Context()); !errors.Is(err, castest.ErrInjected) || errors.Is(err, kv.ErrLeaseLost) {
			t.Errorf("Release while the store cannot be reached: %v", err)
		}
		cut.Store(false)
		if err := l.ReleaseContext(t.Context()); !errors.Is(err, kv.ErrLeaseLost) {
			t.Errorf("Release: %v", err)
		}
		wantThere(t, reader, "when the lease was released", false)
	})
}

// TestDone: a lease that is released is done, and one that is not kept alive never is.
func TestDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := handle(t, new(cas.Memory), faketime.New(0), kv.Options{})
		left := leasedRecord(t, s, 10*time.Second, false)
		if left.Done() != nil || left.Err() != nil {
			t.Errorf("not kept alive: %v", left.Err())
		}
		kept, err := s.NewLease(t.Context(), 10*time.Second, true)
		if err != nil {
			t.Fatal(err)
		}
		if err := kept.ReleaseContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		<-kept.Done()
		if !errors.Is(kept.Err(), kv.ErrLeaseReleased) {
			t.Errorf("released: %v", kept.Err())
		}
	})
}

// TestTrust: how long a release takes, and that nobody sees the records after it.
func TestTrust(t *testing.T) {
	for name, c := range map[string]struct {
		cache, want time.Duration
	}{
		"default": {0, time.Second}, "none": {-1, 0}, "short": {100 * time.Millisecond, 100 * time.Millisecond},
		"until its expiry": {time.Hour, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, clock := new(cas.Memory), faketime.New(0)
				s, reader := handle(t, m, clock, kv.Options{LeaseCache: c.cache}), handle(t, m, clock, kv.Options{})
				l := leasedRecord(t, s, 10*time.Second, true)
				wantThere(t, reader, "before", true)
				released := make(chan error)
				start := time.Now()
				go func() { released <- l.ReleaseContext(t.Context()) }()
				if c.want > 0 {
					time.Sleep(c.want - time.Millisecond)
					wantThere(t, reader, "until it is released", true)
				}
				if err := <-released; err != nil || time.Since(start) != c.want {
					t.Errorf("Release: %v after %v, want %v", err, time.Since(start), c.want)
				}
				wantThere(t, reader, "once it is released", false)
			})
		})
	}
}

// TestReleaseInterrupted: the lease ends soon nevertheless.
func TestReleaseInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := handle(t, new(cas.Memory), faketime.New(0), kv.Options{})
		l := leasedRecord(t, s, time.Hour, true)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if err := l.ReleaseContext(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Release: %v", err)
		}
		wantThere(t, s, "at once", true)
		time.Sleep(2 * time.Second)
		wantThere(t, s, "two seconds later", false)
	})
}

// readOnly is a store for somebody without the permission to write.
type readOnly struct{ cas.Store }

func (readOnly) Write(context.Context, string, []byte, cas.Token) (cas.Written, error) {
	return cas.Written{}, fs.ErrPermission
}

// TestReadOnly: who may not end a lease goes by the clock.
func TestReadOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, clock := new(cas.Memory), faketime.New(0)
		s := handle(t, readOnly{m}, clock, kv.Options{})
		leasedRecord(t, handle(t, m, clock, kv.Options{}), 10*time.Second, false)
		wantThere(t, s, "before its end", true)
		time.Sleep(10*time.Second + 1)
		wantThere(t, s, "after its end", false)
	})
}

// TestWaitSeesExpiry: though nobody tells of it.
func TestWaitSeesExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, start := handle(t, new(cas.Memory), faketime.New(0), kv.Options{}), time.Now()
		leasedRecord(t, s, 10*time.Second, false)
		r, err := s.WaitForVersionChange(t.Context(), "k", 1)
		if r.Key != "" || err != nil || time.Since(start) > 11*time.Second {
			t.Errorf("got %+v, %v after %v", r, err, time.Since(start))
		}
	})
}

// dated is a store with a clock of its own, which tells seconds.
type dated struct{ cas.Store }

func (s dated) Read(ctx context.Context, key string, known cas.Token) (cas.Record, error) {
	r, err := s.Store.Read(ctx, key, known)
	r.StoreTime = time.Now().Truncate(time.Second)
	return r, err
}

// TestWrongClocks: where the store has a clock, those of the machines may be an hour
// off. A reader whose own says that a lease goes on has to watch it for its TTL.
func TestWrongClocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := dated{new(cas.Memory)}
		for _, ahead := range []time.Duration{time.Hour, -time.Hour} {
			holder, other := handle(t, m, faketime.New(ahead), kv.Options{}), handle(t, m, faketime.New(-ahead), kv.Options{})
			left := leasedRecord(t, holder, 10*time.Second, false)
			time.Sleep(9 * time.Second)
			wantThere(t, other, "before the end", true)
			time.Sleep(11 * time.Second)
			wantThere(t, other, "after the end", false)

			kept := leasedRecord(t, holder, 10*time.Second, true)
			time.Sleep(time.Minute)
			wantThere(t, other, "while it is kept alive", true)
			found, err := holder.GetLease(t.Context(), kept.Id())
			if err == nil {
				err = found.ReleaseContext(t.Context())
			}
			if err != nil {
				t.Fatal(err)
			}
			wantThere(t, other, "after it was released", false)

			interrupted := leasedRecord(t, other, time.Hour, false)
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			if err := interrupted.ReleaseContext(ctx); err == nil {
				t.Error("released at once")
			}
			cancel()
			_, _ = holder.Get(t.Context(), "k")
			time.Sleep(5 * time.Second)
			wantThere(t, holder, "after it was cut short", false)
			for _, l := range []*kv.StoreLease{left, interrupted} {
				if err := l.ReleaseContext(t.Context()); err != nil {
					t.Error(err)
				}
			}
			if err := kept.ReleaseContext(t.Context()); !errors.Is(err, kv.ErrLeaseLost) {
				t.Errorf("Release by the holder of what somebody else has released: %v", err)
			}
		}
	})
}

// TestTTL: it is the time until the lease expires, of one that is kept alive until the
// next renewal comes.
func TestTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := handle(t, new(cas.Memory), faketime.New(0), kv.Options{LeaseCache: -1})
		left, kept := leasedRecord(t, s, 9*time.Second, false), must(s.NewLease(t.Context(), 9*time.Second, true))
		want := func(what string, l *kv.StoreLease, most, least time.Duration) {
			t.Helper()
			if got := l.TTL(); got > most || got < least || l.FullTTL() != 9*time.Second {
				t.Errorf("%s: it expires in %v of %v, want %v to %v", what, got, l.FullTTL(), least, most)
			}
		}
		want("made", left, 9*time.Second, 9*time.Second)
		time.Sleep(4 * time.Second)
		found := must(s.GetLease(t.Context(), left.Id()))
		for name, l := range map[string]*kv.StoreLease{"made": left, "found": found} {
			want(name+", after 4s", l, 5*time.Second, 5*time.Second)
		}
		time.Sleep(time.Minute)
		want("left, and expired", left, 0, 0)
		want("kept", kept, 9*time.Second, 5*time.Second)
		if err := kept.Release(); err != nil {
			t.Error(err)
		}
		want("released", kept, 0, 0)
	})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestLeaseRecord: the owner is a name for people, and what readers need has fields of its own.
func TestLeaseRecord(t *testing.T) {
	m := new(cas.Memory)
	s := must(kv.New(m, kv.Options{}))
	l := must(s.NewLease(t.Context(), 1500*time.Millisecond, false))
	r := must(m.Read(t.Context(), fmt.Sprint("kv/lease/", l.Id()), ""))
	var got struct {
		Owner string `json:"owner"`
		Note  struct {
			TTL   int `json:"ttl_ms"`
			Cache int `json:"cache_ms"`
		} `json:"note"`
	}
	if err := json.Unmarshal(r.Value, &got); err != nil {
		t.Fatal(err)
	}
	if got.Owner != lease.DefaultOwner() || got.Note.TTL != 1500 || got.Note.Cache != 1000 {
		t.Errorf("got %s", r.Value)
	}
}
