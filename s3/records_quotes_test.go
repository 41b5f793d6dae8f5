package s3

import (
	"strings"
	"testing"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/cas/castest"
	"github.com/replctl/replicate/internal/fakes3"
)

// refuseQuotes makes a server that shows ETags with quotes and wants them
// without (litestream#1509, slatedb#1818); refuseBare is its opposite.
func refuseQuotes(srv *fakes3.Server) { refuseETags(srv, true) }
func refuseBare(srv *fakes3.Server)   { refuseETags(srv, false) }

func refuseETags(srv *fakes3.Server, quoted bool) {
	refused := func(r fakes3.Request) bool {
		match := r.Header.Get("If-Match")
		return r.Op == "PutObject" && match != "" && strings.HasPrefix(match, `"`) == quoted
	}
	srv.Fail(fakes3.Rule{Times: -1, Match: refused, Fault: fakes3.Status(412, "PreconditionFailed")})
}

func TestQuotes(t *testing.T) {
	for name, refuse := range map[string]func(*fakes3.Server){"refused": refuseQuotes, "wanted": refuseBare} {
		t.Run(name, func(t *testing.T) {
			srv := fakes3.New(t)
			r := newRecords(t, srv, nil)
			r.bare.Store(name == "wanted") // what is believed at first is wrong
			refuse(srv)
			first := mustPut(t, r, "1", "")
			second := mustPut(t, r, "2", first)
			if puts, gets := srv.Count("PutObject"), srv.Count("GetObject"); puts != 3 || gets != 1 {
				t.Errorf("%d PUTs and %d GETs to create, and to learn, want 3 and 1", puts, gets)
			}
			before := srv.Count("")
			third := mustPut(t, r, "3", second)
			if n := srv.Count("") - before; n != 1 {
				t.Errorf("%d requests after that, want 1", n)
			}
			for _, stale := range []cas.Token{first, second} {
				_, err := r.Write(t.Context(), "k", []byte("4"), stale)
				wantOnly(t, "stale", err, cas.ErrConflict)
			}
			mustPut(t, r, "4", third)
		})
	}
}

// TestQuotesRefused: the whole contract, on such a server.
func TestQuotesRefused(t *testing.T) {
	castest.Run(t, castest.Harness{Unchanged: true, Clock: true, Slow: true,
		NoDelete: noDelete, NoNotify: noNotify, NoBatch: noBatch,
		New: func(t *testing.T) func() cas.Store {
			srv := fakes3.New(t)
			refuseQuotes(srv)
			return func() cas.Store { return newRecords(t, srv, nil) }
		}})
}

// TestNoETagWillDo: a store that refuses what it shows can make no write
// conditional.
func TestNoETagWillDo(t *testing.T) {
	srv := fakes3.New(t)
	r := newRecords(t, srv, nil)
	token := mustPut(t, r, "1", "")
	refuseQuotes(srv)
	refuseBare(srv)
	_, err := r.Write(t.Context(), "k", []byte("2"), token)
	wantOnly(t, "any etag", err, cas.ErrUnsupported)
	if n := srv.Count("PutObject"); n != 3 || r.bare.Load() {
		t.Errorf("%d PUTs, want 3; learnt %v", n, r.bare.Load())
	}
}

// TestKnownQuotes: what the provider table says need not be learnt.
func TestKnownQuotes(t *testing.T) {
	for endpoint, want := range map[string]bool{"fsn1.your-objectstorage.com": true, "fra1.digitaloceanspaces.com": true,
		"s3.example.com": false} {
		r := newRecords(t, fakes3.New(t), func(c *Config) { c.Endpoint = endpoint })
		if got := r.bare.Load(); got != want {
			t.Errorf("%s: bare %v, want %v", endpoint, got, want)
		}
	}
}
