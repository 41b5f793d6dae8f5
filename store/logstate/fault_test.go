package logstate_test

import (
	"errors"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/cas/castest"
	"github.com/replctl/replicate/store/logstate"
)

// script has the requests fail as listed, in their order, and not after that.
func script(store cas.Store, faults ...castest.Fault) *castest.Faulty {
	return &castest.Faulty{Store: store, Decide: func(string, string) castest.Fault {
		if len(faults) == 0 {
			return castest.None
		}
		fault := faults[0]
		faults = faults[1:]
		return fault
	}}
}

// TestFaults: each step of read, write and reading back, failed before and after
// it was applied.
func TestFaults(t *testing.T) {
	const ok, before, lost = castest.None, castest.FailBefore, castest.LostBefore
	const after, unsafe = castest.AppliedThenFail, castest.NotDurable
	for name, c := range map[string]struct {
		faults  []castest.Fault
		want    string
		code    codes.Code
		unknown bool
	}{
		"the read fails":                   {[]castest.Fault{before}, "one", codes.Unknown, false},
		"the write is refused":             {[]castest.Fault{ok, before}, "one", codes.Unknown, false},
		"the write is lost, and repeated":  {[]castest.Fault{ok, lost}, "two", codes.OK, false},
		"the answer is lost":               {[]castest.Fault{ok, after}, "two", codes.OK, false},
		"the answer and the read are lost": {[]castest.Fault{ok, after, before}, "two", codes.Unknown, true},
		"the disk fails":                   {[]castest.Fault{ok, unsafe}, "two", codes.Unknown, true},
		"all is lost":                      {[]castest.Fault{ok, lost, before}, "one", codes.Unknown, true},
	} {
		t.Run(name, func(t *testing.T) {
			store := new(cas.Memory)
			mustSet(t, logstate.New(store), "one")
			w, err := logstate.New(script(store, c.faults...)).WriteOps("log")
			if err != nil {
				t.Fatal(err)
			}
			err = w.Set([]byte("two"))
			if status.Code(err) != c.code || errors.Is(err, cas.ErrIndeterminate) != c.unknown {
				t.Errorf("Set: %v with code %v, want %v, unknown %v", err, status.Code(err), c.code, c.unknown)
			}
			wantLatest(t, logstate.New(store), c.want)
		})
	}
}

// TestSuperseded: a rival has written first, and the own request is lost. The rival's
// record proves that it took the place of the one before.
func TestSuperseded(t *testing.T) {
	store := new(cas.Memory)
	mustSet(t, logstate.New(store), "one")
	faulty := &castest.Faulty{Store: store}
	faulty.Decide = func(op, _ string) castest.Fault {
		if op != "write" {
			return castest.None
		}
		mustSet(t, logstate.New(store), "of a rival")
		return castest.LostBefore
	}
	w, err := logstate.New(faulty).WriteOps("log")
	if err != nil {
		t.Fatal(err)
	}
	err = w.Set([]byte("two"))
	if status.Code(err) != codes.Aborted || errors.Is(err, cas.ErrIndeterminate) {
		t.Errorf("Set: %v with code %v", err, status.Code(err))
	}
	wantLatest(t, logstate.New(store), "of a rival")
}
