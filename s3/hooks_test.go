package s3

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/replctl/replicate/internal/fakes3"
)

// roundTrip is a function as an http.RoundTripper.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// hang answers no request before release is closed, and as an empty bucket does from then
// on. It closes hangs when the first request comes.
func hang(hangs chan<- struct{}, release <-chan struct{}) roundTrip {
	var asked atomic.Bool
	return func(r *http.Request) (*http.Response, error) {
		if asked.CompareAndSwap(false, true) {
			close(hangs)
		}
		select {
		case <-release:
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
		status, body := http.StatusOK, "<ListBucketResult><Name>b</Name><IsTruncated>false</IsTruncated></ListBucketResult>"
		if strings.HasSuffix(r.URL.Path, DefaultLeaseFile) {
			status, body = http.StatusNotFound, "<Error><Code>NoSuchKey</Code></Error>"
		}
		return &http.Response{
			StatusCode: status,
			Header:     http.Header{"Content-Type": {"application/xml"}, "X-Amz-Bucket-Region": {"eu-north-1"}},
			Body:       io.NopCloser(strings.NewReader(body)),
			Request:    r,
		}, nil
	}
}

// TestTransport: the caller's transport carries each request of stores, records, clients
// and leasers, and none follows a redirect.
func TestTransport(t *testing.T) {
	srv := fakes3.New(t)
	var carried atomic.Int32
	carrier := roundTrip(func(r *http.Request) (*http.Response, error) {
		carried.Add(1)
		return http.DefaultTransport.RoundTrip(r)
	})
	set := func(c *Config) { c.Transport = carrier }
	mustWrite(t, newStore(t, srv, set), "k", []byte("x"))
	if _, err := newRecords(t, srv, set).Write(t.Context(), "r", []byte("x"), ""); err != nil {
		t.Error(err)
	}
	c, l := fakeClient(srv), newLeaser(t, srv, "me")
	set(&c.Config)
	set(&l.Config)
	if err := c.Init(t.Context()); err != nil {
		t.Error(err)
	}
	acquireLease(t, l)
	if got, want := int(carried.Load()), srv.Count(""); got != want || got < 5 {
		t.Errorf("%d of %d requests were carried", got, want)
	}
	away := httptest.NewServer(http.RedirectHandler("http://127.0.0.1:1/", http.StatusTemporaryRedirect))
	defer away.Close()
	_, err := newStore(t, srv, func(c *Config) { set(c); c.Endpoint = away.URL }).Stat(t.Context(), "k")
	if err == nil || !strings.Contains(err.Error(), "redirects to http://127.0.0.1:1") {
		t.Errorf("redirected: got error %v", err)
	}
	if _, err := Open(t.Context(), Config{Bucket: "b", Transport: carrier, SkipVerify: true}); err == nil {
		t.Error("a transport that is to be told not to verify: no error")
	}
}

// TestCredentials: a provider of the caller's signs, and what it gives out is looked at.
func TestCredentials(t *testing.T) {
	srv := fakes3.New(t)
	keys := aws.Credentials{AccessKeyID: fakes3.AccessKeyID, SecretAccessKey: fakes3.SecretAccessKey}
	asked := 0
	set := func(c *Config) {
		c.AccessKeyID, c.SecretAccessKey = "", ""
		c.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			asked++
			return keys, nil
		})
	}
	s := newStore(t, srv, set)
	mustWrite(t, s, "k", nil)
	mustWrite(t, s, "k", nil)
	if asked != 1 {
		t.Errorf("asked for credentials %d times, want once until they expire", asked)
	}
	keys.AccessKeyID = "nobody's"
	if _, err := newStore(t, srv, set).Stat(t.Context(), "k"); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("another key: got error %v", err)
	}
	keys.AccessKeyID = "id\n"
	_, err := newStore(t, srv, set).Stat(t.Context(), "k")
	if err == nil || !strings.Contains(err.Error(), "access key id from Credentials: has white space") {
		t.Errorf("a flaw: got error %v", err)
	}
	cfg := Config{Bucket: "b", AccessKeyID: "id", SecretAccessKey: "secret", Credentials: aws.AnonymousCredentials{}}
	if _, err := Open(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "exclude each other") {
		t.Errorf("two kinds of credentials: got error %v", err)
	}
}

// TestAnonymous: nothing is signed for anonymous credentials.
func TestAnonymous(t *testing.T) {
	var signature string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		signature = r.Header.Get("Authorization")
		w.Header().Set("ETag", `"e"`)
	}))
	defer srv.Close()
	s, err := Open(t.Context(), Config{Bucket: "b", Endpoint: srv.URL, Credentials: aws.AnonymousCredentials{}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Stat(t.Context(), "k"); err != nil || signature != "" {
		t.Errorf("signed with %q, error %v", signature, err)
	}
}
