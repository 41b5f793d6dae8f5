package s3

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/replctl/replicate/s3/internal/transport"
)

func TestOpenRefusesNonsense(t *testing.T) {
	key := base64.StdEncoding.EncodeToString(make([]byte, 32))
	for want, c := range map[string]Config{
		"bucket required":         {},
		"not a bucket name":       {Bucket: "a/b"},
		"path: invalid key":       {Bucket: "b", Path: "a/../b"},
		"go together":             {Bucket: "b", AccessKeyID: "x"},
		"not a url":               {Bucket: "b", Endpoint: "http://"},
		"want http or https":      {Bucket: "b", Endpoint: "ftp://x"},
		"must not contain":        {Bucket: "b", Endpoint: "https://user:hunter2@x"},
		"part size 100: want":     {Bucket: "b", Region: "r", PartSize: 100},
		"part size 9999999999999": {Bucket: "b", Region: "r", PartSize: 9999999999999},
		"concurrency -1: want":    {Bucket: "b", Region: "r", Concurrency: -1},
		"stall timeout":           {Bucket: "b", Region: "r", StallTimeout: -1},
		"retry timeout":           {Bucket: "b", Region: "r", RetryTimeout: -1},
		"exclude each other":      {Bucket: "b", Region: "r", SSECustomerKey: key, SSEKMSKeyID: "k"},
		"not base64":              {Bucket: "b", Region: "r", SSECustomerKey: "hunter2!"},
		"4 bytes long":            {Bucket: "b", Region: "r", SSECustomerKey: "aHVudA=="},
		"want AES256":             {Bucket: "b", Region: "r", SSECustomerKey: key, SSECustomerAlgorithm: "rot13"},
		"key-md5 is not that":     {Bucket: "b", Region: "r", SSECustomerKey: key, SSECustomerKeyMD5: "x"},
		"sse-customer-key requ":   {Bucket: "b", Region: "r", SSECustomerAlgorithm: "AES256"},
		"use https":               {Bucket: "b", Endpoint: "http://example.com", SSECustomerKey: key},
	} {
		_, err := Open(t.Context(), c)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v", want, err)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: error %q shows a secret", want, err)
		}
	}
}

func TestDefaults(t *testing.T) {
	type settings struct {
		endpoint, region string
		part             int64
		concurrency      int
	}
	for endpoint, want := range map[string]settings{
		"":                   {"", "", 5 << 20, 4},
		"localhost:9000":     {"http://localhost:9000", "us-east-1", 5 << 20, 4},
		"192.168.1.9:9000":   {"http://192.168.1.9:9000", "us-east-1", 5 << 20, 4},
		"minio.example.com/": {"https://minio.example.com", "us-east-1", 5 << 20, 4},
		// litestream#948: no scheme
		"0123.r2.cloudflarestorage.com":          {"https://0123.r2.cloudflarestorage.com", "auto", 5 << 20, 2},
		"https://FLY.storage.tigris.dev":         {"https://fly.storage.tigris.dev", "auto", 16 << 20, 2},
		"https://s3.us-west-004.backblazeb2.com": {"https://s3.us-west-004.backblazeb2.com", "us-west-004", 5 << 20, 4},
		"https://s3.eu-west-1.amazonaws.com":     {"https://s3.eu-west-1.amazonaws.com", "eu-west-1", 5 << 20, 4},
		"https://s3.amazonaws.com":               {"https://s3.amazonaws.com", "", 5 << 20, 4},
	} {
		c, _, err := Config{Bucket: "b", Endpoint: endpoint}.normalize()
		if err != nil {
			t.Fatal(err)
		}
		if got := (settings{c.Endpoint, c.Region, c.PartSize, c.Concurrency}); got != want {
			t.Errorf("%s: got %+v, want %+v", endpoint, got, want)
		}
		if c.StallTimeout != 30*time.Second || c.RetryTimeout != 5*time.Minute {
			t.Errorf("timeouts: %v, %v", c.StallTimeout, c.RetryTimeout)
		}
	}
}

// TestPartSize: the largest objects fit into 10,000 parts.
func TestPartSize(t *testing.T) {
	s := &Store{c: new(transport.Conn), cfg: Config{PartSize: DefaultPartSize}}
	for _, size := range []int64{1, DefaultPartSize * maxParts, DefaultPartSize*maxParts + 1, 1 << 40, 5 << 40} {
		part := s.partSize(size)
		if n := (size + part - 1) / part; n > maxParts || part < DefaultPartSize || part > MaxPartSize {
			t.Errorf("%d bytes: %d parts of %d", size, n, part)
		}
	}
	if got := s.partSize(DefaultPartSize * maxParts); got != DefaultPartSize {
		t.Errorf("part size grows too early: %d", got)
	}
	var total int64
	for n := range maxParts {
		part := s.streamPartSize(n)
		if part > MaxPartSize || n < growAfter && part != DefaultPartSize {
			t.Fatalf("part %d of a stream: %d bytes", n, part)
		}
		total += part
	}
	if total < 5<<40 {
		t.Errorf("a stream may have %d bytes, want 5 TiB", total)
	}
	s.c.Provider.EqualParts = true
	if got := s.streamPartSize(maxParts - 1); got != DefaultPartSize {
		t.Errorf("parts of different sizes where they must be equal: %d", got)
	}
}

func TestConfigHidesSecrets(t *testing.T) {
	c := Config{Bucket: "b", Path: "p", Endpoint: "https://u:hunter2@h", AccessKeyID: "id", SecretAccessKey: "hunter2",
		SessionToken: "hunter2", SSECustomerKey: "hunter2"}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		for _, v := range []any{c, &c} {
			if got := fmt.Sprintf(format, v); strings.Contains(got, "hunter2") || !strings.Contains(got, "s3://b/p") {
				t.Errorf(format+" of %T: %s", c, v, got)
			}
		}
	}
}
