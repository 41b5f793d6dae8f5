package s3

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/fakes3"
)

// objectLock refuses bodies without Content-MD5, as a bucket with Object Lock does.
func objectLock(srv *fakes3.Server) {
	srv.Fail(fakes3.Rule{
		Match: func(r fakes3.Request) bool {
			body := r.Op == "PutObject" || r.Op == "UploadPart" || r.Op == "DeleteObjects"
			return body && r.Header.Get("Content-Md5") == ""
		},
		Times: -1,
		Fault: fakes3.Respond(fakes3.Error(400, "InvalidRequest",
			"Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters")),
	})
}

// TestObjectLock: what is refused for want of a Content-MD5 gets one, once and for
// all, and is no store without conditional writes.
func TestObjectLock(t *testing.T) {
	srv := fakes3.New(t)
	s := newStore(t, srv, func(c *Config) { c.fromURL.contentMD5 = no })
	objectLock(srv)
	mustWrite(t, s, "a", []byte("x"))
	mustWrite(t, s, "b", []byte("x"))
	if n := srv.Count("PutObject"); n != 3 {
		t.Errorf("%d PUTs, want 3", n)
	}
	if err := s.Delete(t.Context(), []string{"a"}); err != nil {
		t.Error(err)
	}
	large := newStore(t, srv, nil)
	if _, err := large.Write(t.Context(), "large", bytes.NewReader(content(2*MinPartSize+1)),
		blob.WriteOptions{IfAbsent: true}); err != nil {
		t.Error(err)
	}
	del := newStore(t, srv, func(c *Config) { c.fromURL.contentMD5 = no })
	if err := del.Delete(t.Context(), []string{"b"}); err != nil {
		t.Error(err)
	}
	srv = fakes3.New(t)
	r := newRecords(t, srv, nil)
	objectLock(srv)
	token, err := r.Write(t.Context(), "k", []byte("1"), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Write(t.Context(), "k", []byte("2"), token.Token); err != nil {
		t.Error(err)
	}
	if n := srv.Count("PutObject"); n != 3 {
		t.Errorf("%d PUTs of a record, want 3", n)
	}
}

// TestMD5Refused: a store that asks for it and does not take it is no store without
// conditional writes either.
func TestMD5Refused(t *testing.T) {
	srv := fakes3.New(t)
	r := newRecords(t, srv, nil)
	srv.Fail(fakes3.Rule{Times: -1, Fault: fakes3.Respond(fakes3.Error(400, "InvalidRequest",
		"Missing required header for this request: Content-MD5"))})
	_, err := r.Write(t.Context(), "k", []byte("1"), "")
	if err == nil || errors.Is(err, cas.ErrUnsupported) || errors.Is(err, cas.ErrIndeterminate) ||
		!strings.Contains(err.Error(), "Content-MD5") {
		t.Errorf("got error %v", err)
	}
	if n := srv.Count("PutObject"); n != 2 {
		t.Errorf("%d PUTs, want 2", n)
	}
}
