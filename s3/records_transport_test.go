package s3

import (
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/fakes3"
)

// trust puts the certificate of a server with TLS into AWS_CA_BUNDLE.
func trust(t *testing.T, srv *fakes3.Server) {
	t.Helper()
	bundle := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(bundle, srv.CertPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_CA_BUNDLE", bundle)
}

// TestUnsent: what fails before there is a connection was not applied, for
// certain.
func TestUnsent(t *testing.T) {
	t.Setenv("AWS_CA_BUNDLE", "")
	nobody := "http://" + nobodyAt(t)
	tls := fakes3.New(t, fakes3.TLS())
	for name, endpoint := range map[string]string{"nobody there": nobody, "certificate": tls.URL,
		"name": "http://s3.invalid"} {
		r := newRecords(t, tls, func(c *Config) { c.Endpoint = endpoint })
		_, err := r.Write(t.Context(), "k", []byte("x"), "")
		wantOnly(t, name, err, errPlain)
	}
	if n := tls.Count(""); n != 0 {
		t.Errorf("%d requests", n)
	}
}

// TestNoCredentialsForRecords: an answer of whoever gives out credentials is not
// the store's.
func TestNoCredentialsForRecords(t *testing.T) {
	for name, want := range map[string]error{"AWS_CONTAINER_CREDENTIALS_FULL_URI": errPlain,
		"AWS_ENDPOINT_URL_STS": fs.ErrPermission} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int32
			role := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				asked.Add(1)
				w.WriteHeader(http.StatusNotImplemented)
			}))
			defer role.Close()
			dir := t.TempDir()
			token, none := filepath.Join(dir, "token"), filepath.Join(dir, "none")
			if err := os.WriteFile(token, []byte("token"), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"AWS_ACCESS_KEY_ID", "LITESTREAM_ACCESS_KEY_ID", "AWS_PROFILE",
				"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_WEB_IDENTITY_TOKEN_FILE"} {
				t.Setenv(name, "")
			}
			if name == "AWS_ENDPOINT_URL_STS" {
				t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", token)
				t.Setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/some")
			}
			t.Setenv("AWS_CONFIG_FILE", none)
			t.Setenv("AWS_SHARED_CREDENTIALS_FILE", none)
			t.Setenv(name, role.URL)
			srv := fakes3.New(t)
			r := newRecords(t, srv, func(c *Config) { c.AccessKeyID, c.SecretAccessKey = "", "" })
			_, err := r.Write(t.Context(), "k", []byte("x"), "")
			wantOnly(t, name, err, want)
			if asked.Load() == 0 || srv.Count("") != 0 {
				t.Errorf("credentials asked for %d times, the store %d times", asked.Load(), srv.Count(""))
			}
		})
	}
}

// TestRecordsTLS: with AWS_CA_BUNDLE.
func TestRecordsTLS(t *testing.T) {
	srv := fakes3.New(t, fakes3.TLS())
	trust(t, srv)
	l := newLeaser(t, srv, "me")
	lease := acquireLease(t, l)
	lease, err := l.RenewLease(t.Context(), lease)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.ReleaseLease(t.Context(), lease); err != nil {
		t.Fatal(err)
	}
	for name, fault := range map[string]fakes3.Fault{"reply": fakes3.DropReply(), "request": fakes3.DropRequest()} {
		rec, err := recordsOf(l).Read(t.Context(), "k", "")
		if err != nil {
			t.Fatal(err)
		}
		srv.Reset()
		srv.Fail(fakes3.Rule{Fault: fault})
		_, err = recordsOf(l).Write(t.Context(), "k", []byte(name), rec.Token)
		wantOnly(t, name+" dropped", err, cas.ErrIndeterminate)
		if n := srv.Count(""); n != 1 {
			t.Errorf("%s dropped: %d requests, want 1", name, n)
		}
	}
}

// TestDeadConnection: a connection that went silent is not used again, also where
// the server would speak HTTP/2.
func TestDeadConnection(t *testing.T) {
	unhurried(t, 500*time.Millisecond, func(unit time.Duration) error {
		var silent atomic.Value
		srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch first := silent.CompareAndSwap(nil, r.RemoteAddr); {
			case first:
				<-r.Context().Done()
				return
			case silent.Load() == r.RemoteAddr:
				t.Error("the connection that went silent is used again")
			}
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, "<Error><Code>NoSuchKey</Code></Error>")
		}))
		srv.EnableHTTP2 = true
		srv.StartTLS()
		defer srv.Close()
		r := newRecords(t, fakes3.New(t), func(c *Config) { c.Endpoint, c.SkipVerify = srv.URL, true })
		r.timeout = unit
		rec, err := r.Read(t.Context(), "k", "")
		if err == nil && (rec.Exists() || silent.Load() == nil) {
			t.Errorf("%+v, and no connection went silent", rec)
		}
		return err
	})
}

// TestOwnConnections: records share no connections with bulk traffic, nor with
// one another.
func TestOwnConnections(t *testing.T) {
	var users sync.Map // of connections
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if first, used := users.LoadOrStore(r.RemoteAddr, r.URL.Path); used && first != r.URL.Path {
			t.Errorf("a connection for %s is used for %s", first, r.URL.Path)
		}
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, "<Error><Code>NoSuchKey</Code></Error>")
	}))
	defer srv.Close()
	change := func(c *Config) { c.Endpoint = srv.URL }
	fake := fakes3.New(t)
	s, one, two := newStore(t, fake, change), newRecords(t, fake, change), newRecords(t, fake, change)
	for range 3 {
		_, err := s.Open(t.Context(), "bulk", 0, 0)
		if !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		for key, r := range map[string]*Records{"one": one, "two": two} {
			if _, err := r.Read(t.Context(), key, ""); err != nil {
				t.Fatal(err)
			}
		}
	}
}
