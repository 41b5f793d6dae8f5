package s3

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/replctl/replicate/internal/fakes3"
)

// TestCABundle: the variable that Litestream's client cannot start with.
func TestCABundle(t *testing.T) {
	srv := fakes3.New(t, fakes3.TLS())
	bundle := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(bundle, srv.CertPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_CA_BUNDLE", bundle)
	s := newStore(t, srv, nil)
	want := content(MinPartSize + 1)
	mustWrite(t, s, "k", want)
	if !bytes.Equal(mustRead(t, s, "k"), want) {
		t.Error("another object")
	}
	for _, r := range srv.Requests() {
		if sum := r.Header.Get("X-Amz-Content-Sha256"); len(sum) != 64 {
			t.Errorf("%s: payload not signed: %q", r.Op, sum)
		}
	}
}

// TestCertificate: one that nobody vouches for fails at once, unless it is not
// to be verified.
func TestCertificate(t *testing.T) {
	srv := fakes3.New(t, fakes3.TLS())
	s := newStore(t, srv, func(c *Config) { c.RetryTimeout = time.Hour })
	_, err := s.Stat(t.Context(), "k")
	var verify *tls.CertificateVerificationError
	if !errors.As(err, &verify) {
		t.Errorf("got error %v, want one about the certificate", err)
	}
	s = newStore(t, srv, func(c *Config) { c.SkipVerify = true })
	if _, err := s.Stat(t.Context(), "k"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without verification: %v", err)
	}
}

func TestHTTP2(t *testing.T) {
	var proto atomic.Value
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		proto.Store(r.Proto)
		w.WriteHeader(http.StatusNotFound)
	}))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	s := newStore(t, fakes3.New(t), func(c *Config) { c.Endpoint, c.SkipVerify = srv.URL, true })
	if _, err := s.Stat(t.Context(), "k"); err == nil {
		t.Error("no error")
	}
	if got := proto.Load(); got != "HTTP/2.0" {
		t.Errorf("protocol %v", got)
	}
}

// TestProxy: requests to a host that does not exist arrive, by way of the proxy.
func TestProxy(t *testing.T) {
	srv := fakes3.New(t)
	target, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }})
	defer proxy.Close()
	s := newStore(t, srv, func(c *Config) { c.Endpoint = "http://s3.invalid" })
	proxyURL, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxyURL)}}
	s.c.API = awss3.New(s.c.API.Options(), func(o *awss3.Options) { o.HTTPClient = client })
	mustWrite(t, s, "k", []byte("x"))
	if n := srv.Count("PutObject"); n != 1 {
		t.Errorf("%d PUTs through the proxy, want 1", n)
	}
}
