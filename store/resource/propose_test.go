package resource

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/replctl/replicate/cas"
)

func TestOptions(t *testing.T) {
	for _, o := range []Options{
		{Interval: -1}, {Timeout: -1}, {WatchBuffer: -1}, {LogRecords: -1}, {LogRecords: 63}, {LogRecords: 65537},
	} {
		_, err := Open(new(cas.Memory), o)
		wantIs(t, "Open", err, ErrInvalid)
	}
	// The first write decides.
	m := new(cas.Memory)
	write(t, open(t, m, Options{LogRecords: 64}), "x", "", "1")
	other := open(t, m, Options{LogRecords: 128})
	if got, want := text(t, other), "x=1@1 "; got != want || other.view.logRecords != 64 {
		t.Errorf("got %s in a log of %d records, want %s in 64", got, other.view.logRecords, want)
	}
}

func TestClosed(t *testing.T) {
	s := open(t, new(cas.Memory), Options{})
	r, err := s.Restore()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = s.Read(t.Context(), Eventual, idOf("x"))
	wantIs(t, "Read", err, ErrClosed)
	_, err = s.WatchList(t.Context(), typ.Unversioned(), Tenancy{}, "")
	wantIs(t, "WatchList", err, ErrClosed)
	wantIs(t, "DeleteCAS", s.DeleteCAS(t.Context(), idOf("x"), "1"), ErrClosed)
	wantIs(t, "Commit", r.Commit(t.Context()), ErrClosed)
}

// TestLeavingCaller: whose context ends before the write was begun is told that it was not, and
// afterwards, that it is not known.
func TestLeavingCaller(t *testing.T) {
	s := &tap{Store: new(cas.Memory)}
	a := open(t, s, Options{})
	write(t, a, "first", "", "")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	a.turn <- struct{}{}
	_, err := a.WriteCAS(ctx, &Resource{ID: idOf("early")})
	wantIs(t, "a write that waits", err, ErrInconsistent)
	wantIs(t, "a write that waits", err, context.DeadlineExceeded)
	a.give()

	ctx, leave := context.WithCancel(t.Context())
	left := make(chan struct{})
	s.mu.Lock()
	s.fail = func(op, _ string) error {
		if op == "write" {
			leave()
			<-left
		}
		return nil
	}
	s.mu.Unlock()
	_, err = a.WriteCAS(ctx, &Resource{ID: idOf("late")})
	close(left)
	wantIs(t, "a write under way", err, cas.ErrIndeterminate)
	if errors.Is(err, ErrInconsistent) {
		t.Errorf("an error is certain and not: %v", err)
	}
	if got, want := text(t, a), "first=@1 late=@2 "; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestSettled: what is certain is never indeterminate, whatever was on the way.
func TestSettled(t *testing.T) {
	err := settled(errors.Join(cas.ErrIndeterminate, errDown))
	wantIs(t, "settled", err, ErrInconsistent)
	wantIs(t, "settled", err, errDown)
	if errors.Is(err, cas.ErrIndeterminate) || settled(nil) != nil {
		t.Errorf("got %v, %v", err, settled(nil))
	}
}
