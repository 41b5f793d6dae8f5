package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/lease"
)

// TestLeaseRequests counts what each verb costs.
func TestLeaseRequests(t *testing.T) {
	srv := fakes3.New(t)
	holder, contender := newLeaser(t, srv, "holder"), newLeaser(t, srv, "contender")
	var lease *replicate.Lease
	for _, step := range []struct {
		name string
		want []string
		do   func() error
	}{
		{"acquire", []string{"GetObject", "PutObject"},
			func() (err error) { lease, err = holder.AcquireLease(t.Context()); return err }},
		{"contended acquire", []string{"GetObject"}, func() error { return exists(contender.AcquireLease(t.Context())) }},
		{"again", []string{"GetObject"}, func() error { return exists(contender.AcquireLease(t.Context())) }},
		{"renew", []string{"PutObject"},
			func() (err error) { lease, err = holder.RenewLease(t.Context(), lease); return err }},
		{"release", []string{"PutObject"}, func() error { return holder.ReleaseLease(t.Context(), lease) }},
		{"acquire what was released", []string{"GetObject", "PutObject"},
			func() error { _, err := contender.AcquireLease(t.Context()); return err }},
	} {
		srv.Reset()
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		var got []string
		for _, r := range srv.Requests() {
			got = append(got, r.Op)
			if r.Key != lockKey {
				t.Errorf("%s: %s %s", step.name, r.Op, r.Key)
			}
		}
		wantEqual(t, step.name, got, step.want)
	}
}

func exists(_ *replicate.Lease, err error) error {
	var e *replicate.LeaseExistsError
	if errors.As(err, &e) && e.Owner == "holder" {
		return nil
	}
	return errors.Join(errors.New("want a LeaseExistsError"), err)
}

// TestIdleWaiter: who waits does not fetch the record again and again, and gets
// the lease when it is released.
func TestIdleWaiter(t *testing.T) {
	srv := fakes3.New(t)
	holder, waiter := newLeaser(t, srv, "holder"), newLeaser(t, srv, "waiter")
	held := acquireLease(t, holder)
	srv.Reset()
	const polls = 5
	var full atomic.Int32
	unchanged := make(chan bool, polls)
	srv.Fail(fakes3.Rule{Times: -1, Match: fakes3.Op("GetObject"), Fault: func(w httpWriter, c *fakes3.Call) {
		a := c.Apply()
		if a.Status == http.StatusNotModified {
			select {
			case unchanged <- true:
			default: // enough
			}
		} else {
			full.Add(1)
		}
		w.Header().Set("ETag", a.Header.Get("ETag"))
		w.WriteHeader(a.Status)
		_, _ = w.Write(a.Body)
	}})
	acquired := make(chan error)
	go func() {
		s, err := lease.Acquire(t.Context(), waiter, lease.Options{PollEvery: 5 * time.Millisecond})
		if err == nil {
			err = s.Release(t.Context())
		}
		acquired <- err
	}()
	for range polls {
		<-unchanged
	}
	if err := holder.ReleaseLease(t.Context(), held); err != nil {
		t.Fatal(err)
	}
	if err := <-acquired; err != nil {
		t.Fatal(err)
	}
	if n := full.Load(); n != 2 {
		t.Errorf("the record was fetched %d times, want 2: at first, and when it was released", n)
	}
}

// TestLostReply: a renewal that was applied, but whose reply was lost, is found
// out; the lease goes on with the ETag of what is there.
func TestLostReply(t *testing.T) {
	for name, fault := range map[string]fakes3.Fault{
		"dropped": fakes3.DropReply(), "500": fakes3.ApplyThen(500, "InternalError"),
		"412":     fakes3.ApplyThen(412, "PreconditionFailed"),
		"no etag": fakes3.NoETag(), "hangs": fakes3.HangAfter(), "request dropped": fakes3.DropRequest(),
		"409":       fakes3.Status(409, "OperationAborted"),
		"slow down": fakes3.Status(429, "TooManyRequests"),
	} {
		t.Run(name, func(t *testing.T) {
			// It matters where there is none, and a read in its place takes too long.
			unhurried(t, 200*time.Millisecond, func(unit time.Duration) error { return testLostReply(t, fault, unit) })
		})
	}
}

func testLostReply(t *testing.T, fault fakes3.Fault, timeout time.Duration) error {
	srv := fakes3.New(t)
	l := newLeaser(t, srv, "me")
	faulty := func() { srv.Fail(fakes3.Rule{Match: fakes3.Op("PutObject"), Fault: fault}) }
	lease := acquireLease(t, l) // opens it
	recordsOf(l).timeout = timeout
	for range 2 {
		faulty()
		next, err := l.RenewLease(t.Context(), lease)
		if err != nil {
			return err
		}
		rec, err := recordsOf(l).Read(t.Context(), DefaultLeaseFile, "")
		if err != nil || next.ETag != string(rec.Token) || next.ETag == lease.ETag || next.Generation != 1 {
			return fmt.Errorf("renewed to %+v, and there is %q, %w", next, rec.Token, err)
		}
		lease = next
	}
	faulty()
	if err := l.ReleaseLease(t.Context(), lease); err != nil {
		return err
	}
	faulty()
	lease, err := l.AcquireLease(t.Context())
	if err == nil && lease.Generation != 2 {
		t.Errorf("acquired %+v", lease)
	}
	return err
}

// TestOutageIsNoLoss: a store that cannot be reached, or is busy, takes nobody's
// lease away.
func TestOutageIsNoLoss(t *testing.T) {
	for name, fault := range map[string]fakes3.Fault{
		"dropped": fakes3.DropRequest(), "500": fakes3.Status(500, "InternalError"),
		"409": fakes3.Status(409, "OperationAborted"),
		"403": fakes3.Status(403, "AccessDenied"), "404": proxyPage(404),
	} {
		srv := fakes3.New(t)
		l := newLeaser(t, srv, "me")
		lease := acquireLease(t, l)
		srv.Fail(fakes3.Rule{Times: -1, Match: fakes3.Op("PutObject"), Fault: fault})
		if _, err := l.RenewLease(t.Context(), lease); err == nil || errors.Is(err, ErrLeaseNotHeld) {
			t.Errorf("%s: got error %v", name, err)
		}
		srv.Reset()
		if _, err := l.RenewLease(t.Context(), lease); err != nil {
			t.Errorf("%s: afterwards: %v", name, err)
		}
	}
}

// TestUnsupportedLease: waiting for a store that has no conditional writes is in
// vain.
func TestUnsupportedLease(t *testing.T) {
	srv := fakes3.New(t)
	srv.Fail(fakes3.Rule{Times: -1, Match: fakes3.Op("PutObject"), Fault: fakes3.Status(501, "NotImplemented")})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := lease.Acquire(ctx, newLeaser(t, srv, "me"), lease.Options{}); !errors.Is(err, cas.ErrUnsupported) {
		t.Errorf("got error %v", err)
	}
	if n := srv.Count("PutObject"); n != 1 {
		t.Errorf("%d PUTs, want 1", n)
	}
}

// TestSlowDown: a store that said so is not written to again at once.
func TestSlowDown(t *testing.T) {
	srv := fakes3.New(t)
	r := newRecords(t, srv, nil)
	r.pace = 100 * time.Millisecond
	for name, c := range map[string]struct {
		fault fakes3.Fault
		pause time.Duration
	}{
		"slow down": {fakes3.Status(503, "SlowDown"), r.pace},
		"too many":  {fakes3.Status(429, "TooManyRequests"), r.pace},
		"broken":    {fakes3.Status(503, "ServiceUnavailable"), 0},
		"retry after": {func(w httpWriter, c *fakes3.Call) {
			w.Header().Set("Retry-After", "3600")
			fakes3.Status(429, "TooManyRequests")(w, c)
		}, 5 * r.pace},
	} {
		srv.Fail(fakes3.Rule{Match: fakes3.Op("PutObject"), Fault: c.fault})
		rec, err := r.Read(t.Context(), "k", "")
		if err != nil {
			t.Fatal(err)
		}
		before := time.Now()
		_, err = r.Write(t.Context(), "k", []byte(name), rec.Token)
		wantOnly(t, name, err, cas.ErrIndeterminate)
		if got := max(0, r.notBefore.Sub(before)); got < c.pause || c.pause == 0 && got > 0 {
			t.Errorf("%s: the next write waits %v, want %v", name, got, c.pause)
		}
		mustPut(t, r, name, rec.Token)
		if early := time.Until(r.notBefore); early > 0 {
			t.Errorf("%s: the next write came %v early", name, early)
		}
	}
}
