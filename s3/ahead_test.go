package s3

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"testing"

	"github.com/replctl/replicate/internal/fakes3"
)

// aheadStore finds every connection slow, and has one object of several pieces.
func aheadStore(t *testing.T, change func(*Config)) (*fakes3.Server, *Store, []byte) {
	t.Helper()
	srv := fakes3.New(t)
	s := newStore(t, srv, change)
	s.slow = math.Inf(1)
	want := bytes.Repeat(content(1<<20), 22)
	want = append(want, "the last piece is a short one"...)
	mustWrite(t, newStore(t, srv, nil), "k", want) // with patience: it is of reading that change tells
	srv.Reset()
	return srv, s, want
}

func TestReadAhead(t *testing.T) {
	srv, s, want := aheadStore(t, nil)
	if got := mustRead(t, s, "k"); !bytes.Equal(got, want) {
		t.Errorf("read %d bytes, other than the %d written", len(got), len(want))
	}
	if n, most := srv.Count("GetObject"), 1+len(want)/aheadSize+1; n < 2 || n > most {
		t.Errorf("%d requests, want 2 to %d", n, most)
	}
}

// TestReadAlone: a connection that is fast enough stays alone, and so does every
// one where there is to be but one, or little is left.
func TestReadAlone(t *testing.T) {
	for name, change := range map[string]func(*Store){
		"fast":     func(s *Store) { s.slow = 0 },
		"only one": func(s *Store) { s.cfg.Concurrency = 1 },
	} {
		srv, s, want := aheadStore(t, nil)
		change(s)
		if got := mustRead(t, s, "k"); !bytes.Equal(got, want) || srv.Count("GetObject") != 1 {
			t.Errorf("%s: %d bytes in %d requests, want %d in one", name, len(got), srv.Count("GetObject"), len(want))
		}
	}
	srv, s, want := aheadStore(t, nil)
	rc, err := s.Open(t.Context(), "k", int64(len(want))-aheadRest, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	if got, err := io.ReadAll(rc); err != nil || !bytes.Equal(got, want[len(want)-aheadRest:]) ||
		srv.Count("GetObject") != 1 {
		t.Errorf("the end: %d bytes in %d requests, error %v", len(got), srv.Count("GetObject"), err)
	}
}

// piece matches the requests for one of the pieces.
func piece(r fakes3.Request) bool {
	return r.Op == "GetObject" && r.Header.Get("If-Match") != ""
}

func TestReadAheadFaults(t *testing.T) {
	for name, fault := range map[string]fakes3.Fault{
		"503":     fakes3.Status(503, "SlowDown"),
		"dropped": fakes3.DropReply(),
		"cut":     fakes3.TruncateBody(100_000),
		"stalled": fakes3.StallBody(100_000),
	} {
		t.Run(name, func(t *testing.T) {
			srv, s, want := aheadStore(t, impatient)
			srv.Fail(fakes3.Rule{Match: piece, Times: 3, Fault: fault})
			if got := mustRead(t, s, "k"); !bytes.Equal(got, want) {
				t.Errorf("read %d bytes, other than the %d written", len(got), len(want))
			}
		})
	}
}

// TestReadAheadReplaced: no piece of another version gets in.
func TestReadAheadReplaced(t *testing.T) {
	_, s, want := aheadStore(t, nil)
	rc, err := s.Open(t.Context(), "k", 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	if _, err := io.ReadFull(rc, make([]byte, paceAfter-1)); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, s, "k", bytes.ToUpper(want))
	if _, err := io.ReadAll(rc); !errors.Is(err, errReplaced) {
		t.Errorf("got error %v, want %v", err, errReplaced)
	}
}

func TestReadAheadLeft(t *testing.T) {
	srv, s, _ := aheadStore(t, nil)
	srv.Fail(fakes3.Rule{Match: piece, Times: -1, Fault: fakes3.StallBody(1 << 20)})
	ctx, cancel := context.WithCancelCause(t.Context())
	rc, err := s.Open(ctx, "k", 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	cause := errors.New("enough")
	go func() {
		for srv.Count("GetObject") < 2 {
			if ctx.Err() != nil {
				return
			}
		}
		cancel(cause)
	}()
	if _, err := io.ReadAll(rc); !errors.Is(err, cause) {
		t.Errorf("got error %v, want %v", err, cause)
	}
	_ = rc.Close()
	if _, err := rc.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("reading on after Close: %v", err)
	}
	wantNoGoroutines(t)
}

// TestReadAheadTogether: of many slow readers few hold pieces, and all get there.
func TestReadAheadTogether(t *testing.T) {
	srv, s, want := aheadStore(t, nil)
	var readers []io.ReadCloser
	for range maxWide + 2 {
		rc, err := s.Open(t.Context(), "k", 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer rc.Close()
		if _, err := io.ReadFull(rc, make([]byte, paceAfter+1)); err != nil {
			t.Fatal(err)
		}
		readers = append(readers, rc)
	}
	if n := s.wide.Load(); n != maxWide {
		t.Errorf("%d readers hold pieces, want %d", n, maxWide)
	}
	for i, rc := range readers {
		if got, err := io.ReadAll(rc); err != nil || !bytes.Equal(got, want[paceAfter+1:]) {
			t.Errorf("reader %d: %d bytes, %v", i, len(got), err)
		}
		_, _ = rc.Close(), rc.Close()
	}
	if n := s.wide.Load(); n != 0 {
		t.Errorf("%d readers hold pieces when all are closed", n)
	}
	if n := srv.Count("GetObject"); n < 2*maxWide {
		t.Errorf("%d requests", n)
	}
}
