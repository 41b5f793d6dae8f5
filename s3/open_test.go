package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"testing"
	"time"

	"github.com/replctl/replicate/internal/fakes3"
)

// TestReadInterrupted: whatever breaks a read, it goes on where it was, and the
// bytes are right.
func TestReadInterrupted(t *testing.T) {
	want := content(300_000)
	get := fakes3.Op("GetObject")
	for name, c := range map[string]struct {
		stall time.Duration
		rules []fakes3.Rule
		gets  int // 0 is not counted
	}{
		"healthy":   {0, nil, 1},
		"truncated": {0, []fakes3.Rule{{Match: get, Fault: fakes3.TruncateBody(100_000)}}, 2},
		"stalled":   {300 * time.Millisecond, []fakes3.Rule{{Match: get, Fault: fakes3.StallBody(100_000)}}, 0},
		"no answer": {300 * time.Millisecond, []fakes3.Rule{{Match: get, Fault: fakes3.Hang()}}, 0},
		"again and again": {0, []fakes3.Rule{
			{Match: get, Fault: fakes3.TruncateBody(0)},
			{Match: get, Fault: fakes3.TruncateBody(1)},
			{Match: get, Fault: fakes3.Status(503, "SlowDown")},
			{Match: get, Fault: fakes3.DropRequest()},
			{Match: get, Fault: fakes3.TruncateBody(150_000)},
			{Match: get, Fault: fakes3.Status(429, "TooManyRequests")},
			{Match: get, Fault: fakes3.ErrorWith200("InternalError")},
			{Match: get, Fault: fakes3.TruncateBody(1)},
		}, 9},
	} {
		t.Run(name, func(t *testing.T) {
			srv := fakes3.New(t)
			s := newStore(t, srv, func(cfg *Config) { cfg.StallTimeout = c.stall })
			mustWrite(t, s, "k", want)
			srv.Fail(c.rules...)
			if got := mustRead(t, s, "k"); !bytes.Equal(got, want) {
				t.Errorf("got %d bytes, other than the %d written", len(got), len(want))
			}
			if got := srv.Count("GetObject"); got != c.gets && c.gets != 0 || got < 1+len(c.rules)/2 {
				t.Errorf("%d GETs, want %d", got, c.gets)
			}
		})
	}
}

// TestReadSlow: an answer that takes longer than the stall timeout, but never stops
// for as long, is read in one go.
func TestReadSlow(t *testing.T) {
	want := content(3000)
	unhurried(t, 30*time.Millisecond, func(unit time.Duration) error {
		srv := fakes3.New(t)
		s := newStore(t, srv, nil)
		mustWrite(t, s, "k", want)
		s.c.Stall = 20 * unit
		srv.Fail(fakes3.Rule{Match: fakes3.Op("GetObject"), Fault: fakes3.SlowBody(30, unit)})
		if got := mustRead(t, s, "k"); !bytes.Equal(got, want) {
			t.Errorf("got %d bytes, other than the %d written", len(got), len(want))
		}
		if n := srv.Count("GetObject"); n != 1 {
			return fmt.Errorf("%d GETs, want 1", n)
		}
		return nil
	})
}

// TestReadResumesAtOffset looks at what a resumed read asks for.
func TestReadResumesAtOffset(t *testing.T) {
	srv := fakes3.New(t)
	s := newStore(t, srv, nil)
	info := mustWrite(t, s, "k", content(1000))
	srv.Fail(fakes3.Rule{Match: fakes3.Op("GetObject"), Fault: fakes3.TruncateBody(300)})
	srv.Fail(fakes3.Rule{Match: fakes3.Op("GetObject"), Fault: fakes3.TruncateBody(50)})
	got, err := read(t.Context(), s, "k", 100, 800)
	if err != nil || !bytes.Equal(got, content(1000)[100:900]) {
		t.Fatalf("got %d bytes, error %v", len(got), err)
	}
	var ranges, pins []string
	for _, r := range srv.Requests() {
		if r.Op == "GetObject" {
			ranges, pins = append(ranges, r.Header.Get("Range")), append(pins, r.Header.Get("If-Match"))
		}
	}
	etag := `"` + info.ETag + `"`
	wantEqual(t, "ranges", ranges, []string{"bytes=100-899", "bytes=400-899", "bytes=450-899"})
	wantEqual(t, "conditions", pins, []string{"", etag, etag})
}

// TestReadOfReplacedObject: a read that was interrupted, and whose object is
// another by then, fails. No condition of the store's is needed for that.
func TestReadOfReplacedObject(t *testing.T) {
	for name, fault := range map[string]fakes3.Fault{
		"conditions honoured": func(w http.ResponseWriter, c *fakes3.Call) { fakes3.SlowBody(1, 0)(w, c) },
		"conditions ignored":  fakes3.IgnoreConditions(),
	} {
		t.Run(name, func(t *testing.T) {
			srv := fakes3.New(t)
			s := newStore(t, srv, nil)
			mustWrite(t, s, "k", bytes.Repeat([]byte("1"), 1000))
			srv.Fail(
				fakes3.Rule{Match: fakes3.Op("GetObject"), Fault: fakes3.TruncateBody(300)},
				fakes3.Rule{Match: fakes3.Op("GetObject"), Times: -1, Fault: fault},
			)
			rc, err := s.Open(t.Context(), "k", 0, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer rc.Close()
			mustWrite(t, s, "k", bytes.Repeat([]byte("2"), 1000))
			got, err := io.ReadAll(rc)
			if !errors.Is(err, errReplaced) {
				t.Errorf("got error %v, want %v", err, errReplaced)
			}
			if len(got) != 300 || bytes.ContainsRune(got, '2') {
				t.Errorf("read %d bytes of two versions", len(got))
			}
		})
	}
}

// TestReadWithQuirkyConditions: a store that refuses the If-Match it asked for
// (litestream#1509) can be read nevertheless.
func TestReadWithQuirkyConditions(t *testing.T) {
	srv := fakes3.New(t)
	s := newStore(t, srv, nil)
	mustWrite(t, s, "k", content(1000))
	conditional := func(r fakes3.Request) bool { return r.Op == "GetObject" && r.Header.Get("If-Match") != "" }
	srv.Fail(
		fakes3.Rule{Match: fakes3.Op("GetObject"), Fault: fakes3.TruncateBody(300)},
		fakes3.Rule{Match: conditional, Times: -1, Fault: fakes3.Status(412, "PreconditionFailed")},
	)
	if got := mustRead(t, s, "k"); !bytes.Equal(got, content(1000)) {
		t.Error("wrong bytes")
	}
}

func TestReadOfDeletedObject(t *testing.T) {
	srv := fakes3.New(t)
	s := newStore(t, srv, nil)
	mustWrite(t, s, "k", content(1000))
	srv.Fail(fakes3.Rule{Match: fakes3.Op("GetObject"), Fault: fakes3.TruncateBody(300)})
	rc, err := s.Open(t.Context(), "k", 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	if err := s.Delete(t.Context(), []string{"k"}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(rc); !errors.Is(err, errDeleted) || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got error %v, want %v", err, errDeleted)
	}
}

// TestReadWithoutETag: nothing tells two versions apart, so an interrupted read
// ends there; one that is not interrupted is fine.
func TestReadWithoutETag(t *testing.T) {
	srv := fakes3.New(t)
	s := newStore(t, srv, nil)
	mustWrite(t, s, "k", content(1000))
	srv.Fail(fakes3.Rule{Match: fakes3.Op("GetObject"), Fault: fakes3.NoETag()})
	if got := mustRead(t, s, "k"); !bytes.Equal(got, content(1000)) {
		t.Error("wrong bytes")
	}
	srv.Fail(fakes3.Rule{Match: fakes3.Op("GetObject"), Times: -1, Fault: func(w http.ResponseWriter, c *fakes3.Call) {
		w.Header().Set("ETag", `W/"weak"`)
		fakes3.NoETag()(cutOff{w, 300}, c)
	}})
	got, err := read(t.Context(), s, "k", 0, 0)
	if err == nil || len(got) != 300 || srv.Count("GetObject") != 2 {
		t.Errorf("got %d bytes in %d GETs, error %v", len(got), srv.Count("GetObject")-1, err)
	}
}

// cutOff sends n bytes of the body and breaks the connection.
type cutOff struct {
	http.ResponseWriter
	n int
}

func (w cutOff) Write(p []byte) (int, error) {
	_, _ = w.ResponseWriter.Write(p[:w.n])
	w.ResponseWriter.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

// TestReadGivesUp: retries are counted since the last byte.
func TestReadGivesUp(t *testing.T) {
	unhurried(t, 200*time.Millisecond, func(unit time.Duration) error {
		srv := fakes3.New(t)
		s := newStore(t, srv, func(c *Config) { c.RetryTimeout = unit })
		mustWrite(t, s, "k", content(1000))
		srv.Fail(
			fakes3.Rule{Match: fakes3.Op("GetObject"), Fault: fakes3.TruncateBody(300)},
			fakes3.Rule{Match: fakes3.Op("GetObject"), Times: -1, Fault: fakes3.TruncateBody(0)},
		)
		if got, err := read(t.Context(), s, "k", 0, 0); len(got) != 300 || err == nil {
			t.Errorf("got %d bytes, error %v", len(got), err)
		}
		if n := srv.Count("GetObject"); n < 3 {
			return fmt.Errorf("gave up after %d GETs", n)
		}
		return nil
	})
}

// TestReadSlowProgress: a read may take longer than RetryTimeout, and break off
// any number of times, as long as bytes arrive now and then.
func TestReadSlowProgress(t *testing.T) {
	want := content(1200)
	unhurried(t, 120*time.Millisecond, func(unit time.Duration) error {
		srv := fakes3.New(t)
		s := newStore(t, srv, func(c *Config) { c.RetryTimeout = 8 * unit })
		mustWrite(t, s, "k", want)
		for range 12 {
			srv.Fail(
				fakes3.Rule{Match: fakes3.Op("GetObject"), Fault: fakes3.TruncateBody(0)},
				fakes3.Rule{Match: fakes3.Op("GetObject"), Fault: fakes3.TruncateBody(0)},
				fakes3.Rule{Match: fakes3.Op("GetObject"), Fault: func(w httpWriter, c *fakes3.Call) {
					<-time.After(unit) // a slow server
					fakes3.TruncateBody(100)(w, c)
				}},
			)
		}
		got, err := read(t.Context(), s, "k", 0, 0)
		if err == nil && !bytes.Equal(got, want) {
			t.Error("wrong bytes")
		}
		return err
	})
}

func TestReadCancelled(t *testing.T) {
	srv := fakes3.New(t)
	s := newStore(t, srv, func(c *Config) { c.StallTimeout = time.Hour })
	mustWrite(t, s, "k", content(1000))
	srv.Fail(fakes3.Rule{Match: fakes3.Op("GetObject"), Fault: fakes3.StallBody(300)})
	ctx, cancel := context.WithCancelCause(t.Context())
	rc, err := s.Open(ctx, "k", 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	if _, err := io.ReadFull(rc, make([]byte, 300)); err != nil {
		t.Fatal(err)
	}
	cause := errors.New("enough")
	time.AfterFunc(10*time.Millisecond, func() { cancel(cause) })
	if _, err := io.ReadAll(rc); !errors.Is(err, cause) {
		t.Errorf("got error %v, want %v", err, cause)
	}
}

// TestReadIgnoredRange: bytes from elsewhere are not passed off as those asked
// for.
func TestReadIgnoredRange(t *testing.T) {
	srv := fakes3.New(t)
	s := newStore(t, srv, nil)
	mustWrite(t, s, "k", content(1000))
	srv.Fail(fakes3.Rule{Match: fakes3.Op("GetObject"), Fault: func(w http.ResponseWriter, c *fakes3.Call) {
		w.Header().Set("ETag", `"x"`)
		_, _ = w.Write(content(1000))
	}})
	if got, err := read(t.Context(), s, "k", 500, 10); err == nil {
		t.Errorf("got %d bytes from the wrong place", len(got))
	}
}

func FuzzParseContentRange(f *testing.F) {
	for _, s := range []string{"bytes 0-9/100", "bytes 5-5/*", "bytes */100", "bytes 9-0/1", "bytes -1-2/3", "",
		"bytes 0-9223372036854775807/1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		begin, end, _, err := parseContentRange(s)
		if err == nil && (begin < 0 || end <= begin) {
			t.Errorf("%q: %d to %d", s, begin, end)
		}
	})
}
