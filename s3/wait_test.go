package s3

import (
	"cmp"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/s3/internal/transport"
)

// TestWaitsAreTold: whatever takes long is told of while it does, with the reason.
func TestWaitsAreTold(t *testing.T) {
	nobody := "http://" + nobodyAt(t)
	list := func(ctx context.Context, s *Store) (err error) {
		for _, err = range s.List(ctx, "", blob.ListOptions{}) {
		}
		return err
	}
	get := func(ctx context.Context, s *Store) error { _, err := read(ctx, s, "k", 0, 0); return err }
	for name, c := range map[string]struct {
		endpoint string
		fault    fakes3.Fault
		do       func(ctx context.Context, s *Store) error
		op, want string // in the last reason; empty: there is none yet
	}{
		"refused":  {nobody, nil, list, "list", "connection refused"},
		"503":      {"", fakes3.Status(503, "SlowDown"), list, "list", "SlowDown"},
		"silence":  {"", fakes3.Hang(), list, "list", ""},
		"get":      {"", fakes3.Hang(), get, "open", ""},
		"the body": {"", fakes3.StallBody(3), get, "read", ""},
		"the rest": {"", fakes3.TruncateBody(0), get, "read", "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			srv := fakes3.New(t)
			told := make(chan Wait, 1)
			enough := make(chan struct{})
			s := newStore(t, srv, func(cfg *Config) {
				cfg.Endpoint = cmp.Or(c.endpoint, cfg.Endpoint)
				cfg.OnWait = func(w Wait) {
					if (c.want == "") != (w.Err == nil) || w.Op != c.op {
						return // the first words on it
					}
					select {
					case told <- w:
						close(enough)
					default:
					}
				}
			})
			if c.endpoint == "" {
				mustWrite(t, s, "k", content(1000))
			}
			s.c.Notice, s.c.Backoff = time.Millisecond, transport.Backoff{Base: 20 * time.Millisecond,
				Max: 20 * time.Millisecond}
			if c.fault != nil {
				srv.Fail(fakes3.Rule{Match: fakes3.Op("ListObjectsV2", "GetObject"), Times: -1, Fault: c.fault})
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go func() { _ = c.do(ctx, s) }()
			<-enough
			w := <-told
			if c.want != "" && (w.Err == nil || !strings.Contains(w.Err.Error(), c.want) || w.Attempt == 0 || w.Until.IsZero()) {
				t.Errorf("told of %+v, want %q", w, c.want)
			}
			if w.Since.IsZero() {
				t.Errorf("told of %+v", w)
			}
		})
	}
}

// TestWaitOfRecord: a renewal that hangs is told of as well.
func TestWaitOfRecord(t *testing.T) {
	for op, do := range map[string]func(ctx context.Context, r *Records) error{
		"write": func(ctx context.Context, r *Records) error { _, err := r.Write(ctx, "k", []byte("x"), ""); return err },
		"read":  func(ctx context.Context, r *Records) error { _, err := r.Read(ctx, "k", ""); return err },
	} {
		ctx, cancel := context.WithCancel(t.Context())
		srv := fakes3.New(t)
		var told Wait
		r := newRecords(t, srv, func(c *Config) { c.OnWait = func(w Wait) { told = w; cancel() } })
		r.s.c.Notice = time.Millisecond
		srv.Fail(fakes3.Rule{Times: -1, Fault: fakes3.Hang()})
		if err := do(ctx, r); err == nil || ctx.Err() == nil || told.Op != op || told.Key != "k" {
			t.Errorf("told of %+v, error %v", told, err)
		}
	}
}

// TestNothingToWaitFor: what moves is not waited for.
func TestNothingToWaitFor(t *testing.T) {
	srv := fakes3.New(t)
	s := newStore(t, srv, func(c *Config) { c.OnWait = func(w Wait) { t.Errorf("told of %+v", w) } })
	mustWrite(t, s, "k", content(MinPartSize+1))
	mustRead(t, s, "k")
}
