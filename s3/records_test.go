package s3

import (
	"testing"
	"time"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/cas/castest"
	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/s3/internal/transport"
)

// newRecords is a handle on a fake server that retries after milliseconds, and has
// patience with one that shares a busy machine with 64 clients.
func newRecords(t testing.TB, srv *fakes3.Server, change func(*Config)) *Records {
	t.Helper()
	r, err := OpenRecords(t.Context(), newStore(t, srv, change).cfg)
	if err != nil {
		t.Fatal(err)
	}
	return quick(r)
}

// plantBug, if set, puts a bug into every handle.
var plantBug func(*Records)

func quick(r *Records) *Records {
	if plantBug != nil {
		plantBug(r)
	}
	r.s.c.Backoff = transport.Backoff{Base: time.Millisecond, Max: 5 * time.Millisecond}
	r.pace = 20 * time.Millisecond
	r.timeout = 2 * time.Minute
	return r
}

func TestRecords(t *testing.T) {
	castest.Run(t, harness)
}

// Why the engine is not all that castest could test.
const (
	noDelete = "MinIO and others ignore the condition on a DELETE"
	noNotify = "a bucket tells nobody of changes"
	noBatch  = "each PUT is one object"
)

var harness = castest.Harness{Unchanged: true, Clock: true, Slow: true,
	NoDelete: noDelete, NoNotify: noNotify, NoBatch: noBatch,
	New: func(t *testing.T) func() cas.Store {
		srv := fakes3.New(t)
		return func() cas.Store { return newRecords(t, srv, nil) }
	},
	Repeating: func(t *testing.T) (func() cas.Store, func(func())) {
		srv := fakes3.New(t)
		return func() cas.Store { return newRecords(t, srv, nil) }, func(between func()) {
			srv.Fail(fakes3.Rule{Match: fakes3.Op("PutObject"), Fault: repeated(between)})
		}
	},
}

// repeated is a proxy that sends a request twice and passes on the second answer.
func repeated(between func()) fakes3.Fault {
	return func(w httpWriter, c *fakes3.Call) {
		c.Apply()
		between()
		c.Send(w)
	}
}
