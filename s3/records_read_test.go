package s3

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/s3/internal/answer"
)

// TestStoreTime: every answer tells the store's time, unless a cache gave it.
func TestStoreTime(t *testing.T) {
	srv := fakes3.New(t)
	r := newRecords(t, srv, nil)
	token := mustPut(t, r, "x", "")
	there := time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)
	for age, want := range map[string]time.Time{"": there, "0": there, "17": {}} {
		for name, read := range map[string]struct {
			key   string
			known cas.Token
		}{"200": {"k", ""}, "304": {"k", token}, "404": {"absent", ""}} {
			srv.Reset()
			srv.Fail(fakes3.Rule{Fault: func(w httpWriter, c *fakes3.Call) {
				w.Header().Set("Date", there.Format(http.TimeFormat))
				if age != "" {
					w.Header().Set("Age", age)
				}
				c.Send(w)
			}})
			rec, err := r.Read(t.Context(), read.key, read.known)
			if err != nil || !rec.StoreTime.Equal(want) {
				t.Errorf("%s, age %q: got %v, %v, want %v", name, age, rec.StoreTime, err, want)
			}
		}
	}
	if rec, err := r.Read(t.Context(), "k", ""); err != nil || time.Since(rec.StoreTime).Abs() > 10*time.Second {
		t.Errorf("the server's own date: got %v, %v", rec.StoreTime, err)
	}
}

// TestRecordHeaders: what a GET and a PUT are sent with.
func TestRecordHeaders(t *testing.T) {
	srv := fakes3.New(t)
	r := newRecords(t, srv, func(c *Config) {
		c.StorageClass = "ONEZONE_IA"
		c.SSEKMSKeyID = "some-key"
		c.PutObjectContentMD5 = true
	})
	r.s.c.Provider.Headers = map[string]string{"X-Tigris-Consistent": "true"}
	know(t, r)
	srv.Reset()
	token := mustPut(t, r, "x", "")
	if _, err := r.Read(t.Context(), "k", token); err != nil {
		t.Fatal(err)
	}
	for _, req := range srv.Requests() {
		got := map[string]string{}
		for _, name := range []string{"Cache-Control", "Content-Type", "If-Match", "If-None-Match", "X-Amz-Storage-Class",
			"X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id", "X-Tigris-Consistent"} {
			if v := req.Header.Get(name); v != "" {
				got[name] = v
			}
		}
		want := map[string]string{"Cache-Control": "no-cache", "If-None-Match": `"` + string(token) + `"`,
			"X-Tigris-Consistent": "true"}
		if req.Op == "PutObject" {
			want = map[string]string{
				"Content-Type": "application/json", "If-None-Match": "*", "X-Amz-Storage-Class": "ONEZONE_IA",
				"X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id": "some-key", "X-Tigris-Consistent": "true",
			}
		}
		wantEqual(t, req.Op, got, want)
		if (req.Header.Get("Content-Md5") != "") != (req.Op == "PutObject") {
			t.Errorf("%s: Content-MD5 %q", req.Op, req.Header.Get("Content-Md5"))
		}
	}
	archived := newRecords(t, srv, func(c *Config) { c.StorageClass = "DEEP_ARCHIVE" })
	if got := archived.s.cfg.StorageClass; got != "" {
		t.Errorf("a record would be archived: %s", got)
	}
}

// TestReadRetries: a read is repeated, but not for long.
func TestReadRetries(t *testing.T) {
	for name, fault := range map[string]fakes3.Fault{
		"dropped": fakes3.DropReply(), "503": fakes3.Status(503, "SlowDown"), "cut": fakes3.TruncateBody(1),
		"200 with error": fakes3.ErrorWith200("InternalError"),
	} {
		srv := fakes3.New(t)
		r := newRecords(t, srv, nil)
		mustPut(t, r, "value", "")
		srv.Fail(fakes3.Rule{Times: recordReads - 1, Fault: fault})
		if rec, err := r.Read(t.Context(), "k", ""); err != nil || string(rec.Value) != "value" {
			t.Errorf("%s: %+v, %v", name, rec, err)
		}
		srv.Reset()
		srv.Fail(fakes3.Rule{Times: -1, Fault: fault})
		// net/http repeats a GET itself if the connection was not a new one.
		if _, err := r.Read(t.Context(), "k", ""); err == nil || srv.Count("") < recordReads ||
			srv.Count("") > 2*recordReads {
			t.Errorf("%s: error %v after %d requests", name, err, srv.Count(""))
		}
	}
}

// TestReadRefusals: what is not a record, and not the absence of one.
func TestReadRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		fault fakes3.Fault
		want  error
		text  string
	}{
		"no bucket":     {fakes3.Status(404, "NoSuchBucket"), ErrNoSuchBucket, ""},
		"404 of others": {proxyPage(404), nil, "404"},
		"denied":        {fakes3.Status(403, "AccessDenied"), fs.ErrPermission, "permission to list"},
		"wrong key":     {fakes3.Status(403, "InvalidAccessKeyId"), fs.ErrPermission, ""},
		"304 unasked":   {proxyPage(304), nil, "304"},
		"weak etag":     {withETagOf(`W/"x"`), answer.ErrIncomplete, "weak"},
		"empty etag":    {withETagOf(`""`), answer.ErrIncomplete, "no etag"},
	} {
		srv := fakes3.New(t)
		r := newRecords(t, srv, nil)
		mustPut(t, r, "value", "")
		srv.Reset()
		srv.Fail(fakes3.Rule{Fault: c.fault})
		rec, err := r.Read(t.Context(), "k", "")
		if err == nil || !strings.HasPrefix(err.Error(), "read k: ") || !strings.Contains(err.Error(), c.text) ||
			c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: got %+v, %v, want error %v that says %q", name, rec, err, c.want, c.text)
		}
		if n := srv.Count("GetObject"); n != 1 {
			t.Errorf("%s: %d GETs", name, n)
		}
	}
}

// withETagOf answers with the object, but another ETag.
func withETagOf(etag string) fakes3.Fault {
	return func(w httpWriter, c *fakes3.Call) {
		a := c.Apply()
		w.Header().Set("ETag", etag)
		w.Header().Set("Last-Modified", a.Header.Get("Last-Modified"))
		_, _ = w.Write(a.Body)
	}
}

// TestTooLarge: what is too large is not fetched, also if its size is not told.
func TestTooLarge(t *testing.T) {
	srv := fakes3.New(t)
	s, r := newStore(t, srv, nil), newRecords(t, srv, nil)
	mustWrite(t, s, "k", content(cas.MaxValueSize+1))
	srv.Fail(fakes3.Rule{Fault: func(w httpWriter, c *fakes3.Call) { c.Send(w) }},
		fakes3.Rule{Fault: func(w httpWriter, c *fakes3.Call) {
			a := c.Apply()
			w.Header().Set("ETag", a.Header.Get("ETag"))
			for range 3 {
				_, _ = w.Write(a.Body)
				w.(http.Flusher).Flush()
			}
		}})
	for range 2 {
		if _, err := r.Read(t.Context(), "k", ""); !errors.Is(err, cas.ErrTooLarge) {
			t.Errorf("got error %v", err)
		}
	}
	if n := srv.Count("GetObject"); n != 2 {
		t.Errorf("%d GETs, want 2", n)
	}
}

// TestSkewedClock: a store that refuses our clock tells us its own.
func TestSkewedClock(t *testing.T) {
	srv := fakes3.New(t)
	r := newRecords(t, srv, nil)
	there := time.Now().Add(3 * time.Hour)
	date := func(fault fakes3.Fault) fakes3.Fault {
		return func(w httpWriter, c *fakes3.Call) {
			w.Header().Set("Date", there.UTC().Format(http.TimeFormat))
			fault(w, c)
		}
	}
	srv.Fail(
		fakes3.Rule{Fault: date(fakes3.Status(403, "RequestTimeTooSkewed"))},
		fakes3.Rule{Times: -1, Fault: date(func(w httpWriter, c *fakes3.Call) { c.Send(w) })},
	)
	if _, err := r.Read(t.Context(), "k", ""); err != nil {
		t.Fatal(err)
	}
	mustPut(t, r, "x", "")
	for _, req := range srv.Requests()[1:] {
		at, err := time.Parse("20060102T150405Z", req.Header.Get("X-Amz-Date"))
		if err != nil || at.Sub(there).Abs() > time.Minute {
			t.Errorf("%s: signed for %v, %v; there it is %v", req.Op, at, err, there)
		}
	}
}

// TestRecordList: what is no record is passed over, and one request is enough.
func TestRecordList(t *testing.T) {
	srv := fakes3.New(t)
	s, r := newStore(t, srv, nil), newRecords(t, srv, nil)
	for _, key := range []string{"a/1", "a/2", "A", "b c", "ä", "a/.hidden", "lock.json", strings.Repeat("x", 600)} {
		mustWrite(t, s, key, []byte(key))
	}
	mustWrite(t, newStore(t, srv, func(c *Config) { c.Path = "some" }), "elsewhere", nil)
	srv.Reset()
	for _, c := range []struct{ prefix, after, want string }{
		{"", "", "[a/1 a/2 lock.json]"}, {"", "a/1", "[a/2 lock.json]"}, {"a/", "", "[a/1 a/2]"}, {"a/", "a/1", "[a/2]"},
		{"a/", "A", "[a/1 a/2]"}, {"a/", "a", "[a/1 a/2]"}, {"a/", "b", "[]"}, {"a/", "a0", "[]"},
	} {
		got := []string{}
		for e, err := range r.List(t.Context(), c.prefix, c.after) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, e.Key)
			if rec, err := r.Read(t.Context(), e.Key, e.Token); err != nil || !rec.Unchanged {
				t.Errorf("%s has another token than in the list: %+v, %v", e.Key, rec, err)
			}
		}
		if fmt.Sprint(got) != c.want {
			t.Errorf("List(%q, %q): got %v, want %v", c.prefix, c.after, got, c.want)
		}
	}
	if n := srv.Count("ListObjectsV2"); n > 8 {
		t.Errorf("%d listings", n)
	}
}

// TestRecordListWithoutETags: a token that is none is an error.
func TestRecordListWithoutETags(t *testing.T) {
	srv := fakes3.New(t)
	r := newRecords(t, srv, nil)
	mustPut(t, r, "x", "")
	srv.Fail(fakes3.Rule{Match: fakes3.Op("ListObjectsV2"), Fault: fakes3.NoETag()})
	for e, err := range r.List(t.Context(), "", "") {
		if !errors.Is(err, answer.ErrIncomplete) {
			t.Errorf("got %+v, %v", e, err)
		}
	}
}
