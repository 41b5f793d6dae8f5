package kv

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/clock"
	"github.com/replctl/replicate/store/internal/names"
	"github.com/replctl/replicate/store/internal/record"
)

// The keys of records and of leases in the store.
const (
	root         = "kv/"
	recordPrefix = root + "record/"
	leasePrefix  = root + "lease/"
)

// Options configure a Store. The zero value suits most.
type Options struct {
	// PollEvery is how often WaitForVersionChange looks where the store does not tell of
	// changes; a second if zero. Where it does, it looks every five times that besides.
	PollEvery time.Duration

	// LeaseCache is how long a lease that was made here may be taken on trust by a reader
	// that has seen it, and so how long it takes to release it. The lease says so itself:
	// readers need not have the same option. A second if zero; not at all if negative;
	// until its expiry if longer than that.
	LeaseCache time.Duration

	// MaxSkew is waited for after the expiry of a lease before its records vanish, for
	// clocks that differ by more than a second. It has to be the same everywhere.
	MaxSkew time.Duration

	Clock clock.Clock // for tests; the machine's if nil
}

// Store is a Storage in a [cas.Store].
type Store struct {
	store cas.Store
	opts  Options

	mu    sync.Mutex
	views map[LeaseId]*view
	gone  map[string]cas.Token // versions that are deleted, or whose lease has ended, by their keys
}

var (
	_ Storage = (*Store)(nil)
	_ Lessor  = (*Store)(nil)
)

// New returns the records that are kept in store, below "kv/".
func New(store cas.Store, opts Options) (*Store, error) {
	if opts.PollEvery < 0 || opts.MaxSkew < 0 {
		return nil, fmt.Errorf("kv: poll interval %v, skew %v: neither may be negative", opts.PollEvery, opts.MaxSkew)
	}
	if opts.PollEvery == 0 {
		opts.PollEvery = time.Second
	}
	if opts.LeaseCache == 0 {
		opts.LeaseCache = time.Second
	}
	opts.LeaseCache = max(0, opts.LeaseCache)
	if opts.Clock == nil {
		opts.Clock = clock.System
	}
	return &Store{store: store, opts: opts, views: map[LeaseId]*view{}, gone: map[string]cas.Token{}}, nil
}

// Lessor implements [Storage].
func (s *Store) Lessor() Lessor { return s }

// recordKey is the key in the store of a record's.
func recordKey(key string) (string, error) {
	encoded, err := names.Encode(key)
	if err != nil {
		return "", fmt.Errorf("key: %w", err)
	}
	return recordPrefix + encoded, nil
}

func leaseKey(id LeaseId) string { return leasePrefix + strconv.FormatInt(int64(id), 10) }

// read reads an entry by its key in the store. If it is still the one that is known,
// the result is that.
func (s *Store) read(ctx context.Context, storeKey string, known entry) (entry, error) {
	r, err := recordFormat.Read(ctx, s.store, storeKey, known.stored)
	if err != nil {
		return entry{}, err
	}
	if r.Exists() && r.Token == known.stored.Token {
		return known, nil
	}
	return decode(r)
}

// isLive reports whether there is a record.
func (s *Store) isLive(ctx context.Context, e entry) (bool, error) {
	switch {
	case !e.stored.Exists() || e.Deleted:
		return false, nil
	case e.Lease == NoLeaseId:
		return true, nil
	}
	return s.isAlive(ctx, e.Lease)
}

// swap replaces an entry. If somebody else has certainly been faster, that is no
// error, and the entry is theirs.
func (s *Store) swap(ctx context.Context, storeKey string, old entry, h header, value []byte) (e entry, ok bool, err error) {
	body, err := h.encode(value)
	if err != nil {
		return entry{}, false, err
	}
	now, err := recordFormat.Swap(ctx, s.store, storeKey, body, old.stored)
	switch {
	case err == nil:
		return entry{header: h, value: value}, true, nil
	case !record.Lost(err):
		return entry{}, false, err
	}
	e, err = decode(now)
	return e, false, err
}
