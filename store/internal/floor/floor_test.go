package floor

import (
	"errors"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/cas/castest"
	"github.com/replctl/replicate/store/internal/record"
)

func on(s cas.Store) *Floor {
	return &Floor{Store: s, Key: "floor", Format: record.Format{Name: "floor/1", Corrupt: errors.New("corrupt")}}
}

func wantFloor(t *testing.T, f *Floor, want int64) {
	t.Helper()
	if got, err := f.Read(t.Context()); err != nil || got != want {
		t.Errorf("the floor is %d, %v, want %d", got, err, want)
	}
}

func tombstone(t *testing.T, s cas.Store) cas.Token {
	t.Helper()
	w, err := s.Write(t.Context(), "k", []byte("tombstone"), "")
	if err != nil {
		t.Fatal(err)
	}
	return w.Token
}

func TestRemove(t *testing.T) {
	m := new(cas.Memory)
	f := on(m)
	wantFloor(t, f, 0)
	for _, c := range []struct{ version, floor int64 }{{5, 5}, {3, 5}, {6, 6}} {
		if err := f.Remove(t.Context(), "k", tombstone(t, m), c.version); err != nil {
			t.Fatal(err)
		}
		if r, err := m.Read(t.Context(), "k", ""); err != nil || r.Exists() {
			t.Errorf("the tombstone is %+v, %v", r, err)
		}
		wantFloor(t, f, c.floor)
		wantFloor(t, on(m), c.floor)
	}
	tombstone(t, m)
	if err := f.Remove(t.Context(), "k", "another", 1); err != nil {
		t.Errorf("a record that has changed: %v", err)
	}
	if r, err := m.Read(t.Context(), "k", ""); err != nil || !r.Exists() {
		t.Errorf("a record that has changed is gone: %v", err)
	}
}

// TestRemoveAfterRaise: a tombstone stays as long as the floor is not certainly as high.
func TestRemoveAfterRaise(t *testing.T) {
	for _, fault := range []castest.Fault{castest.FailBefore, castest.NotDurable} {
		m := new(cas.Memory)
		token := tombstone(t, m)
		f := on(&castest.Faulty{Store: m, Decide: func(op, _ string) castest.Fault {
			if op == "write" {
				return fault
			}
			return castest.None
		}})
		if err := f.Remove(t.Context(), "k", token, 5); !errors.Is(err, castest.ErrInjected) {
			t.Errorf("fault %d: got error %v", fault, err)
		}
		if r, err := m.Read(t.Context(), "k", ""); err != nil || r.Token != token {
			t.Errorf("fault %d: the tombstone is %+v, %v", fault, r, err)
		}
	}
}

type bare struct{ cas.Store }

func TestDeletes(t *testing.T) {
	m := new(cas.Memory)
	if !on(m).Deletes() || on(bare{m}).Deletes() {
		t.Error("Deletes is not whether the store is a cas.Deleter")
	}
	token := tombstone(t, m)
	if err := on(bare{m}).Remove(t.Context(), "k", token, 5); !errors.Is(err, cas.ErrUnsupported) {
		t.Errorf("Remove on a store without: %v", err)
	}
	wantFloor(t, on(m), 0)
}

func TestDamaged(t *testing.T) {
	for _, body := range []string{"", "x", "0", "-1", "1 "} {
		m := new(cas.Memory)
		f := on(m)
		if _, err := f.Format.Swap(t.Context(), m, f.Key, []byte(body), record.Stored{}); err != nil {
			t.Fatal(err)
		}
		if v, err := f.Read(t.Context()); !errors.Is(err, f.Format.Corrupt) {
			t.Errorf("a floor of %q: %d, %v", body, v, err)
		}
		if err := f.Remove(t.Context(), "k", tombstone(t, m), 5); !errors.Is(err, f.Format.Corrupt) {
			t.Errorf("Remove with a floor of %q: %v", body, err)
		}
	}
}

// TestNeverLower: whoever has raised the floor finds it as high.
func TestNeverLower(t *testing.T) {
	m := new(cas.Memory)
	var wg sync.WaitGroup
	for seed := range uint64(6) {
		f, r := on(castest.NewFaulty(m, seed)), rand.New(rand.NewPCG(seed, 1))
		wg.Go(func() {
			for range 100 {
				to := 1 + r.Int64N(1000)
				if f.raise(t.Context(), to) != nil {
					continue
				}
				if v, err := on(m).Read(t.Context()); err != nil || v < to {
					t.Errorf("the floor is %d, %v after it was raised to %d", v, err, to)
				}
			}
		})
	}
	wg.Wait()
}
