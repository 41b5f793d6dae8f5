package engines_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/replctl/replicate/engines"
	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/s3"
	"github.com/replctl/replicate/store/kv"
)

// places are a place of each engine.
func places(t *testing.T) map[string]string {
	t.Helper()
	srv := fakes3.New(t)
	t.Setenv("AWS_ACCESS_KEY_ID", fakes3.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", fakes3.SecretAccessKey)
	return map[string]string{
		"file": filepath.Join(t.TempDir(), "db"),
		"s3":   "s3://" + fakes3.Bucket + "/db?endpoint=" + srv.URL + "&region=us-east-1",
	}
}

// TestEngines: each engine's replica, lease and records, by its URL.
func TestEngines(t *testing.T) {
	for scheme, rawURL := range places(t) {
		t.Run(scheme, func(t *testing.T) {
			c, err := engines.Replica(t.Context(), rawURL)
			if err != nil || c.Type() != scheme {
				t.Fatalf("Replica: %v, %v", c, err)
			}
			l, err := engines.Leaser(t.Context(), rawURL)
			if err != nil || l.Type() != scheme {
				t.Fatalf("Leaser: %v, %v", l, err)
			}
			lease, err := l.AcquireLease(t.Context())
			if err != nil || lease.Generation != 1 {
				t.Errorf("AcquireLease: %+v, %v", lease, err)
			}
			records, err := engines.Records(t.Context(), rawURL)
			if err != nil {
				t.Fatal(err)
			}
			store, err := kv.New(records, kv.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := store.Create(t.Context(), kv.Record{Key: "k", Value: kv.Value("v")}); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestOptions: choices reach the engine's own types.
func TestOptions(t *testing.T) {
	opts := engines.Options{
		Owner:      "me",
		MaxTTL:     10 * time.Second,
		MaxSkew:    time.Second,
		CreateOnly: true,
		OnWait:     func(s3.Wait) {},
	}
	for scheme, rawURL := range places(t) {
		p, err := engines.Parse(rawURL)
		if err != nil {
			t.Fatal(err)
		}
		c, err := p.Replica(opts)
		if err != nil {
			t.Fatal(err)
		}
		l, err := p.Leaser(opts)
		if err != nil {
			t.Fatal(err)
		}
		if l.LeaseTTL() != 10*time.Second || l.MaxLeaseTTL() != 10*time.Second {
			t.Errorf("%s: ttl %v, maximum %v", scheme, l.LeaseTTL(), l.MaxLeaseTTL())
		}
		var ok bool
		switch c := c.(type) {
		case *file.ReplicaClient:
			ok = c.CreateOnly && l.(*file.Leaser).Owner == "me" && l.(*file.Leaser).MaxSkew == time.Second
		case *s3.ReplicaClient:
			ok = c.CreateOnly && c.OnWait != nil && l.(*s3.Leaser).OnWait != nil && l.(*s3.Leaser).Owner == "me"
		}
		if !ok {
			t.Errorf("%s: %+v, %+v", scheme, c, l)
		}
	}
}

// TestUnreachable: what is not there is found when it is asked for.
func TestUnreachable(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := engines.Replica(t.Context(), name); err == nil {
		t.Error("a replica in a file is opened")
	}
	if _, err := engines.Leaser(t.Context(), name); err == nil {
		t.Error("a lease in a file is opened")
	}
	for _, rawURL := range []string{"", "ftp://host/db", "s3:bucket"} {
		_, err := engines.Replica(t.Context(), rawURL)
		_, leaserErr := engines.Leaser(t.Context(), rawURL)
		_, recordsErr := engines.Records(t.Context(), rawURL)
		if err == nil || leaserErr == nil || recordsErr == nil {
			t.Errorf("%q: %v, %v, %v", rawURL, err, leaserErr, recordsErr)
		}
		if rawURL == "ftp://host/db" && !errors.Is(err, engines.ErrScheme) {
			t.Errorf("%q: got %v, want ErrScheme", rawURL, err)
		}
	}
	if _, err := (engines.Place{}).Leaser(engines.Options{}); !errors.Is(err, engines.ErrScheme) {
		t.Errorf("the zero Place: %v", err)
	}
}

func ExampleReplica() {
	// A program that is told where by a URL: file:///var/backups/db or s3://bucket/db.
	_, err := engines.Parse("ftp://host/db")
	_, _ = os.Stdout.WriteString(err.Error() + "\n")
	// Output: url scheme "ftp" is not supported
}
