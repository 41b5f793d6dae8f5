package logstatetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

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

// ending is a store that ends its caller's context instead of answering a write, or a
// read as well.
type ending struct {
	cas.Store
	end   func()
	reads bool
}

func (s ending) Read(ctx context.Context, key string, known cas.Token) (cas.Record, error) {
	if !s.reads {
		return s.Store.Read(ctx, key, known)
	}
	s.end()
	<-ctx.Done()
	return cas.Record{}, context.Cause(ctx)
}

func (s ending) Write(ctx context.Context, _ string, _ []byte, _ cas.Token) (cas.Written, error) {
	s.end()
	<-ctx.Done()
	return cas.Written{}, fmt.Errorf("%w: %w", cas.ErrIndeterminate, context.Cause(ctx))
}

// late is a context whose deadline passes when a test says so.
type late struct {
	context.Context
	passed chan struct{}
}

func (c late) Done() <-chan struct{} { return c.passed }

func (c late) Err() error {
	select {
	case <-c.passed:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

var errShutdown = errors.New("shutting down")

// testContexts: what ends with its context has that end's code, before and in a request,
// and whatever the cause of the end is called.
func testContexts(t *testing.T, h Harness) {
	store := h.Records(t)()
	set(t, logstate.New(store), "log", "one")
	for _, reads := range []bool{true, false} {
		passed := late{t.Context(), make(chan struct{})}
		s := ending{store, sync.OnceFunc(func() { close(passed.passed) }), reads}
		testEndedContext(t, passed, s, codes.DeadlineExceeded, context.DeadlineExceeded)
		ctx, cancel := context.WithCancelCause(t.Context())
		s.end = func() { cancel(errShutdown) }
		testEndedContext(t, ctx, s, codes.Canceled, errShutdown)
	}
	wantLatest(t, logstate.New(store), "log", "one")
}

func testEndedContext(t *testing.T, ctx context.Context, s ending, code codes.Code, cause error) {
	bound := logstate.New(s).WithContext(ctx)
	err := begin(t, bound, "log").Set([]byte("two"))
	if unknown := errors.Is(err, cas.ErrIndeterminate); unknown == s.reads || !errors.Is(err, cause) {
		t.Errorf("Set that is ended, in its read: %v: %v, want %v", s.reads, err, cause)
	}
	_, beginErr := begin(t, bound, "log").GetLatest()
	_, latestErr := bound.Latest("log")
	_, logsErr := bound.Logs()
	for what, err := range map[string]error{
		"Set that is ended": err, "GetLatest after that": beginErr, "Latest after that": latestErr,
		"Update after that": bound.Update("log", nil), "Logs after that": logsErr, "Init after that": bound.Init(),
	} {
		wantCode(t, what, err, code)
	}
}
