package kv_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/store/kv"
)

// storage and its like are the contract as a program knows it that was written for another
// implementation, word for word but for the names of its types.
type storage interface {
	Lessor() kv.Lessor
	Create(ctx context.Context, record kv.Record) (kv.Version, error)
	Get(ctx context.Context, key kv.Key) (kv.Record, error)
	GetRange(ctx context.Context, startKey, endKey kv.Key) (kv.Records, error)
	CasByVersion(ctx context.Context, record kv.Record) (kv.Version, error)
	Delete(ctx context.Context, key kv.Key) error
	WaitForVersionChange(ctx context.Context, key kv.Key, ver kv.Version) (kv.Record, error)
}

type lessor interface {
	NewLease(ctx context.Context, ttl time.Duration, keepAlive bool) (kv.Lease, error)
	GetLease(lid kv.LeaseId) (kv.Lease, error)
}

type keyLease interface {
	Id() kv.LeaseId
	TTL() time.Duration
	Release() error
}

// The interfaces have these methods and no others.
var (
	_ storage    = kv.Storage(nil)
	_ kv.Storage = storage(nil)
	_ lessor     = kv.Lessor(nil)
	_ kv.Lessor  = lessor(nil)
	_ keyLease   = kv.Lease(nil)
	_ kv.Lease   = keyLease(nil)

	_ int64      = int64(kv.NoLeaseId)
	_ kv.Records = []kv.Record{{Key: kv.Key("k"), Value: kv.Value("v"), Version: kv.Version(1), Lease: kv.LeaseId(1)}}
)

// campaign is a program for the contract: it becomes the leader, or waits until the one
// that is has gone, and then becomes it.
func campaign(ctx context.Context, s kv.Storage, name string, leading func(kv.LeaseId) error) error {
	l, err := s.Lessor().NewLease(ctx, time.Minute, true)
	if err != nil {
		return err
	}
	for {
		_, err := s.Create(ctx, kv.Record{Key: "leader", Value: kv.Value(name), Lease: l.Id()})
		if err == nil {
			return errors.Join(leading(l.Id()), l.Release())
		}
		if !errors.Is(err, kv.ErrAlreadyExists) {
			return errors.Join(err, l.Release())
		}
		leader, err := s.Get(ctx, "leader")
		for err == nil && leader.Version != 0 {
			leader, err = s.WaitForVersionChange(ctx, "leader", leader.Version)
		}
		if err != nil && !errors.Is(err, kv.ErrNotFound) {
			return errors.Join(err, l.Release())
		}
	}
}

// TestContract runs that program, and one that counts its leaders, on a Store.
func TestContract(t *testing.T) {
	m := new(cas.Memory)
	open := func() kv.Storage {
		s, err := kv.New(m, kv.Options{PollEvery: 10 * time.Millisecond, LeaseCache: -1})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	counter, ctx := open(), t.Context()
	if _, err := counter.Create(ctx, kv.Record{Key: "terms", Value: kv.Value("0")}); err != nil {
		t.Fatal(err)
	}
	const candidates = 4
	done := make(chan error)
	for i := range candidates {
		s := open()
		go func() {
			done <- campaign(ctx, s, fmt.Sprint("candidate ", i), func(id kv.LeaseId) error {
				l, err := s.Lessor().GetLease(id)
				if err != nil || l.TTL() <= 0 || l.TTL() > time.Minute {
					return fmt.Errorf("lease %d: %v, %w", id, l, err)
				}
				terms, err := s.Get(ctx, "terms")
				if err != nil {
					return err
				}
				var n int
				_, _ = fmt.Sscan(string(terms.Value), &n)
				terms.Value = kv.Value(fmt.Sprint(n + 1))
				_, err = s.CasByVersion(ctx, terms)
				return err
			})
		}()
	}
	for range candidates {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	records, err := counter.GetRange(ctx, "", "")
	if err != nil || len(records) != 1 || string(records[0].Value) != fmt.Sprint(candidates) {
		t.Errorf("%d leaders, one after the other, leave %v, %v", candidates, records, err)
	}
	if err := counter.Delete(ctx, "terms"); err != nil {
		t.Error(err)
	}
}

// TestZero: a Store or a lease that New did not make returns errors.
func TestZero(t *testing.T) {
	s, ctx := new(kv.Store), t.Context()
	r := kv.Record{Key: "k", Version: 1}
	_, createErr := s.Create(ctx, r)
	_, leasedErr := s.Create(ctx, kv.Record{Key: "k", Lease: 1})
	_, getErr := s.Get(ctx, "k")
	_, rangeErr := s.GetRange(ctx, "", "")
	_, casErr := s.CasByVersion(ctx, r)
	_, waitErr := s.WaitForVersionChange(ctx, "k", 1)
	_, newErr := s.Lessor().NewLease(ctx, time.Minute, true)
	_, findErr := s.Lessor().GetLease(1)
	_, noStoreErr := kv.New(nil, kv.Options{})
	l := new(kv.StoreLease)
	for op, err := range map[string]error{
		"Create": createErr, "Create with a lease": leasedErr, "Get": getErr, "GetRange": rangeErr, "CasByVersion": casErr,
		"WaitForVersionChange": waitErr, "Delete": s.Delete(ctx, "k"), "NewLease": newErr, "GetLease": findErr,
		"New": noStoreErr, "Release": l.Release(),
	} {
		if err == nil || errors.Is(err, kv.ErrNotFound) {
			t.Errorf("%s: got error %v", op, err)
		}
	}
	if l.TTL() != 0 || l.FullTTL() != 0 || l.Id() != kv.NoLeaseId || l.Done() != nil || l.Err() != nil {
		t.Errorf("the zero lease is %+v", l)
	}
}
