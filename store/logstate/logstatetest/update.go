package logstatetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/replctl/replicate/store/logstate"
)

// updaters returns a function that opens a new handle each time; nil if what is tested
// has not the newer shape.
func (h Harness) updaters(t *testing.T) func() logstate.LogStateUpdater {
	open := h.New(t)
	if _, ok := open().(logstate.LogStateUpdater); !ok {
		return nil
	}
	return func() logstate.LogStateUpdater { return open().(logstate.LogStateUpdater) }
}

// testUpdate: f gets the current checkpoint, and what it returns replaces it, or nothing
// changes.
func testUpdate(t *testing.T, h Harness) {
	open := h.updaters(t)
	if open == nil {
		return
	}
	wantCurrent := func(want string) {
		t.Helper()
		got, err := open().Latest("log")
		if err != nil || string(got) != want || (got == nil) != (want == "") {
			t.Errorf("Latest: %q, %v, want %q", got, err, want)
		}
	}
	refused := errors.New("not consistent")
	for _, step := range []struct{ before, after string }{{"", "one"}, {"one", "two"}} {
		wantCurrent(step.before)
		for _, wrong := range []error{refused, nil} { // nil: nothing is no checkpoint
			err := open().Update("log", func([]byte) ([]byte, error) { return nil, wrong })
			if wrong == nil {
				wantCode(t, "Update to nothing", err, codes.InvalidArgument)
			} else if !errors.Is(err, wrong) || errors.Unwrap(err) != nil {
				t.Errorf("Update that is refused: %v, want the refusal as it is", err)
			}
			wantCurrent(step.before)
		}
		err := open().Update("log", func(current []byte) ([]byte, error) {
			if string(current) != step.before || (current == nil) != (step.before == "") {
				t.Errorf("Update is given %q, want %q", current, step.before)
			}
			return []byte(step.after), nil
		})
		if err != nil {
			t.Errorf("Update: %v", err)
		}
	}
	wantCurrent("two")
	_, err := open().Latest("")
	wantCode(t, "Latest of no log", err, codes.InvalidArgument)
	wantCode(t, "Update of no log", open().Update("", nil), codes.InvalidArgument)
}

// testUpdateRace: of many that update one log at once none gets lost.
func testUpdateRace(t *testing.T, h Harness) {
	open := h.updaters(t)
	if open == nil {
		return
	}
	var witnesses sync.WaitGroup
	for i := range racers {
		witnesses.Go(func() {
			for n := range h.rounds() {
				err := open().Update("log", func(current []byte) ([]byte, error) {
					return fmt.Appendf(current, "%d.%d\n", i, n), nil
				})
				if err != nil {
					t.Errorf("Update: %v", err)
				}
			}
		})
	}
	witnesses.Wait()
	applied := map[string]bool{}
	for i := range racers {
		for n := range h.rounds() {
			applied[fmt.Sprintf("%d.%d", i, n)] = true
		}
	}
	wantLines(t, open().(logstate.LogStatePersistence), applied, nil)
}
