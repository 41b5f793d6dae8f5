package s3

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/s3/internal/answer"
)

// maxAnswer is how long an answer may be, as the package says.
const maxAnswer = 8 << 20

// endless sends text again and again, up to a hundred times as much as any answer
// may have, and counts what was sent.
func endless(w http.ResponseWriter, head, text string, sent *atomic.Int64) {
	_, _ = io.WriteString(w, head)
	chunk := strings.Repeat(text, 1+64<<10/len(text))
	for sent.Load() < 100*maxAnswer {
		n, err := io.WriteString(w, chunk)
		if sent.Add(int64(n)); err != nil {
			return
		}
	}
}

// The verbs of TestAnswersAreBounded.
var (
	listAll = func(ctx context.Context, s *Store) (err error) {
		for _, err = range s.List(ctx, "", blob.ListOptions{}) {
		}
		return err
	}
	get = func(offset int64) func(ctx context.Context, s *Store) error {
		return func(ctx context.Context, s *Store) error {
			b, err := read(ctx, s, "k", offset, 100)
			if err == nil && len(b) != 100 {
				err = fmt.Errorf("got %d bytes, want 100", len(b))
			}
			return err
		}
	}
)

// TestAnswersAreBounded: no answer takes more memory than documented, whatever it
// is an answer to.
func TestAnswersAreBounded(t *testing.T) {
	for name, c := range map[string]struct {
		status     int
		header     map[string]string
		head, text string
		do         func(ctx context.Context, s *Store) error
		want       string
	}{
		"error": {400, nil, "<Error><Code>", "x", listAll, "http 400"},
		"page": {200, nil, "<ListBucketResult><Name>b</Name>", "<Contents><Key>some/prefix/a</Key></Contents>", listAll,
			"longer than"},
		"key":     {200, nil, "<ListBucketResult><Name>b</Name><Contents><Key>some/prefix/", "a", listAll, "longer than"},
		"no page": {200, nil, "", " ", listAll, "longer than"},
		"deleted": {200, nil, "<DeleteResult>", "<Deleted><Key>k</Key></Deleted>",
			func(ctx context.Context, s *Store) error { return s.Delete(ctx, []string{"k"}) }, "longer than"},
		"put": {400, nil, "", "x", func(ctx context.Context, s *Store) error {
			_, err := s.Write(ctx, "k", strings.NewReader("x"), blob.WriteOptions{})
			return err
		}, "http 400"},
		"range": {206, map[string]string{"Content-Range": "bytes 10-109/1000", "ETag": `"e"`}, "", "x", get(10),
			"longer than"},
		"whole": {200, map[string]string{"ETag": `"e"`}, "", "x", get(10), "ignores ranges"},
		"whole start": {200, map[string]string{"ETag": `"e"`}, "", "x",
			get(0), "ignores ranges"},
	} {
		t.Run(name, func(t *testing.T) {
			var sent atomic.Int64
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/xml")
				for k, v := range c.header {
					w.Header().Set(k, v)
				}
				w.WriteHeader(c.status)
				endless(w, c.head, c.text, &sent)
			}))
			defer srv.Close()
			s := newStore(t, fakes3.New(t), func(cfg *Config) { cfg.Endpoint, cfg.Bucket = srv.URL, "b" })
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			err := c.do(t.Context(), s)
			runtime.ReadMemStats(&after)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %.300v, want one about %q", err, c.want)
			}
			if n := len(fmt.Sprint(err)); n > 2000 {
				t.Errorf("the error has %d bytes", n)
			}
			if n := after.TotalAlloc - before.TotalAlloc; n > 40*maxAnswer {
				t.Errorf("%d MiB allocated", n>>20)
			}
			if sent.Load() >= 100*maxAnswer {
				t.Error("read to the end")
			}
		})
	}
}

// TestNoRedirect: a redirect is followed nowhere, and the customer's key and the
// signature go nowhere.
func TestNoRedirect(t *testing.T) {
	key := base64.StdEncoding.EncodeToString(make([]byte, 32))
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, to := range []string{"http://%s/b/k", "//%s/b/k", "ftp://%s", "http://%zz", "/b/other"} {
			t.Run(fmt.Sprint(status, to), func(t *testing.T) {
				var stolen, asked atomic.Int32
				thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { stolen.Add(1) }))
				defer thief.Close()
				host := strings.TrimPrefix(thief.URL, "http://")
				srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					asked.Add(1)
					w.Header()["Location"] = []string{strings.Replace(to, "%s", host, 1)}
					w.WriteHeader(status)
				}))
				defer srv.Close()
				s := newStore(t, fakes3.New(t), func(c *Config) { c.Endpoint, c.SSECustomerKey = srv.URL, key })
				for verb, err := range everyVerb(t, s) {
					if err == nil || verb != "reader error" && !strings.Contains(err.Error(), fmt.Sprint("http ", status)) {
						t.Errorf("%s: got error %v", verb, err)
					}
					if strings.Contains(to, "%s") && strings.HasPrefix(to, "http:") && verb != "reader error" &&
						!strings.Contains(err.Error(), thief.URL) {
						t.Errorf("%s: error %q does not name %s", verb, err, thief.URL)
					}
				}
				if stolen.Load() != 0 {
					t.Errorf("%d requests went elsewhere", stolen.Load())
				}
				if n := asked.Load(); n > 10 {
					t.Errorf("%d requests", n)
				}
			})
		}
	}
}

// TestRegionRedirect: S3 says where the bucket is.
func TestRegionRedirect(t *testing.T) {
	for code, status := range map[string]int{"PermanentRedirect": 301, "TemporaryRedirect": 307,
		"AuthorizationHeaderMalformed": 400} {
		srv := fakes3.New(t)
		s := newStore(t, srv, nil)
		srv.Fail(fakes3.Rule{Times: -1, Fault: func(w httpWriter, c *fakes3.Call) {
			w.Header().Set("X-Amz-Bucket-Region", "eu-north-1")
			w.Header().Set("Location", "https://bucket.s3.eu-north-1.amazonaws.com/")
			fakes3.Status(status, code)(w, c)
		}})
		_, err := s.Open(t.Context(), "k", 0, 0)
		if err == nil || !strings.Contains(err.Error(), "the bucket is in region eu-north-1") ||
			!strings.Contains(err.Error(), code) {
			t.Errorf("%s: got error %v", code, err)
		}
		wantAdvice(t, err, "region=eu-north-1")
	}
}

// wantAdvice: the error says what to do.
func wantAdvice(t *testing.T, err error, want string) {
	t.Helper()
	var adviser interface{ Advice() string }
	if !errors.As(err, &adviser) || !strings.Contains(adviser.Advice(), want) {
		advice := ""
		if adviser != nil {
			advice = adviser.Advice()
		}
		t.Errorf("%v: got advice %q, want %q", err, advice, want)
	}
}

// TestWebPage: a server that has only ever answered with web pages is no S3.
func TestWebPage(t *testing.T) {
	var asked atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		_, _ = io.WriteString(w, "<!DOCTYPE html><html><p>Please log in</p></html>")
	}))
	defer srv.Close()
	s := newStore(t, fakes3.New(t), func(c *Config) { c.Endpoint, c.RetryTimeout = srv.URL, time.Hour })
	verbs := everyVerb(t, s)
	delete(verbs, "reader error")
	for verb, err := range verbs {
		if !errors.Is(err, answer.ErrWebPage) {
			t.Errorf("%s: got error %v", verb, err)
		}
		wantAdvice(t, err, "endpoint")
	}
	if n := asked.Load(); n > 12 {
		t.Errorf("%d requests", n)
	}
	r := newRecords(t, fakes3.New(t), func(c *Config) { c.Endpoint = srv.URL })
	asked.Store(0)
	if _, err := r.Read(t.Context(), "k", ""); !errors.Is(err, answer.ErrWebPage) || asked.Load() != 1 {
		t.Errorf("record: got error %v after %d requests", err, asked.Load())
	}
}

// TestWrongScheme: https to a port that speaks http, and the other way round.
func TestWrongScheme(t *testing.T) {
	withoutEnvironment(t)
	for _, c := range []struct {
		srv        *fakes3.Server
		from, to   string
		wantAdvice string
	}{
		{fakes3.New(t), "http://", "https://", "http://"},
		{fakes3.New(t, fakes3.TLS()), "https://", "http://", "https://"},
	} {
		endpoint := strings.Replace(c.srv.URL, c.from, c.to, 1)
		s := newStore(t, fakes3.New(t), func(cfg *Config) { cfg.Endpoint, cfg.RetryTimeout = endpoint, time.Hour })
		begin := time.Now()
		for verb, err := range everyVerb(t, s) {
			if verb != "reader error" && (verb != "stat" || c.to == "https://") { // HEAD has no text
				wantAdvice(t, err, c.wantAdvice)
			}
		}
		if d := time.Since(begin); d > 10*time.Second {
			t.Errorf("took %v", d)
		}
		r := newRecords(t, fakes3.New(t), func(cfg *Config) { cfg.Endpoint = endpoint })
		_, err := r.Read(t.Context(), "k", "")
		wantAdvice(t, err, c.wantAdvice)
		_, err = r.Write(t.Context(), "k", []byte("x"), "")
		// A server that closes the connection while the request is sent has not been heard.
		for try := 0; try < 50 && (errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)); try++ {
			_, err = r.Write(t.Context(), "k", []byte("x"), "")
		}
		wantAdvice(t, err, c.wantAdvice)
	}
}
