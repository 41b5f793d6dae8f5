package kv_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/cas/castest"
	"github.com/replctl/replicate/internal/clock"
	"github.com/replctl/replicate/store/kv"
)

// TestSuperseded: the answer to a write is lost, and others write before it can be
// read back. If the next version is theirs, mine never was; if one after it is, it
// may be built on mine.
func TestSuperseded(t *testing.T) {
	for _, c := range []struct {
		fault  castest.Fault
		others int // writes before reading back
		want   error
	}{
		{castest.LostBefore, 0, nil},
		{castest.AppliedThenFail, 0, nil},
		{castest.LostBefore, 1, kv.ErrWrongVersion},
		{castest.LostBefore, 2, cas.ErrIndeterminate},
		{castest.AppliedThenFail, 1, cas.ErrIndeterminate},
		{castest.NotDurable, 0, cas.ErrNotDurable},
		{castest.FailBefore, 0, castest.ErrInjected},
	} {
		t.Run(fmt.Sprintf("fault %d, then %d", c.fault, c.others), func(t *testing.T) {
			m := new(cas.Memory)
			other := handle(t, m, clock.System, kv.Options{})
			if _, err := other.Create(t.Context(), kv.Record{Key: "k"}); err != nil {
				t.Fatal(err)
			}
			writes := 0
			mine := handle(t, &castest.Faulty{Store: m, Decide: func(op, _ string) castest.Fault {
				switch {
				case op == "write":
					if writes++; writes == 1 {
						return c.fault
					}
				case writes == 1:
					for range c.others {
						addTo(t, other)
					}
					c.others = 0
				}
				return castest.None
			}}, clock.System, kv.Options{})
			_, err := mine.CasByVersion(t.Context(), kv.Record{Key: "k", Value: []byte("mine"), Version: 1})
			if !errors.Is(err, c.want) {
				t.Errorf("got error %v, want %v", err, c.want)
			}
			if errors.Is(err, cas.ErrIndeterminate) && !errors.Is(c.want, cas.ErrIndeterminate) {
				t.Errorf("%v, and it is certain", err)
			}
		})
	}
}

func addTo(t *testing.T, s *kv.Store) {
	t.Helper()
	r, err := s.Get(t.Context(), "k")
	if err == nil {
		r.Value = append(r.Value, '+')
		_, err = s.CasByVersion(t.Context(), r)
	}
	if err != nil {
		t.Fatal(err)
	}
}
