package logstatetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/store/logstate"
)

// updaters returns a function that opens a new handle each time; nil if what is tested
// has not the newer shape.
func (h Harness) updaters(t *testing.T) func() logstate.LogStateUpdater {
	open := h.witnesses(t)
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

// silent is a store that does not answer writes, or reads either.
type silent struct {
	cas.Store
	reads bool
}

func (s silent) Read(ctx context.Context, key string, known cas.Token) (cas.Record, error) {
	if !s.reads {
		return s.Store.Read(ctx, key, known)
	}
	<-ctx.Done()
	return cas.Record{}, context.Cause(ctx)
}

func (s silent) Write(ctx context.Context, _ string, _ []byte, _ cas.Token) (cas.Written, error) {
	<-ctx.Done()
	return cas.Written{}, fmt.Errorf("%w: %w", cas.ErrIndeterminate, context.Cause(ctx))
}

// testContexts: what ends with its context has that end's code, before and in a request,
// and whatever the cause of the end is called.
func testContexts(t *testing.T, h Harness) {
	store := h.Records(t)()
	set(t, logstate.New(store), "log", "one")
	cause := errors.New("shutting down")
	for want, newContext := range map[codes.Code]func() (context.Context, func()){
		codes.DeadlineExceeded: func() (context.Context, func()) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			return ctx, cancel
		},
		codes.Canceled: func() (context.Context, func()) {
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(time.Millisecond, func() { cancel(cause) })
			return ctx, func() { cancel(nil) }
		},
	} {
		for where, s := range map[string]cas.Store{"a read": silent{store, true}, "a write": silent{store, false}} {
			ctx, cancel := newContext()
			bound := logstate.New(s).WithContext(ctx)
			err := begin(t, bound, "log").Set([]byte("two"))
			wantCode(t, "Set that ends in "+where, err, want)
			if unknown := errors.Is(err, cas.ErrIndeterminate); unknown != (where == "a write") {
				t.Errorf("Set that ends in %s: %v: unknown %v", where, err, unknown)
			}
			if want == codes.Canceled && !errors.Is(err, cause) {
				t.Errorf("Set that ends in %s: %v, want the cause", where, err)
			}
			_, err = begin(t, bound, "log").GetLatest()
			wantCode(t, "GetLatest after that", err, want)
			_, err = bound.Latest("log")
			wantCode(t, "Latest after that", err, want)
			wantCode(t, "Update after that", bound.Update("log", nil), want)
			_, err = bound.Logs()
			wantCode(t, "Logs after that", err, want)
			wantCode(t, "Init after that", bound.Init(), want)
			cancel()
		}
	}
	wantLatest(t, logstate.New(store), "log", "one")
}
