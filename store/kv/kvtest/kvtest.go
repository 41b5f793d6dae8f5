// Package kvtest is the contract of kv.Storage as a test, for any implementation.
package kvtest

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/store/kv"
)

// Harness says how to make what is tested.
type Harness struct {
	// New makes a fresh, empty storage that the test owns, and returns a function
	// that opens a new handle on it each time, as another process would.
	New func(t *testing.T) (open func() kv.Storage)

	// Slow storages (on a disk, a server behind a socket) get fewer rounds in races.
	Slow bool
}

func (h Harness) rounds(n int) int {
	if h.Slow {
		return max(1, n/20)
	}
	return n
}

// Run runs every test of the contract, at the same time: many wait.
func Run(t *testing.T, h Harness) {
	if h.New == nil {
		t.Fatal("the harness has no New")
	}
	for name, test := range map[string]func(*testing.T, Harness){
		"Create":         testCreate,
		"CasByVersion":   testCasByVersion,
		"Delete":         testDelete,
		"Versions":       testVersions,
		"Keys":           testKeys,
		"Sizes":          testSizes,
		"Aliasing":       testAliasing,
		"GetRange":       testGetRange,
		"Wait":           testWait,
		"WaitForEnd":     testWaitForEnd,
		"WaitEnds":       testWaitEnds,
		"Leases":         testLeases,
		"NoLease":        testNoLease,
		"Release":        testRelease,
		"Expiry":         testExpiry,
		"KeepAlive":      testKeepAlive,
		"VanishTogether": testVanishTogether,
		"Increments":     testIncrements,
		"CreateRace":     testCreateRace,
		"Linearizable":   testLinearizable,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, h)
		})
	}
}

func create(t *testing.T, s kv.Storage, key kv.Key, value string, lease kv.LeaseId) kv.Version {
	t.Helper()
	v, err := s.Create(t.Context(), kv.Record{Key: key, Value: []byte(value), Lease: lease})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func replace(t *testing.T, s kv.Storage, value string, version kv.Version) kv.Version {
	t.Helper()
	next, err := s.CasByVersion(t.Context(), kv.Record{Key: "k", Value: []byte(value), Version: version})
	if err != nil {
		t.Fatal(err)
	}
	if next <= version {
		t.Errorf("CasByVersion: version %d after %d", next, version)
	}
	return next
}

func wantIs(t *testing.T, what string, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("%s: got error %v, want one that is %q", what, err, target)
	}
	if errors.Is(err, cas.ErrIndeterminate) {
		t.Errorf("%s: %v says that it may have been done", what, err)
	}
}

func wantRecord(t *testing.T, s kv.Storage, want kv.Record) {
	t.Helper()
	got, err := s.Get(t.Context(), want.Key)
	if err != nil {
		t.Error(err)
		return
	}
	if bytes.Equal(got.Value, want.Value) { // cmp takes its time over long ones
		got.Value, want.Value = nil, nil
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Get(%q) (-want +got):\n%s", want.Key, diff)
	}
}

func wantNone(t *testing.T, s kv.Storage, key kv.Key) {
	t.Helper()
	_, err := s.Get(t.Context(), key)
	wantIs(t, "Get of what is not there", err, kv.ErrNotFound)
}

func wantKeys(t *testing.T, s kv.Storage, start, end kv.Key, want ...kv.Key) {
	t.Helper()
	records, err := s.GetRange(t.Context(), start, end)
	if err != nil {
		t.Fatal(err)
	}
	got := []kv.Key{}
	for _, r := range records {
		got = append(got, r.Key)
	}
	if diff := cmp.Diff(append([]kv.Key{}, want...), got); diff != "" {
		t.Errorf("GetRange(%q, %q) (-want +got):\n%s", start, end, diff)
	}
}

func newLease(t *testing.T, s kv.Storage, ttl time.Duration, keepAlive bool) kv.Lease {
	t.Helper()
	l, err := s.Lessor().NewLease(t.Context(), ttl, keepAlive)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Release() })
	return l
}

// patiently runs a test that needs a lease to last for as long as the machine is busy
// with something: with a longer one, if it did not.
func patiently(t *testing.T, test func(ttl time.Duration) error) {
	t.Helper()
	for ttl := 300 * time.Millisecond; ; ttl *= 3 {
		err := test(ttl)
		if err == nil {
			return
		}
		if ttl > 20*time.Second {
			t.Fatal(err)
		}
		t.Logf("with a ttl of %v: %v", ttl, err)
	}
}

// eventually polls until ok, or for much longer than it can take.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("still not: %s", what)
		}
	}
}
