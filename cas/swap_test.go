package cas_test

import (
	"context"
	"errors"
	"testing"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/cas/castest"
)

// TestSwap is every outcome of a first write, and what Swap makes of it.
func TestSwap(t *testing.T) {
	other := func(s *cas.Memory) { // somebody else writes between attempt and reading back
		r, _ := s.Read(t.Context(), "k", "")
		_, _ = s.Write(t.Context(), "k", []byte("theirs"), r.Token)
	}
	type faults = []castest.Fault
	const (
		answerLost, lost, notSent = castest.AppliedThenFail, castest.LostBefore, castest.FailBefore
		undurable, replaced       = castest.NotDurable, castest.AppliedThenReplaced
	)
	unknown, superseded := []error{cas.ErrIndeterminate}, []error{cas.ErrIndeterminate, cas.ErrSuperseded}
	notDurable := []error{cas.ErrNotDurable, cas.ErrIndeterminate}
	for name, c := range map[string]struct {
		faults  faults // of the writes, one after the other
		between func(*cas.Memory)
		value   string // in the end
		want    []error
	}{
		"applied":                        {nil, nil, "mine", nil},
		"applied, answer lost":           {faults{answerLost}, nil, "mine", nil},
		"applied, not durable":           {faults{undurable}, nil, "mine", notDurable},
		"lost, then not durable":         {faults{lost, undurable}, nil, "mine", notDurable},
		"applied, and replaced":          {faults{replaced}, nil, "theirs", superseded},
		"lost, then applied":             {faults{lost}, nil, "mine", nil},
		"lost, applied with lost answer": {faults{lost, answerLost}, nil, "mine", nil},
		"always lost":                    {faults{lost, lost, lost, lost}, nil, "old", unknown},
		"not sent":                       {faults{notSent}, nil, "old", []error{castest.ErrInjected}},
		"lost, then not sent":            {faults{lost, notSent}, nil, "old", unknown},
		"lost, and superseded":           {faults{lost}, other, "theirs", superseded},
		"applied, and superseded":        {faults{answerLost}, other, "theirs", superseded},
	} {
		t.Run(name, func(t *testing.T) {
			m := new(cas.Memory)
			written, err := m.Write(t.Context(), "k", []byte("old"), "")
			if err != nil {
				t.Fatal(err)
			}
			faults := c.faults
			s := &castest.Faulty{Store: m, Between: func(string) { other(m) }, Decide: func(op, _ string) castest.Fault {
				if op == "read" && c.between != nil {
					c.between(m)
				}
				if op == "read" || len(faults) == 0 {
					return castest.None
				}
				f := faults[0]
				faults = faults[1:]
				return f
			}}
			r, err := cas.Swap(t.Context(), s, "k", []byte("mine"), written.Token)
			if (err == nil) != (c.want == nil) {
				t.Errorf("Swap: got error %v, want %v", err, c.want)
			}
			if errors.Is(err, cas.ErrConflict) {
				t.Errorf("Swap: got error %v, which says that nothing was applied", err)
			}
			for _, want := range c.want {
				if !errors.Is(err, want) {
					t.Errorf("Swap: got error %v, want one that is %q", err, want)
				}
			}
			now, _ := m.Read(t.Context(), "k", "")
			if string(now.Value) != c.value {
				t.Errorf("the record is %q, want %q", now.Value, c.value)
			}
			if err == nil && (r.Token != now.Token || string(r.Value) != "mine") {
				t.Errorf("Swap returns %+v, the record is %+v", r, now)
			}
		})
	}
}

func TestSwapConflict(t *testing.T) {
	m := new(cas.Memory)
	stale, _ := m.Write(t.Context(), "k", []byte("one"), "")
	if _, err := m.Write(t.Context(), "k", []byte("two"), stale.Token); err != nil {
		t.Fatal(err)
	}
	r, err := cas.Swap(t.Context(), m, "k", []byte("mine"), stale.Token)
	if !errors.Is(err, cas.ErrConflict) || errors.Is(err, cas.ErrIndeterminate) || string(r.Value) != "two" {
		t.Errorf("Swap: got %+v, %v, want a plain conflict and the winner's record", r, err)
	}
}

// TestSwapContradiction: a store that refuses a write because the record has changed,
// and shows that it has not, does not keep its caller trying for ever.
func TestSwapContradiction(t *testing.T) {
	m := new(cas.Memory)
	before, err := m.Write(t.Context(), "k", []byte("old"), "")
	if err != nil {
		t.Fatal(err)
	}
	r, err := cas.Swap(t.Context(), refusing{m}, "k", []byte("mine"), before.Token)
	if !errors.Is(err, cas.ErrIndeterminate) || r.Token != before.Token {
		t.Errorf("Swap: got %+v, %v, want the record and an unknown outcome", r, err)
	}
}

// refusing says of each write that the record has changed.
type refusing struct{ cas.Store }

func (refusing) Write(context.Context, string, []byte, cas.Token) (cas.Written, error) {
	return cas.Written{}, cas.ErrConflict
}
