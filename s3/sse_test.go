package s3

import (
	"bytes"
	"encoding/base64"
	"testing"

	"github.com/replctl/replicate/internal/fakes3"
)

const sseHeader = "X-Amz-Server-Side-Encryption"

// TestCustomerKey: every request that touches the object carries the key.
func TestCustomerKey(t *testing.T) {
	srv := fakes3.New(t)
	key := base64.StdEncoding.EncodeToString(content(32))
	s := newStore(t, srv, func(c *Config) { c.SSECustomerKey = key })
	for name, size := range map[string]int{"small": 10, "large": MinPartSize + 10} {
		mustWrite(t, s, name, content(size))
		if !bytes.Equal(mustRead(t, s, name), content(size)) {
			t.Errorf("%s: another object", name)
		}
		if _, err := s.Stat(t.Context(), name); err != nil {
			t.Error(err)
		}
	}
	for _, r := range srv.Requests() {
		if got := r.Header.Get(sseHeader + "-Customer-Key"); got != key {
			t.Errorf("%s without the key", r.Op)
		}
		if r.Header.Get(sseHeader+"-Customer-Algorithm") != "AES256" || r.Header.Get(sseHeader+"-Customer-Key-Md5") == "" {
			t.Errorf("%s: headers missing", r.Op)
		}
	}
	if _, err := newStore(t, srv, nil).Stat(t.Context(), "small"); err == nil {
		t.Error("read without the key")
	}
}

// TestKMSKey: the key is named when an object is made, and only then.
func TestKMSKey(t *testing.T) {
	srv := fakes3.New(t)
	s := newStore(t, srv, func(c *Config) { c.SSEKMSKeyID, c.StorageClass = "alias/k", "STANDARD_IA" })
	mustWrite(t, s, "small", nil)
	mustWrite(t, s, "large", content(MinPartSize+10))
	mustRead(t, s, "large")
	for _, r := range srv.Requests() {
		makes := r.Op == "PutObject" || r.Op == "CreateMultipartUpload"
		if got := r.Header.Get(sseHeader + "-Aws-Kms-Key-Id"); (got == "alias/k") != makes {
			t.Errorf("%s: kms key %q", r.Op, got)
		}
		if got := r.Header.Get(sseHeader); (got == "aws:kms") != makes {
			t.Errorf("%s: encryption %q", r.Op, got)
		}
		if got := r.Header.Get("X-Amz-Storage-Class"); (got == "STANDARD_IA") != makes {
			t.Errorf("%s: storage class %q", r.Op, got)
		}
	}
}
