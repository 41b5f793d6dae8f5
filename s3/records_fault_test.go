package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/fakes3"
)

var outcomes = []error{cas.ErrConflict, cas.ErrIndeterminate, cas.ErrUnsupported, cas.ErrTooLarge, fs.ErrPermission,
	fs.ErrNotExist, ErrNoSuchBucket}

// wantOnly: of all that callers tell apart, err is kind and nothing else.
func wantOnly(t *testing.T, what string, err, kind error) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no error, want %v", what, kind)
		return
	}
	for _, o := range outcomes {
		if is := errors.Is(err, o); is != errors.Is(kind, o) {
			t.Errorf("%s: error %q is %q: %v, want only %v", what, err, o, is, kind)
		}
	}
	if !strings.HasPrefix(err.Error(), "write k: ") {
		t.Errorf("%s: error %q does not begin with operation and key", what, err)
	}
}

var errPlain = errors.New("an error, and nothing was done")

// verdicts is what the answers to a PUT mean; the fault is that of the first one.
var verdicts = map[string]struct {
	fault   fakes3.Fault
	replace error // the outcome of a write with If-Match; errPlain is an error of no kind
	create  error // and with If-None-Match
	puts    int   // of the write with If-Match; 0 is 1
}{
	"200":                    {fault: func(w httpWriter, c *fakes3.Call) { c.Send(w) }},
	"200 without etag":       {fakes3.NoETag(), cas.ErrIndeterminate, cas.ErrIndeterminate, 0},
	"200 with empty etag":    {withETag(`""`), cas.ErrIndeterminate, cas.ErrIndeterminate, 0},
	"200 with weak etag":     {withETag(`W/"x"`), cas.ErrIndeterminate, cas.ErrIndeterminate, 0},
	"200 with error":         {fakes3.ErrorWith200("InternalError"), cas.ErrIndeterminate, cas.ErrIndeterminate, 0},
	"reply dropped":          {fakes3.DropReply(), cas.ErrIndeterminate, cas.ErrIndeterminate, 0},
	"request dropped":        {fakes3.DropRequest(), cas.ErrIndeterminate, cas.ErrIndeterminate, 0},
	"applied, then 500":      {fakes3.ApplyThen(500, "InternalError"), cas.ErrIndeterminate, cas.ErrIndeterminate, 0},
	"500":                    {fakes3.Status(500, "InternalError"), cas.ErrIndeterminate, cas.ErrIndeterminate, 0},
	"502 of a proxy":         {proxyPage(502), cas.ErrIndeterminate, cas.ErrIndeterminate, 0},
	"503":                    {fakes3.Status(503, "SlowDown"), cas.ErrIndeterminate, cas.ErrIndeterminate, 0},
	"504":                    {proxyPage(504), cas.ErrIndeterminate, cas.ErrIndeterminate, 0},
	"408":                    {fakes3.Status(408, "RequestCanceled"), cas.ErrIndeterminate, cas.ErrIndeterminate, 0},
	"400 of a slow request":  {fakes3.Status(400, "RequestTimeout"), cas.ErrIndeterminate, cas.ErrIndeterminate, 0},
	"429":                    {fakes3.Status(429, "TooManyRequests"), cas.ErrIndeterminate, cas.ErrIndeterminate, 0},
	"412 to what is there":   {fakes3.Status(412, "PreconditionFailed"), nil, cas.ErrIndeterminate, 2},
	"412 of a proxy":         {proxyPage(412), nil, cas.ErrIndeterminate, 2},
	"applied, then 412":      {fakes3.ApplyThen(412, "PreconditionFailed"), nil, nil, 0},
	"foreign, then 412":      {foreign(412, "PreconditionFailed"), cas.ErrIndeterminate, cas.ErrIndeterminate, 0},
	"409 conflict":           {fakes3.Status(409, "ConditionalRequestConflict"), nil, nil, 2},
	"409 aborted":            {fakes3.Status(409, "OperationAborted"), nil, nil, 2},
	"409 modification":       {fakes3.Status(409, "ConcurrentModification"), nil, nil, 2},
	"409 of a loser":         {foreign(409, "ConditionalRequestConflict"), cas.ErrIndeterminate, cas.ErrIndeterminate, 0},
	"applied, then 409":      {fakes3.ApplyThen(409, "ConditionalRequestConflict"), nil, nil, 0},
	"409 of another sort":    {fakes3.Status(409, "ObjectParentIsFile"), errPlain, errPlain, 0},
	"404 no key":             {fakes3.Status(404, "NoSuchKey"), cas.ErrConflict, errPlain, 0},
	"404 no bucket":          {fakes3.Status(404, "NoSuchBucket"), ErrNoSuchBucket, ErrNoSuchBucket, 0},
	"404 of a proxy":         {proxyPage(404), errPlain, errPlain, 0},
	"501":                    {fakes3.Status(501, "NotImplemented"), cas.ErrUnsupported, cas.ErrUnsupported, 0},
	"400 on the header":      {fakes3.Status(400, "InvalidArgument"), cas.ErrUnsupported, cas.ErrUnsupported, 0},
	"400 not implemented":    {fakes3.Status(400, "NotImplemented"), cas.ErrUnsupported, cas.ErrUnsupported, 0},
	"400 of another sort":    {fakes3.Status(400, "InvalidStorageClass"), errPlain, errPlain, 0},
	"403":                    {fakes3.Status(403, "AccessDenied"), fs.ErrPermission, fs.ErrPermission, 0},
	"400 expired":            {fakes3.Status(400, "ExpiredToken"), fs.ErrPermission, fs.ErrPermission, 0},
	"301 to another region":  {fakes3.Status(301, "PermanentRedirect"), errPlain, errPlain, 0},
	"413":                    {fakes3.Status(413, "EntityTooLarge"), errPlain, errPlain, 0},
	"500 of a broken server": {proxyPage(500), cas.ErrIndeterminate, cas.ErrIndeterminate, 0},
}

func withETag(etag string) fakes3.Fault {
	return func(w httpWriter, c *fakes3.Call) {
		c.Apply()
		w.Header().Set("ETag", etag)
	}
}

// proxyPage is the answer of something that is not S3.
func proxyPage(status int) fakes3.Fault {
	return func(w httpWriter, _ *fakes3.Call) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "<html><p>no")
	}
}

// foreign is other software that replaces the value and keeps the metadata. Then
// an error is the answer, and it proves nothing: the value may have been there.
func foreign(status int, code string) fakes3.Fault {
	return func(w httpWriter, c *fakes3.Call) {
		c.ApplyWith([]byte("the rival's"))
		fakes3.Status(status, code)(w, c)
	}
}

func TestVerdicts(t *testing.T) {
	for name, v := range verdicts {
		t.Run(name, func(t *testing.T) { testVerdict(t, v.fault, v.replace, v.create, max(1, v.puts)) })
	}
}

func testVerdict(t *testing.T, fault fakes3.Fault, replace, create error, puts int) {
	for _, expected := range []bool{true, false} {
		srv := fakes3.New(t)
		r := newRecords(t, srv, nil)
		var expect cas.Token
		want := create
		if expected {
			expect, want = mustPut(t, r, "before", ""), replace
		}
		know(t, r)
		srv.Reset()
		srv.Fail(fakes3.Rule{Match: fakes3.Op("PutObject"), Fault: fault})
		written, err := r.Write(t.Context(), "k", []byte("after"), expect)
		if want != nil {
			wantOnly(t, fmt.Sprintf("replacing %v", expected), err, want)
		} else if err != nil {
			t.Errorf("replacing %v: %v", expected, err)
		}
		if n := srv.Count("PutObject"); expected && n != puts {
			t.Errorf("%d PUTs, want %d", n, puts)
		}
		now, readErr := r.Read(t.Context(), "k", "")
		if readErr != nil {
			t.Fatal(readErr)
		}
		switch mine := string(now.Value) == "after"; {
		case err == nil && (!mine || written.Token != now.Token):
			t.Errorf("replacing %v: success with token %q, but %q is there, with %q", expected, written.Token, now.Value,
				now.Token)
		case err != nil && !errors.Is(err, cas.ErrIndeterminate) && mine:
			t.Errorf("replacing %v: applied in spite of %v", expected, err)
		case err != nil && written.Token != "":
			t.Errorf("replacing %v: token %q with error %v", expected, written.Token, err)
		}
	}
}

// know has a handle read the record, so that it does not in its next write.
func know(t testing.TB, r *Records) {
	t.Helper()
	if _, err := r.Read(t.Context(), "k", ""); err != nil {
		t.Fatal(err)
	}
}

func mustPut(t testing.TB, r *Records, value string, expect cas.Token) cas.Token {
	t.Helper()
	written, err := r.Write(t.Context(), "k", []byte(value), expect)
	if err != nil {
		t.Fatal(err)
	}
	return written.Token
}

// TestInTheWay: a 409 that does not end is no conflict: the record is as it was.
// But what is in the way may be the write itself, repeated, and applied later.
func TestInTheWay(t *testing.T) {
	srv := fakes3.New(t)
	r := newRecords(t, srv, nil)
	token := mustPut(t, r, "before", "")
	srv.Reset()
	srv.Fail(fakes3.Rule{Times: -1, Match: fakes3.Op("PutObject"), Fault: fakes3.Status(409, "OperationAborted")})
	_, err := r.Write(t.Context(), "k", []byte("after"), token)
	wantOnly(t, "in the way", err, cas.ErrIndeterminate)
	if puts, gets := srv.Count("PutObject"), srv.Count("GetObject"); puts != recordWrites || gets != recordWrites {
		t.Errorf("%d PUTs and %d GETs, want %d each", puts, gets, recordWrites)
	}
}

// TestUnreadable: a refusal that cannot be looked into is not taken for a
// conflict.
func TestUnreadable(t *testing.T) {
	for _, code := range []int{412, 409} {
		srv := fakes3.New(t)
		r := newRecords(t, srv, nil)
		token := mustPut(t, r, "before", "")
		srv.Fail(
			fakes3.Rule{Match: fakes3.Op("PutObject"), Fault: fakes3.ApplyThen(code, "OperationAborted")},
			fakes3.Rule{Times: recordReads, Match: fakes3.Op("GetObject"), Fault: fakes3.Status(500, "InternalError")},
		)
		_, err := r.Write(t.Context(), "k", []byte("after"), token)
		wantOnly(t, "unreadable", err, cas.ErrIndeterminate)
		// Swap, which is asked then, finds out.
		if rec, err := cas.Swap(t.Context(), r, "k", []byte("after"), token); err != nil || rec.Token == token {
			t.Errorf("Swap: %+v, %v", rec, err)
		}
	}
}

// TestUnconditional: where it is known that conditions are ignored, nothing is
// sent; where a 400 may be about something else, it is not blamed on them.
func TestUnconditional(t *testing.T) {
	srv := fakes3.New(t)
	r := newRecords(t, srv, nil)
	r.s.c.Provider.NoCreate = "it is known to ignore conditions"
	_, err := r.Write(t.Context(), "k", []byte("x"), "")
	wantOnly(t, "known", err, cas.ErrUnsupported)
	if n := srv.Count(""); n != 0 {
		t.Errorf("%d requests", n)
	}
	for message, want := range map[string]error{"If-Match is not supported": cas.ErrUnsupported,
		"the key of KMS": errPlain} {
		r := newRecords(t, srv, func(c *Config) { c.SSEKMSKeyID = "some-key" })
		know(t, r)
		srv.Fail(fakes3.Rule{Fault: func(w httpWriter, _ *fakes3.Call) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = fmt.Fprintf(w, "<Error><Code>InvalidArgument</Code><Message>%s</Message></Error>", message)
		}})
		_, err := r.Write(t.Context(), "k", []byte("x"), "")
		wantOnly(t, message, err, want)
	}
}

// TestNoReply: a server that is silent is given up on; what happened is unknown.
func TestNoReply(t *testing.T) {
	for name, fault := range map[string]fakes3.Fault{"before": fakes3.Hang(), "after": fakes3.HangAfter()} {
		// A request that was not even received in time is not in the count.
		unhurried(t, 100*time.Millisecond, func(unit time.Duration) error {
			srv := fakes3.New(t)
			r := newRecords(t, srv, nil)
			token := mustPut(t, r, "before", "")
			r.timeout = unit
			srv.Reset()
			srv.Fail(fakes3.Rule{Times: -1, Fault: fault})
			_, err := r.Write(t.Context(), "k", []byte("after"), token)
			if n := srv.Count(""); !errors.Is(err, errNoReply) || n != 1 {
				return fmt.Errorf("%s: %w after %d requests", name, err, n)
			}
			wantOnly(t, name, err, cas.ErrIndeterminate)
			_, err = r.Read(t.Context(), "k", "")
			if n := srv.Count("GetObject"); !errors.Is(err, errNoReply) || n != recordReads {
				return fmt.Errorf("%s: read: %w after %d requests", name, err, n)
			}
			return nil
		})
	}
}

// TestContextEnds: before anything was sent nothing has happened; afterwards
// nobody knows.
func TestContextEnds(t *testing.T) {
	srv := fakes3.New(t)
	r := newRecords(t, srv, nil)
	know(t, r)
	srv.Reset()
	cause := errors.New("the user left")
	ctx, cancel := context.WithCancelCause(t.Context())
	srv.Fail(fakes3.Rule{Fault: func(w httpWriter, c *fakes3.Call) {
		cancel(cause)
		fakes3.HangAfter()(w, c)
	}})
	_, err := r.Write(ctx, "k", []byte("after"), "")
	wantOnly(t, "during", err, cas.ErrIndeterminate)
	if !errors.Is(err, cause) {
		t.Errorf("got error %v, want the cause", err)
	}
	_, err = r.Write(ctx, "k", []byte("after"), "")
	wantOnly(t, "before", err, errPlain)
	if !errors.Is(err, cause) || srv.Count("") != 1 {
		t.Errorf("got error %v after %d requests, want the cause", err, srv.Count(""))
	}
}
