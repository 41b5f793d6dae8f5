package kvtest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/cas/castest"
	"github.com/replctl/replicate/store/kv"
)

// testLostAnswers: the answer to a write is lost, or is a refusal because a proxy has
// repeated the request, and somebody else writes before it can be read back. The
// operation is done, or it is refused, whichever is true. A write that may not survive
// a crash stays unknown.
func testLostAnswers(t *testing.T, h engine) {
	for _, c := range []struct {
		fault            castest.Fault
		applied, unknown bool
	}{{castest.AppliedThenFail, true, false}, {castest.LostBefore, false, false}, {castest.NotDurable, true, true}} {
		for name, op := range lostOperations {
			for others := 1; others <= 3; others++ {
				t.Run(fmt.Sprintf("%s, fault %d, then %d", name, c.fault, others), func(t *testing.T) {
					open := h.records(t)
					other := h.on(t, open())
					if op.exists {
						create(t, other, "k", "old", kv.NoLeaseId)
					}
					store := open()
					skip := 0
					if _, deletes := store.(cas.Deleter); deletes && !op.exists {
						skip = 1 // the placeholder: see store/internal/floor
					}
					mine := h.on(t, like(store, castest.Crowded(store, "", skip+1, c.fault, func() {
						for range others {
							overwrite(t, other)
						}
					})))
					err := op.run(t, mine)
					unknown := errors.Is(err, cas.ErrIndeterminate)
					if unknown != c.unknown {
						t.Errorf("unknown: %v, and the error is %v", c.unknown, err)
					}
					if !unknown && (c.applied && err != nil || !c.applied && !errors.Is(err, op.refused)) {
						t.Errorf("applied: %v, and the error is %v", c.applied, err)
					}
				})
			}
		}
	}
}

var lostOperations = map[string]struct {
	exists  bool // the record, before
	refused error
	run     func(t *testing.T, s kv.Storage) error
}{
	"Create": {false, kv.ErrAlreadyExists, func(t *testing.T, s kv.Storage) error {
		_, err := s.Create(t.Context(), kv.Record{Key: "k", Value: []byte("mine")})
		return err
	}},
	"CasByVersion": {true, kv.ErrWrongVersion, func(t *testing.T, s kv.Storage) error {
		v, err := s.CasByVersion(t.Context(), kv.Record{Key: "k", Value: []byte("mine"), Version: 1})
		if err == nil && v != 2 {
			t.Errorf("CasByVersion returns version %d", v)
		}
		return err
	}},
	"Delete": {true, nil, func(t *testing.T, s kv.Storage) error { // it deletes what is there now
		return s.Delete(t.Context(), "k")
	}},
}

// like is a decorated store that is a cas.Deleter if the engine is one.
func like(engine, decorated cas.Store) cas.Store {
	if _, ok := engine.(cas.Deleter); ok {
		return decorated
	}
	return struct{ cas.Store }{decorated}
}

// overwrite gives the record k another value, whether or not it is there.
func overwrite(t *testing.T, s kv.Storage) {
	t.Helper()
	r, err := s.Get(t.Context(), "k")
	switch {
	case errors.Is(err, kv.ErrNotFound):
		create(t, s, "k", "theirs", kv.NoLeaseId)
	case err != nil:
		t.Error(err)
	default:
		replace(t, s, "theirs", r.Version)
	}
}

// testDamaged: a record that was cut short, or changed, is an error that says so, and
// not a shorter value or none.
func testDamaged(t *testing.T, h engine) {
	open := h.records(t)
	create(t, h.on(t, open()), "k", "a value of some length", kv.NoLeaseId)
	store, key := open(), ""
	for e, err := range store.List(t.Context(), "kv/record/", "") {
		if err != nil {
			t.Fatal(err)
		}
		key = e.Key
	}
	r, err := store.Read(t.Context(), key, "")
	if err != nil {
		t.Fatal(err)
	}
	changed := append([]byte{}, r.Value...)
	changed[len(changed)-1]++
	for what, damaged := range map[string][]byte{
		"by one byte": r.Value[:len(r.Value)-1], "by its value": r.Value[:len(r.Value)-22], "to nothing": {},
		"to half": r.Value[:len(r.Value)/2], "nowhere, but changed": changed,
	} {
		now, err := store.Read(t.Context(), key, "")
		if err == nil {
			_, err = store.Write(t.Context(), key, damaged, now.Token)
		}
		if err != nil {
			t.Fatal(err)
		}
		s := h.on(t, open())
		got, getErr := s.Get(t.Context(), "k")
		_, rangeErr := s.GetRange(t.Context(), "", "")
		_, createErr := s.Create(t.Context(), kv.Record{Key: "k"})
		_, casErr := s.CasByVersion(t.Context(), kv.Record{Key: "k", Version: 1})
		_, waitErr := s.WaitForVersionChange(t.Context(), "k", 1)
		for op, err := range map[string]error{
			"Get": getErr, "GetRange": rangeErr, "Create": createErr, "CasByVersion": casErr,
			"WaitForVersionChange": waitErr, "Delete": s.Delete(t.Context(), "k"),
		} {
			wantIs(t, op+" of a record that was cut "+what, err, kv.ErrCorrupt)
		}
		if getErr == nil {
			t.Errorf("cut %s it is %q", what, got.Value)
		}
	}
}

// testNothingLeft: where the engine can delete, nothing is left of a record that was
// deleted, or whose lease has ended, once somebody has looked.
func testNothingLeft(t *testing.T, h engine) {
	open := h.records(t)
	if _, ok := open().(cas.Deleter); !ok {
		return
	}
	s := h.on(t, open())
	l := newLease(t, s, time.Minute, false)
	create(t, s, "leased", "x", l.Id())
	last := replace(t, s, "y", create(t, s, "k", "x", kv.NoLeaseId)) + 1
	if err := s.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
	wantKeys(t, h.on(t, open()), "", "")
	var keys []string
	for e, err := range open().List(t.Context(), "", "") {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, e.Key)
	}
	if diff := cmp.Diff([]string{"kv/floor"}, keys); diff != "" {
		t.Errorf("what is left (-want +got):\n%s", diff)
	}
	if v := create(t, h.on(t, open()), "another", "x", kv.NoLeaseId); v != last+1 {
		t.Errorf("a new record has version %d, and the highest version removed is %d", v, last)
	}
}

// testNextVersion: each change of a record makes its version one higher.
func testNextVersion(t *testing.T, h engine) {
	if sum, first, last := increments(t, h.Harness); int(last-first) != sum {
		t.Errorf("version %d after %d changes of version %d", last, sum, first)
	}
}
