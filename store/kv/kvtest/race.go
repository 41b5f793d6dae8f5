package kvtest

import (
	"errors"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/store/kv"
)

// increment adds one to a counter and returns its version.
func increment(t *testing.T, s kv.Storage) (kv.Version, error) {
	for {
		r, err := s.Get(t.Context(), "counter")
		if err != nil {
			return 0, err
		}
		n, err := strconv.Atoi(string(r.Value))
		if err != nil {
			return 0, err
		}
		r.Value = []byte(strconv.Itoa(n + 1))
		if v, err := s.CasByVersion(t.Context(), r); !errors.Is(err, kv.ErrWrongVersion) {
			return v, err
		}
	}
}

// testIncrements: every increment is in the sum, and each has a version of its own.
func testIncrements(t *testing.T, h Harness) { increments(t, h) }

// increments returns how many there have been, and the versions before and after.
func increments(t *testing.T, h Harness) (sum int, first, last kv.Version) {
	const clients = 8
	each := h.rounds(200)
	open := h.New(t)
	first = create(t, open(), "counter", "0", kv.NoLeaseId)
	var mu sync.Mutex
	var all []kv.Version
	unknown := 0
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			s, last := open(), first
			for range each {
				v, err := increment(t, s)
				if errors.Is(err, cas.ErrIndeterminate) { // it fell too far behind to be told
					mu.Lock()
					unknown++
					mu.Unlock()
					continue
				}
				if err != nil || v <= last {
					t.Errorf("version %d after %d, error %v", v, last, err)
					return
				}
				last = v
				mu.Lock()
				all = append(all, v)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	slices.Sort(all)
	n := len(slices.Compact(all))
	if n != clients*each-unknown || unknown > clients*each/10 {
		t.Errorf("%d versions of %d increments, %d of them unknown", n, clients*each, unknown)
	}
	r, err := open().Get(t.Context(), "counter")
	sum, notNumber := strconv.Atoi(string(r.Value))
	if err != nil || notNumber != nil || sum < n || sum > n+unknown {
		t.Errorf("got %+v, %v after %d increments and %d unknown ones", r, err, n, unknown)
	}
	return sum, first, r.Version
}

// testCreateRace: one creates, the others are told of that version; also where there
// was one before, that was deleted or whose lease has ended.
func testCreateRace(t *testing.T, h Harness) {
	open := h.New(t)
	var last kv.Version
	for round := range max(4, h.rounds(20)) {
		lease := kv.NoLeaseId
		if round%2 == 1 {
			lease = newLease(t, open(), kv.MaxTTL, false).Id()
		}
		versions, created := make([]kv.Version, 8), make([]bool, 8)
		var wg sync.WaitGroup
		for i := range versions {
			wg.Go(func() {
				v, err := open().Create(t.Context(), kv.Record{Key: "k", Lease: lease})
				if err != nil && !errors.Is(err, kv.ErrAlreadyExists) {
					t.Error(err)
				}
				versions[i], created[i] = v, err == nil
			})
		}
		wg.Wait()
		slices.Sort(versions)
		if versions[0] != versions[7] || versions[0] <= last {
			t.Errorf("after version %d: created %v", last, versions)
		}
		if i := slices.Index(created, true); i < 0 || slices.Contains(created[i+1:], true) {
			t.Errorf("not one has created version %d: %v", versions[0], created)
		}
		last = versions[0]
		end(t, open(), lease)
	}
}

// end makes a record vanish: the one of that lease.
func end(t *testing.T, s kv.Storage, lease kv.LeaseId) {
	t.Helper()
	if lease == kv.NoLeaseId {
		if err := s.Delete(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
		return
	}
	l, err := s.Lessor().GetLease(lease)
	if err == nil {
		err = l.Release()
	}
	if err != nil {
		t.Fatal(err)
	}
}
