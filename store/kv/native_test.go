package kv_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/store/kv"
	"github.com/replctl/replicate/store/kv/kvtest"
)

// TestNative: kvtest takes an implementation that has nothing to do with this one.
func TestNative(t *testing.T) {
	t.Parallel()
	kvtest.Run(t, kvtest.Harness{New: func(*testing.T) func() kv.Storage {
		n := &native{records: map[kv.Key]kv.Record{}, leases: map[kv.LeaseId]*nativeLease{}}
		return func() kv.Storage { return n }
	}})
}

// native is a Storage of one process. Its versions count the changes of all keys.
type native struct {
	mu        sync.Mutex
	revision  kv.Version
	records   map[kv.Key]kv.Record
	leases    map[kv.LeaseId]*nativeLease
	lastLease kv.LeaseId
}

type nativeLease struct {
	n       *native
	id      kv.LeaseId
	ttl     time.Duration
	expires time.Time // zero if it is kept alive
}

// lock removes what has expired, and returns the function that unlocks.
func (n *native) lock() (unlock func()) {
	n.mu.Lock()
	for id, l := range n.leases {
		if !l.expires.IsZero() && time.Now().After(l.expires) {
			n.end(id)
		}
	}
	return n.mu.Unlock
}

func (n *native) end(id kv.LeaseId) {
	delete(n.leases, id)
	for key, r := range n.records {
		if r.Lease == id {
			delete(n.records, key)
		}
	}
}

func (n *native) find(key kv.Key) (kv.Record, error) {
	if key == "" || len(key) > kv.MaxKeyLen {
		return kv.Record{}, fmt.Errorf("%w: %d bytes", cas.ErrInvalidKey, len(key))
	}
	r, ok := n.records[key]
	if !ok {
		return kv.Record{}, kv.ErrNotFound
	}
	r.Value = bytes.Clone(r.Value)
	return r, nil
}

func (n *native) put(r kv.Record) (kv.Version, error) {
	if len(r.Value) > kv.MaxValueSize {
		return 0, cas.ErrTooLarge
	}
	n.revision++
	r.Value, r.Version = bytes.Clone(r.Value), n.revision
	n.records[r.Key] = r
	return r.Version, nil
}

func (n *native) Lessor() kv.Lessor { return n }

func (n *native) Create(_ context.Context, r kv.Record) (kv.Version, error) {
	defer n.lock()()
	switch old, err := n.find(r.Key); {
	case err == nil:
		return old.Version, kv.ErrAlreadyExists
	case r.Key == "" || len(r.Key) > kv.MaxKeyLen:
		return 0, err
	case r.Lease != kv.NoLeaseId && n.leases[r.Lease] == nil:
		return 0, kv.ErrNotFound
	}
	return n.put(r)
}

func (n *native) Get(_ context.Context, key kv.Key) (kv.Record, error) {
	defer n.lock()()
	return n.find(key)
}

func (n *native) GetRange(_ context.Context, start, end kv.Key) (kv.Records, error) {
	defer n.lock()()
	var found kv.Records
	for key := range n.records {
		if key >= start && (end == "" || key <= end) {
			r, _ := n.find(key)
			found = append(found, r)
		}
	}
	slices.SortFunc(found, func(a, b kv.Record) int { return strings.Compare(string(a.Key), string(b.Key)) })
	return found, nil
}

func (n *native) CasByVersion(_ context.Context, r kv.Record) (kv.Version, error) {
	defer n.lock()()
	old, err := n.find(r.Key)
	switch {
	case err != nil:
		return 0, err
	case old.Version != r.Version:
		return 0, kv.ErrWrongVersion
	}
	r.Lease = old.Lease
	return n.put(r)
}

func (n *native) Delete(_ context.Context, key kv.Key) error {
	defer n.lock()()
	_, err := n.find(key)
	delete(n.records, key)
	return err
}

func (n *native) WaitForVersionChange(ctx context.Context, key kv.Key, version kv.Version) (kv.Record, error) {
	r, err := n.Get(ctx, key)
	for err == nil && r.Version == version {
		select {
		case <-ctx.Done():
			return kv.Record{}, context.Cause(ctx)
		case <-time.After(time.Millisecond):
		}
		if r, err = n.Get(ctx, key); err != nil {
			return kv.Record{}, nil
		}
	}
	return r, err
}

func (n *native) NewLease(_ context.Context, ttl time.Duration, keepAlive bool) (kv.Lease, error) {
	if ttl < kv.MinTTL || ttl > kv.MaxTTL {
		return nil, fmt.Errorf("ttl %v", ttl)
	}
	defer n.lock()()
	n.lastLease++
	l := &nativeLease{n: n, id: n.lastLease, ttl: ttl}
	if !keepAlive {
		l.expires = time.Now().Add(ttl)
	}
	n.leases[l.id] = l
	return l, nil
}

func (n *native) GetLease(id kv.LeaseId) (kv.Lease, error) {
	defer n.lock()()
	if l := n.leases[id]; l != nil {
		return l, nil
	}
	return nil, kv.ErrNotFound
}

func (l *nativeLease) Id() kv.LeaseId { return l.id }

func (l *nativeLease) TTL() time.Duration {
	defer l.n.lock()()
	switch {
	case l.n.leases[l.id] == nil:
		return 0
	case l.expires.IsZero():
		return l.ttl
	}
	return time.Until(l.expires)
}

func (l *nativeLease) Release() error {
	defer l.n.lock()()
	l.n.end(l.id)
	return nil
}
