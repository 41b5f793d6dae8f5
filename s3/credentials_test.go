package s3

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/internal/fakes3"
)

// TestFlawedCredentials: what cannot be right is said at once, by the name of where
// it is from, without a request and without the value.
func TestFlawedCredentials(t *testing.T) {
	withoutEnvironment(t)
	set := func(id, secret string) func(*testing.T, *Config) {
		return func(t *testing.T, c *Config) {
			c.AccessKeyID, c.SecretAccessKey = "", ""
			t.Setenv(id, "hunter2-id")
			t.Setenv(secret, "hunter2-secret\n")
		}
	}
	for want, prepare := range map[string]func(*testing.T, *Config){
		"AWS_SECRET_ACCESS_KEY: has white space":        set("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
		"LITESTREAM_SECRET_ACCESS_KEY: has white space": set("LITESTREAM_ACCESS_KEY_ID", "LITESTREAM_SECRET_ACCESS_KEY"),
		"AWS_ACCESS_KEY_ID: has white space": func(t *testing.T, c *Config) {
			set("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID")(t, c)
		},
		"AWS_SESSION_TOKEN: has white space": func(t *testing.T, c *Config) {
			set("AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN")(t, c)
			t.Setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
		},
		"SecretAccessKey: has white space":     func(_ *testing.T, c *Config) { c.SecretAccessKey += " " },
		"AccessKeyID: has a control character": func(_ *testing.T, c *Config) { c.AccessKeyID = "hunter2\nid" },
		"aws_secret_access_key in /": func(t *testing.T, c *Config) {
			c.AccessKeyID, c.SecretAccessKey = "", ""
			name := filepath.Join(t.TempDir(), "credentials")
			text := "[default]\naws_access_key_id = hunter2\naws_secret_access_key = hunter2\x01secret\n"
			if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			t.Setenv("AWS_SHARED_CREDENTIALS_FILE", name)
		},
	} {
		t.Run(want, func(t *testing.T) {
			srv := fakes3.New(t)
			s := newStore(t, srv, func(c *Config) {
				c.RetryTimeout = time.Hour
				prepare(t, c)
			})
			for verb, err := range everyVerb(t, s) {
				if verb == "reader error" {
					continue
				}
				if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
					t.Errorf("%s: got error %v, want one about %q", verb, err, want)
				}
				wantAdvice(t, err, "without it")
			}
			if n := srv.Count(""); n != 0 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

// withoutEnvironment takes away what the tests with real servers have in theirs.
func withoutEnvironment(t *testing.T) {
	t.Helper()
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CA_BUNDLE"} {
		t.Setenv(name, "")
	}
}

// TestFlawedSettings: other settings with a newline at their end.
func TestFlawedSettings(t *testing.T) {
	t.Setenv("AWS_REGION", "eu-west-1\n")
	if _, err := Open(t.Context(), Config{Bucket: "b"}); err == nil || !strings.Contains(err.Error(), "AWS_REGION") {
		t.Errorf("region: got error %v", err)
	}
	srv := fakes3.New(t)
	key := "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
	mustWrite(t, newStore(t, srv, func(c *Config) { c.SSECustomerKey = key }), "k", nil)
	s := newStore(t, srv, func(c *Config) { c.StorageClass, c.RetryTimeout = "STANDARD\n", time.Hour })
	if _, err := s.Write(t.Context(), "k", strings.NewReader("x"), blob.WriteOptions{}); err == nil ||
		!strings.Contains(err.Error(), "invalid header") {
		t.Errorf("storage class: got error %v", err)
	}
}

// TestAdvice: the store's code decides what to do, and the error says about what.
func TestAdvice(t *testing.T) {
	for _, c := range []struct {
		status             int
		code, text, advice string
	}{
		{403, "AccessDenied", "bucket fake-bucket, access key: AccessKeyID", "s3:PutObject on bucket fake-bucket"},
		{403, "InvalidAccessKeyId", "bucket fake-bucket, access key: AccessKeyID", "does not know this one"},
		{403, "SignatureDoesNotMatch", "access key: AccessKeyID", "the secret that belongs"},
		{403, "SecondLevelDomainForbidden", "bucket fake-bucket", "force-path-style=false"},
		{403, "RequestTimeTooSkewed", "bucket", "clock"},
		{403, "InvalidObjectState", "bucket", "archive"},
		{400, "ExpiredToken", "bucket", "expired"},
		{401, "Unauthorized", "bucket", "credentials"},
		{403, "Whatever", "bucket", "s3:PutObject"},
		{404, "NoSuchBucket", "bucket fake-bucket", "another spelling of the bucket"},
	} {
		srv := fakes3.New(t)
		s := newStore(t, srv, nil)
		srv.Fail(fakes3.Rule{Times: -1, Fault: fakes3.Status(c.status, c.code)})
		_, err := s.Write(t.Context(), "k", strings.NewReader("x"), blob.WriteOptions{})
		if err == nil || !strings.Contains(err.Error(), c.text) || strings.Contains(err.Error(), fakes3.AccessKeyID) {
			t.Errorf("%s: got error %v, want one with %q", c.code, err, c.text)
		}
		wantAdvice(t, err, c.advice)
		r := newRecords(t, srv, nil)
		_, err = r.Write(t.Context(), "k", []byte("x"), "")
		if err == nil || !strings.Contains(err.Error(), c.text) {
			t.Errorf("record, %s: got error %v, want one with %q", c.code, err, c.text)
		}
		wantAdvice(t, err, c.advice)
	}
}

// TestBucketIsNamed: also where a 404 has no body that would say which is missing.
func TestBucketIsNamed(t *testing.T) {
	srv := fakes3.New(t)
	s := newStore(t, srv, func(c *Config) { c.Bucket = "misspelt" })
	for verb, err := range everyVerb(t, s) {
		if verb == "reader error" {
			continue
		}
		if !errors.Is(err, ErrNoSuchBucket) || !strings.Contains(err.Error(), "bucket misspelt") ||
			errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: got error %v", verb, err)
		}
		wantAdvice(t, err, "another spelling of the bucket")
	}
}
