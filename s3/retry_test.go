package s3

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/internal/fakes3"
)

// TestEightOfTenFail: a server on which most requests fail is slow, not broken.
func TestEightOfTenFail(t *testing.T) {
	srv := fakes3.New(t)
	s := newStore(t, srv, nil)
	for _, fault := range []fakes3.Fault{fakes3.DropReply(), fakes3.Status(503, "SlowDown"), fakes3.DropRequest(),
		fakes3.ApplyThen(500, "InternalError")} {
		srv.Fail(fakes3.Rule{Times: -1, Probability: 0.33, Fault: fault}) // 1 - 0.67^4 = 0.8
	}
	want := map[string][]byte{}
	for i := range 20 {
		key := fmt.Sprintf("k%02d", i)
		want[key] = content(1000 + i)
		if _, err := s.Write(t.Context(), key, bytes.NewReader(want[key]),
			blob.WriteOptions{IfAbsent: i%2 == 0}); err != nil {
			t.Fatalf("%s: %v", key, err)
		}
	}
	want["large"] = content(2*MinPartSize + 1)
	if _, err := s.Write(t.Context(), "large", stream(want["large"]), blob.WriteOptions{IfAbsent: true}); err != nil {
		t.Fatal(err)
	}
	keys := listKeys(t, s, "", blob.ListOptions{})
	if len(keys) != len(want) {
		t.Errorf("%d keys listed, want %d", len(keys), len(want))
	}
	for _, key := range keys {
		if !bytes.Equal(mustRead(t, s, key), want[key]) {
			t.Errorf("%s: another object", key)
		}
	}
	if err := s.Delete(t.Context(), keys); err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "left", listKeys(t, s, "", blob.ListOptions{}), []string{})
}

// TestOutage: hundreds of failures do not use up anything that later requests
// would need.
func TestOutage(t *testing.T) {
	srv := fakes3.New(t)
	s := newStore(t, srv, func(c *Config) { c.RetryTimeout = 200 * time.Millisecond })
	srv.Fail(fakes3.Rule{Times: -1, Fault: fakes3.Status(500, "InternalError")})
	for srv.Count("") < 200 {
		if _, err := s.Stat(t.Context(), "k"); err == nil || !strings.Contains(err.Error(), "gave up after") {
			t.Fatalf("got error %v", err)
		}
	}
	srv.Reset()
	srv.Fail(fakes3.Rule{Times: 3, Fault: fakes3.Status(500, "InternalError")})
	mustWrite(t, s, "k", nil)
}

// TestFailsAtOnce: what will not pass is not repeated.
func TestFailsAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		code   string
		kind   error
	}{
		"wrong key":       {403, "InvalidAccessKeyId", fs.ErrPermission},
		"wrong secret":    {403, "SignatureDoesNotMatch", fs.ErrPermission},
		"no permission":   {403, "AccessDenied", fs.ErrPermission},
		"expired":         {400, "ExpiredToken", fs.ErrPermission},
		"no bucket":       {404, "NoSuchBucket", ErrNoSuchBucket},
		"not implemented": {501, "NotImplemented", errors.ErrUnsupported},
		"invalid":         {400, "InvalidRequest", nil},
		"unknown user":    {404, "XAdminUserNotFound", fs.ErrPermission}, // versitygw
		"a file above":    {409, "ObjectParentIsFile", nil},              // versitygw
	} {
		t.Run(name, func(t *testing.T) {
			srv := fakes3.New(t)
			s := newStore(t, srv, nil)
			srv.Fail(fakes3.Rule{Times: -1, Fault: fakes3.Status(c.status, c.code)})
			_, err := s.Write(t.Context(), "some/key", strings.NewReader("x"), blob.WriteOptions{})
			if c.kind != nil && !errors.Is(err, c.kind) {
				t.Errorf("got error %v, want one that is %v", err, c.kind)
			}
			for _, part := range []string{"write some/key: ", c.code, "FAKE0123456789", fmt.Sprint(c.status)} {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Errorf("error %q does not mention %q", err, part)
				}
			}
			if n := srv.Count(""); n != 1 {
				t.Errorf("%d requests, want 1", n)
			}
		})
	}
}

// TestNobodyThere: the port of a server that was never there is a typing error.
func TestNobodyThere(t *testing.T) {
	endpoint := "http://" + nobodyAt(t)
	s := newStore(t, fakes3.New(t), func(c *Config) { c.Endpoint, c.RetryTimeout = endpoint, time.Hour })
	s.c.Retry = 50 * time.Millisecond
	_, err := s.Stat(t.Context(), "k")
	if err == nil || !strings.Contains(err.Error(), "connection refused") || strings.Contains(err.Error(), "Amz") {
		t.Errorf("got error %v", err)
	}
}

// TestRetryAfter: the server's wish is honoured, within our limit.
func TestRetryAfter(t *testing.T) {
	srv := fakes3.New(t)
	s := newStore(t, srv, nil)
	s.c.Backoff.Max = time.Second
	srv.Fail(fakes3.Rule{Fault: func(w httpWriter, c *fakes3.Call) {
		w.Header().Set("Retry-After", "3600")
		fakes3.Status(503, "SlowDown")(w, c)
	}})
	begin := time.Now()
	mustWrite(t, s, "k", nil)
	if d := time.Since(begin); d < time.Second || d > time.Minute {
		t.Errorf("came back after %v, want about a second", d)
	}
}
