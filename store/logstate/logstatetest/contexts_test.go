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
func testContexts(t *testing.T, h engine) {
	store := h.records(t)()
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
