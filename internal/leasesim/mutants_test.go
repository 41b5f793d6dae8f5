package leasesim

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/clock"
	"github.com/replctl/replicate/lease"
)

// mutant is a known bug of leases, planted around code that does not have it.
type mutant struct {
	kind    int // of history, in kinds
	plant   func(*setup)
	finding string // that gives it away
}

var mutants = map[string]mutant{
	// What Litestream's ReleaseLease comes to where the condition of a DELETE is ignored.
	"release by DELETE": {0, func(s *setup) {
		s.leaser = func(p *process, l leaser) leaser { return deletingLeaser{l, p} }
	}, "acquires generation"},

	"412 taken as lost": {4, func(s *setup) {
		s.store = func(_ *process, s cas.Store) cas.Store { return strangerStore{s} }
	}, "not linearizable"},

	"retries under a CAS write": {4, func(s *setup) {
		s.store = func(_ *process, s cas.Store) cas.Store { return retryingStore{s} }
	}, "not linearizable"},

	"expiry by an uncorrected clock": {3, func(s *setup) {
		s.store = func(_ *process, s cas.Store) cas.Store { return timelessStore{s} }
	}, "sessions valid at once"},

	"clocks beyond the bound": {4, func(s *setup) { s.skew = bound + 4*time.Second }, "sessions valid at once"},

	"only the monotonic clock": {1, func(s *setup) {
		s.session = func(_ *process, c clock.Clock) clock.Clock { return monotonic{c, time.Now()} }
	}, "sessions valid at once"},

	"deadline from the answer": {0, func(s *setup) {
		s.session = func(p *process, c clock.Clock) clock.Clock { return lateAnchor{c, p} }
		s.leaser = func(p *process, l leaser) leaser { return uncounted{l, p} }
	}, "sessions valid at once"},

	"late renewals count": {4, func(s *setup) {
		s.leaser = func(_ *process, l leaser) leaser { return lenientLeaser{l} }
	}, "a renewal counts that landed after the end"},

	"takeover before the TTL has passed": {4, func(s *setup) {
		s.store = func(_ *process, s cas.Store) cas.Store { return impatientStore{s} }
	}, "sessions valid at once"},

	"the store's clock alone decides": {6, func(s *setup) {
		s.store = func(p *process, s cas.Store) cas.Store { return oneClock{s, p} }
		s.session = nil
	}, "sessions valid at once"},

	"renewals that do not look at the store's clock": {5, func(s *setup) {
		s.store = func(_ *process, s cas.Store) cas.Store { return blindRenewals{s} }
	}, "sessions valid at once"},

	"an acquisition in doubt that is kept": {4, func(s *setup) {
		s.leaser = func(_ *process, l leaser) leaser { return keepingLeaser{l} }
	}, "withdrawn, and still held"},

	"requests that nobody counts": {7, func(s *setup) { s.uncounted = true }, "a late write"},

	"a loss that is hidden": {0, func(s *setup) { s.runner = hidingRun }, "hides that the session was lost"},

	"a panic that keeps the lease": {0, func(s *setup) { s.runner = hidingRun }, "the session goes on after Run"},

	"reading back proves durability": {4, func(s *setup) {
		s.store = func(_ *process, s cas.Store) cas.Store { return trustingStore{s} }
	}, "perhaps gone after a crash"},

	"read, then write unconditionally": {0, func(s *setup) {
		s.store = func(_ *process, s cas.Store) cas.Store { return blindStore{s} }
	}, "sessions valid at once"},
}

// TestMutants: each of them is found, by what it does.
func TestMutants(t *testing.T) {
	const tries = 200
	for name, m := range mutants {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(tries) {
				s := kinds[m.kind]
				s.contenders, s.ops = 8, 1000
				m.plant(&s)
				w := simulate(t, seed, s)
				for _, v := range w.violations {
					if strings.Contains(v, m.finding) {
						t.Logf("after %d histories: %.200s", seed+1, v)
						return
					}
				}
			}
			t.Errorf("the mutant survives %d histories", tries)
		})
	}
}

// deletingLeaser releases by deleting whatever is there.
type deletingLeaser struct {
	leaser
	p *process
}

func (l deletingLeaser) ReleaseLease(context.Context, *replicate.Lease) error {
	l.p.w.mem.Forget(lease.DefaultFile)
	return nil
}

// strangerStore never shows a writer its own bytes: Swap cannot find its write.
type strangerStore struct{ cas.Store }

func (s strangerStore) Read(ctx context.Context, key string, known cas.Token) (cas.Record, error) {
	r, err := s.Store.Read(ctx, key, known)
	if r.Value != nil {
		r.Value = append(r.Value, ' ')
	}
	return r, err
}

// retryingStore repeats what got no answer, as SDKs do, and reports the last answer.
type retryingStore struct{ cas.Store }

func (s retryingStore) Write(
	ctx context.Context,
	key string,
	value []byte,
	expect cas.Token,
) (written cas.Written, err error) {
	for range 3 {
		if written, err = s.Store.Write(ctx, key, value, expect); !errors.Is(err, cas.ErrIndeterminate) {
			break
		}
	}
	return written, err
}

// timelessStore does not say what time it is.
type timelessStore struct{ cas.Store }

func (s timelessStore) Read(ctx context.Context, key string, known cas.Token) (cas.Record, error) {
	r, err := s.Store.Read(ctx, key, known)
	r.StoreTime = time.Time{}
	return r, err
}

// monotonic is a clock whose wall time does not go on while the machine is suspended.
type monotonic struct {
	clock.Clock
	start time.Time
}

func (m monotonic) Now() clock.Instant {
	now := m.Clock.Now()
	now.Wall = m.start.Add(now.Mono)
	return now
}

// uncounted and lateAnchor leave out the time that requests take: for the session a
// lease begins with the answer.
type uncounted struct {
	leaser
	p *process
}

func (l uncounted) AcquireLease(ctx context.Context) (*replicate.Lease, error) {
	return l.leaveOut(func() (*replicate.Lease, error) { return l.leaser.AcquireLease(ctx) })
}

func (l uncounted) RenewLease(ctx context.Context, lease *replicate.Lease) (*replicate.Lease, error) {
	return l.leaveOut(func() (*replicate.Lease, error) { return l.leaser.RenewLease(ctx, lease) })
}

func (l uncounted) leaveOut(request func() (*replicate.Lease, error)) (*replicate.Lease, error) {
	before := l.p.machine.Now()
	lease, err := request()
	after := l.p.machine.Now()
	left := time.Duration(l.p.leftOut.Add(int64(after.Mono - before.Mono)))
	if err == nil {
		lease.ExpiresAt = after.Wall.Add(ttl - left)
	}
	return lease, err
}

type lateAnchor struct {
	clock.Clock
	p *process
}

func (c lateAnchor) Now() clock.Instant {
	return c.Clock.Now().Add(-time.Duration(c.p.leftOut.Load()))
}

// lenientLeaser renews what has lapsed, if nobody has taken it.
type lenientLeaser struct{ leaser }

func (l lenientLeaser) RenewLease(ctx context.Context, lease *replicate.Lease) (*replicate.Lease, error) {
	longer := *lease
	longer.ExpiresAt = longer.ExpiresAt.Add(ttl)
	return l.leaser.RenewLease(ctx, &longer)
}

// impatientStore makes a record seem to have a sixth of its TTL.
type impatientStore struct{ cas.Store }

func (s impatientStore) Read(ctx context.Context, key string, known cas.Token) (cas.Record, error) {
	r, err := s.Store.Read(ctx, key, known)
	r.Value = bytes.Replace(r.Value, []byte(`"ttl_ms":30000`), []byte(`"ttl_ms":5000`), 1)
	return r, err
}

// blindStore compares nothing that it should: it writes over whatever is there.
type blindStore struct{ cas.Store }

func (s blindStore) Write(ctx context.Context, key string, value []byte, _ cas.Token) (cas.Written, error) {
	r, err := s.Read(ctx, key, "")
	if err != nil {
		return cas.Written{}, err
	}
	return s.Store.Write(ctx, key, value, r.Token)
}

// oneClock makes records say that the holder's own clock ended the lease long ago, so
// that the store's clock alone decides.
type oneClock struct {
	cas.Store
	p *process
}

func (s oneClock) Write(ctx context.Context, key string, value []byte, expect cas.Token) (cas.Written, error) {
	var rec map[string]any
	if err := json.Unmarshal(value, &rec); err != nil {
		return cas.Written{}, err
	}
	rec["local_expires_at"] = "2000-01-01T00:00:00Z"
	changed, err := json.Marshal(rec)
	if err != nil {
		return cas.Written{}, err
	}
	return s.Store.Write(ctx, key, changed, expect)
}

func (s oneClock) Read(ctx context.Context, key string, known cas.Token) (cas.Record, error) {
	return s.Store.Read(ctx, key, known)
}

// blindRenewals does not tell the time with a write.
type blindRenewals struct{ cas.Store }

func (s blindRenewals) Write(ctx context.Context, key string, value []byte, expect cas.Token) (cas.Written, error) {
	written, err := s.Store.Write(ctx, key, value, expect)
	written.StoreTime = time.Time{}
	return written, err
}

// keepingLeaser gives nothing back.
type keepingLeaser struct{ leaser }

func (keepingLeaser) WithdrawLease(context.Context) error { return nil }

// hidingRun is Run without a deferred release, whose error is that of fn if there is one.
func hidingRun(
	ctx context.Context,
	l replicate.Leaser,
	opts lease.Options,
	fn func(context.Context, *lease.Session) error,
) error {
	s, err := lease.Acquire(ctx, l, opts)
	if err != nil {
		return err
	}
	workCtx, cancel := context.WithCancelCause(s.Context())
	stop := context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })
	defer stop()
	err = fn(workCtx, s)
	if released := s.Release(ctx); err == nil {
		err = released
	}
	return err
}

// trustingStore takes what may not be durable for what was perhaps not applied.
type trustingStore struct{ cas.Store }

func (s trustingStore) Write(ctx context.Context, key string, value []byte, expect cas.Token) (cas.Written, error) {
	written, err := s.Store.Write(ctx, key, value, expect)
	if errors.Is(err, cas.ErrNotDurable) {
		err = cas.ErrIndeterminate
	}
	return written, err
}
