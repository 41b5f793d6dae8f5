package kv_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/clock/byhand"
	"github.com/replctl/replicate/internal/clock/faketime"
	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/store/kv"
)

// TestCost counts the requests that doc.go promises. The clock stands still but
// for when it is moved.
func TestCost(t *testing.T) {
	t.Parallel()
	srv, clock, ctx := fakes3.New(t), byhand.New(), t.Context()
	s := handle(t, fakeBucket(t, srv), clock, kv.Options{})
	other := handle(t, fakeBucket(t, srv), clock, kv.Options{LeaseCache: -1})
	var lease, untrusted *kv.StoreLease
	get := func(key kv.Key, want error) func() error {
		return func() error {
			if _, err := s.Get(ctx, key); !errors.Is(err, want) {
				return err
			}
			return nil
		}
	}
	create := func(r kv.Record) func() error {
		return func() error { _, err := s.Create(ctx, r); return err }
	}
	replace := func(version kv.Version, want error) func() error {
		return func() error {
			if _, err := s.CasByVersion(ctx, kv.Record{Key: "k", Version: version}); !errors.Is(err, want) {
				return err
			}
			return nil
		}
	}
	list := func(start, end kv.Key) func() error {
		return func() error { _, err := s.GetRange(ctx, start, end); return err }
	}
	for _, c := range []struct {
		name string
		want int
		op   func() error
	}{
		{"the first Create", 3, create(kv.Record{Key: "k"})},
		{"Get", 1, get("k", nil)},
		{"Get of nothing", 1, get("nothing", kv.ErrNotFound)},
		{"CasByVersion", 2, replace(1, nil)},
		{"CasByVersion, wrong version", 1, replace(1, kv.ErrWrongVersion)},
		{"WaitForVersionChange, of another version", 1, func() error {
			_, err := s.WaitForVersionChange(ctx, "k", 1)
			return err
		}},
		{"Delete", 2, func() error { return s.Delete(ctx, "k") }},
		{"Create after Delete", 2, create(kv.Record{Key: "k"})},
		{"NewLease", 2, func() (err error) { lease, err = s.NewLease(ctx, time.Minute, false); return err }},
		{"GetLease", 1, func() error { _, err := s.GetLease(ctx, lease.Id()); return err }},
		{"Create with a lease that is trusted", 2, func() error { return create(kv.Record{Key: "l", Lease: lease.Id()})() }},
		{"Get while it is trusted", 1, get("l", nil)},
		{"Get when it was trusted", 2, func() error { clock.Move(time.Second); return get("l", nil)() }},
		{"Get, trusted again", 1, get("l", nil)},
		{"CasByVersion", 2, func() error { _, err := s.CasByVersion(ctx, kv.Record{Key: "l", Version: 1}); return err }},
		{"another lease", 2, func() (err error) { untrusted, err = other.NewLease(ctx, time.Minute, false); return err }},
		{"Create with it", 3, func() error { return create(kv.Record{Key: "u", Lease: untrusted.Id()})() }},
		{"Get", 2, get("u", nil)},
		{"Get, again", 2, get("u", nil)},
		{"GetRange of 3, with a lease", 5, list("", "")},
		{"GetRange of 1", 2, list("k", "k")},
		{"GetRange of none", 1, list("m", "n")},
		{"Release where nothing is trusted", 2, func() error { return untrusted.ReleaseContext(ctx) }},
		{"Get of what is gone", 2, get("u", kv.ErrNotFound)},
		{"Get of what is known to be gone", 1, get("u", kv.ErrNotFound)},
		{"GetRange that finds it gone", 4, list("", "")},
		{"GetRange that knows", 3, list("", "")},
	} {
		srv.Reset()
		if err := c.op(); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if got := srv.Count(""); got != c.want {
			t.Errorf("%s: %d requests, want %d", c.name, got, c.want)
		}
	}
}

// counting counts requests.
type counting struct {
	cas.Store
	n int
}

func (c *counting) Read(ctx context.Context, key string, known cas.Token) (cas.Record, error) {
	c.n++
	return c.Store.Read(ctx, key, known)
}

func (c *counting) Write(ctx context.Context, key string, value []byte, expect cas.Token) (cas.Written, error) {
	c.n++
	return c.Store.Write(ctx, key, value, expect)
}

// deleting is a store that can delete, and counts that, too.
type deleting struct{ *counting }

func (d deleting) Delete(ctx context.Context, key string, expect cas.Token) error {
	d.n++
	return d.Store.(cas.Deleter).Delete(ctx, key, expect)
}

// TestCostOfDeleting is what differs where the store can delete.
func TestCostOfDeleting(t *testing.T) {
	store, ctx := deleting{&counting{Store: new(cas.Memory)}}, t.Context()
	s := handle(t, store, faketime.New(0), kv.Options{})
	create := func(key kv.Key) func() error {
		return func() error { _, err := s.Create(ctx, kv.Record{Key: key}); return err }
	}
	for _, c := range []struct {
		name string
		want int
		op   func() error
	}{
		{"Create", 4, create("a")},
		{"Create", 4, create("b")},
		{"Create of what is there", 1, func() error { _ = create("a")(); return nil }},
		{"CasByVersion", 2, func() error { _, err := s.CasByVersion(ctx, kv.Record{Key: "b", Version: 1}); return err }},
		{"Delete", 4, func() error { return s.Delete(ctx, "b") }},
		{"Delete below the floor", 3, func() error { return s.Delete(ctx, "a") }},
		{"Create after Delete", 4, create("a")},
		{"Delete", 4, func() error { return s.Delete(ctx, "a") }},
	} {
		store.n = 0
		if err := c.op(); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if store.n != c.want {
			t.Errorf("%s: %d requests, want %d", c.name, store.n, c.want)
		}
	}
}

// TestCostOfTheEnd is what needs time to pass.
func TestCostOfTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := new(cas.Memory)
		store, clock := &counting{Store: m}, faketime.New(0)
		s := handle(t, store, clock, kv.Options{})
		want := func(what string, want int, op func() error) {
			t.Helper()
			store.n = 0
			if err := op(); err != nil && !errors.Is(err, kv.ErrNotFound) {
				t.Errorf("%s: %v", what, err)
			}
			if store.n != want {
				t.Errorf("%s: %d requests, want %d", what, store.n, want)
			}
		}
		get := func() error { _, err := s.Get(t.Context(), "k"); return err }
		l := leasedRecord(t, s, time.Minute, false)
		want("Release", 3, func() error { return l.ReleaseContext(t.Context()) })
		want("Get of what was released", 2, get)
		leasedRecord(t, s, time.Minute, false)
		time.Sleep(time.Hour)
		want("Get of what has expired", 1+3, get)
		want("Get of what is known to have expired", 1, get)
	})
}
