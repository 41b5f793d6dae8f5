package transport

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"testing"
	"time"
)

func newConn(t *testing.T) *Conn {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	return &Conn{
		Options: Options{Stall: time.Minute, Retry: time.Hour, Log: func() *slog.Logger { return log }},
		Backoff: defaultBackoff,
		Notice:  waitNotice,
	}
}

func TestBackoff(t *testing.T) {
	b := Backoff{Base: 100 * time.Millisecond, Max: 10 * time.Second}
	for attempt := 1; attempt < 100; attempt++ {
		for range 100 {
			if d := b.Delay(attempt, nil); d <= 0 || d > b.Max+b.Max/10 || attempt == 1 && d > b.Base+b.Base/10 {
				t.Fatalf("attempt %d: delay %v", attempt, d)
			}
		}
	}
}

// TestFirstContact: a server that was never there is given up sooner than one that is out.
func TestFirstContact(t *testing.T) {
	c := newConn(t)
	refused := &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	if got := c.patience(refused); got != firstContact {
		t.Errorf("patience before first contact: got %v, want %v", got, firstContact)
	}
	c.reached.Store(true)
	if got := c.patience(refused); got != time.Hour {
		t.Errorf("patience in an outage: got %v, want %v", got, time.Hour)
	}
}

// TestNothingToWaitFor: nobody is told of a request that is over, or of a body that nobody
// reads.
func TestNothingToWaitFor(t *testing.T) {
	c := newConn(t)
	c.OnWait = func(w Wait) { t.Errorf("told of %+v", w) }
	w := c.Wait("read", "k", time.Now().Add(-time.Hour))
	w.Done()
	w.show() // as a timer that fired too late to be stopped
	c.told.Store(0)
	var dog *Watchdog
	err := c.Try(t.Context(), "open", "k", func(_ context.Context, d *Watchdog) error {
		dog = d
		dog.Keep()
		return nil
	})
	if err != nil || dog.wait.timer.Stop() {
		t.Errorf("error %v; or a body that nobody reads is waited for", err)
	}
	if dog.Stop(); !dog.wait.over {
		t.Error("the wait goes on after Stop")
	}
}

// TestAsksForProxy: net/http reads HTTP_PROXY once a process, so this checks that the
// transport asks at all.
func TestAsksForProxy(t *testing.T) {
	if newConn(t).httpClient().GetTransport().Proxy == nil {
		t.Error("the transport has no proxy function")
	}
}
