package kv

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/clock"
	"github.com/replctl/replicate/store/internal/floor"
	"github.com/replctl/replicate/store/internal/names"
	"github.com/replctl/replicate/store/internal/record"
)

// The keys of records and of leases in the store.
const (
	root         = "kv/"
	floorKey     = root + "floor"
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

	clock clock.Clock // for tests; the machine's if nil
}

// Store is a Storage in a [cas.Store]. [New] makes one: the methods of a zero Store return
// errors.
type Store struct {
	store cas.Store
	opts  Options
	floor *floor.Floor

	mu    sync.Mutex
	views map[LeaseId]*view
	gone  map[string]cas.Token // versions that are deleted, or whose lease has ended, by their keys
}

var _ Storage = (*Store)(nil)

// New returns the records that are kept in store, below "kv/". Every program has to use
// them by way of the same engine: a decorator that hides that it is a cas.Deleter takes
// versions for new that others have removed.
func New(store cas.Store, opts Options) (*Store, error) {
	if store == nil {
		return nil, fmt.Errorf("kv: %w", errNoStore)
	}
	if opts.PollEvery < 0 || opts.MaxSkew < 0 {
		return nil, fmt.Errorf("kv: poll interval %v, skew %v: neither may be negative", opts.PollEvery, opts.MaxSkew)
	}
	opts.PollEvery, opts.clock = cmp.Or(opts.PollEvery, time.Second), cmp.Or(opts.clock, clock.System)
	opts.LeaseCache = max(0, cmp.Or(opts.LeaseCache, time.Second))
	f := &floor.Floor{Store: store, Key: floorKey, Format: floorFormat}
	return &Store{store: store, opts: opts, floor: f, views: map[LeaseId]*view{}, gone: map[string]cas.Token{}}, nil
}

var errNoStore = errors.New("no store: kv.New makes what can be used")

// ready is an error for the zero Store.
func (s *Store) ready() error {
	if s.store == nil {
		return errNoStore
	}
	return nil
}

// recordKey is the key in the store of a record's.
func recordKey(key Key) (string, error) {
	encoded, err := names.Encode(string(key))
	if err != nil {
		return "", fmt.Errorf("key: %w", err)
	}
	return recordPrefix + encoded, nil
}

func leaseKey(id LeaseId) string { return leasePrefix + strconv.FormatInt(int64(id), 10) }

// read reads an entry by its key in the store. If it is still the one that is known,
// the result is that.
func (s *Store) read(ctx context.Context, storeKey string, known entry) (entry, error) {
	if err := s.ready(); err != nil {
		return entry{}, err
	}
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
// error, and the entry is theirs. A placeholder is never ok: what is there now may be
// replaced next, whoever has written it.
func (s *Store) swap(
	ctx context.Context, storeKey string, old entry, h header, value Value,
) (e entry, ok bool, err error) {
	body, err := h.encode(value)
	if err != nil {
		return entry{}, false, err
	}
	now, err := recordFormat.Swap(ctx, s.store, storeKey, body, old.stored)
	switch {
	case err == nil && h != placeholder:
		e = entry{header: h, value: value}
		if bytes.Equal(now.Body, body) { // otherwise somebody has replaced it already
			e.stored = now
		}
		return e, true, nil
	case err != nil && !record.Lost(err):
		return entry{}, false, err
	}
	e, err = decode(now)
	return e, false, err
}

// bury removes what is left of a record that is gone for good, where the store can. It
// does no harm if that fails, and stays.
func (s *Store) bury(ctx context.Context, storeKey string, e entry) {
	if e.stored.Exists() && e.Version > 0 && s.floor.Deletes() {
		_ = s.floor.Remove(ctx, storeKey, e.stored.Token, int64(e.Version))
	}
}
