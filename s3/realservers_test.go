//go:build realservers

package s3

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/blob/blobtest"
	"github.com/replctl/replicate/internal/s3servers"
	"github.com/replctl/replicate/replicatest"
	"github.com/replctl/replicate/s3/internal/transport"
)

// realStore is a handle on a bucket of a real server, with credentials from the
// environment, as most users have them.
func realStore(t testing.TB, s s3servers.Server, bucket string, change func(*Config)) *Store {
	t.Helper()
	cfg := Config{Bucket: bucket, Path: "some/prefix", Endpoint: s.Endpoint}
	if change != nil {
		change(&cfg)
	}
	store, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func TestRealStore(t *testing.T) {
	s3servers.Each(t, func(t *testing.T, s s3servers.Server) {
		blobtest.Run(t, blobtest.Harness{
			New: func(t *testing.T) func() blob.Store {
				bucket := s.NewBucket(t)
				return func() blob.Store { return realStore(t, s, bucket, nil) }
			},
			NoModTime: "S3 shows the time of the upload",
		})
	})
}

func TestRealReplicaClient(t *testing.T) {
	s3servers.Each(t, func(t *testing.T, s s3servers.Server) {
		replicatest.RunReplicaClient(t, func(t *testing.T) replicatest.Replica {
			bucket := s.NewBucket(t)
			return replicatest.Over(realStore(t, s, bucket, nil), func() replicate.ReplicaClient {
				c := NewReplicaClient()
				c.Bucket, c.Path, c.Endpoint = bucket, "some/prefix", s.Endpoint
				return c
			})
		})
	})
}

func TestRealFenced(t *testing.T) {
	s3servers.Each(t, func(t *testing.T, s s3servers.Server) {
		replicatest.RunFenced(t, func(t *testing.T) replicatest.Fenced {
			bucket := s.NewBucket(t)
			client := func() *ReplicaClient {
				c := NewReplicaClient()
				c.Bucket, c.Path, c.Endpoint = bucket, "some/prefix", s.Endpoint
				return c
			}
			return fencedOn(realStore(t, s, bucket, nil), client, func() *Leaser {
				l := NewLeaser()
				l.Bucket, l.Path, l.Endpoint = bucket, "some/prefix", s.Endpoint
				return l
			})
		})
	})
}

// TestRealWrongKey: a clear error within seconds.
func TestRealWrongKey(t *testing.T) {
	s3servers.Each(t, func(t *testing.T, s s3servers.Server) {
		bucket := s.NewBucket(t)
		for name, c := range map[string]func(*Config){
			"unknown id":   func(c *Config) { c.AccessKeyID, c.SecretAccessKey = "nobody", "hunter2hunter2" },
			"wrong secret": func(c *Config) { c.AccessKeyID, c.SecretAccessKey = "replicate-test", "hunter2hunter2" },
		} {
			store := realStore(t, s, bucket, c)
			begin := time.Now()
			_, err := store.Write(t.Context(), "k", strings.NewReader("x"), blob.WriteOptions{})
			if !errors.Is(err, fs.ErrPermission) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: got error %v", name, err)
			}
			if d := time.Since(begin); d > 5*time.Second {
				t.Errorf("%s: took %v", name, d)
			}
		}
		if _, err := realStore(t, s, "no-such-bucket-here", nil).Stat(t.Context(), "k"); !errors.Is(err, ErrNoSuchBucket) {
			t.Errorf("a bucket that is not there: %v", err)
		}
	})
}

// TestRealSDKDefaults writes as to Amazon: with checksums in trailers over TLS,
// and what comes back is verified by the SDK.
func TestRealSDKDefaults(t *testing.T) {
	s3servers.Each(t, func(t *testing.T, s s3servers.Server) {
		store := realStore(t, s, s.NewBucket(t), nil)
		opts := store.c.Options
		opts.Provider.SDKDefaults, opts.Payload, opts.DeleteMD5 = true, transport.AsSDK, false
		var err error
		if store.c, err = transport.Open(t.Context(), opts); err != nil {
			t.Fatal(err)
		}
		for name, size := range map[string]int{"empty": 0, "small": 1000, "large": 2*MinPartSize + 1} {
			for _, create := range []bool{true, false} {
				if _, err := store.Write(t.Context(), name, bytes.NewReader(content(size)),
					blob.WriteOptions{IfAbsent: create}); err != nil {
					t.Errorf("%s: %v", name, err)
				} else if !bytes.Equal(mustRead(t, store, name), content(size)) {
					t.Errorf("%s: another object", name)
				}
			}
		}
		if err := store.Delete(t.Context(), []string{"empty", "small", "large"}); err != nil {
			t.Error(err)
		}
	})
}

// TestRealUnsigned: UNSIGNED-PAYLOAD, where TLS allows it.
func TestRealUnsigned(t *testing.T) {
	s3servers.Each(t, func(t *testing.T, s s3servers.Server) {
		store := realStore(t, s, s.NewBucket(t), func(c *Config) { *c = unsigned(*c) })
		want := content(MinPartSize + 1)
		mustWrite(t, store, "large", want)
		mustWrite(t, store, "small", want[:100])
		if !bytes.Equal(mustRead(t, store, "large"), want) || !bytes.Equal(mustRead(t, store, "small"), want[:100]) {
			t.Error("another object")
		}
	})
}

// TestRealCustomerKey needs TLS and a server that has SSE-C: MinIO.
func TestRealCustomerKey(t *testing.T) {
	tested := 0
	for _, s := range s3servers.All(t) {
		if s.Name != "minio-tls" {
			continue
		}
		tested++
		bucket := s.NewBucket(t)
		key := base64.StdEncoding.EncodeToString(content(32))
		store := realStore(t, s, bucket, func(c *Config) { c.SSECustomerKey = key })
		for name, size := range map[string]int{"small": 10, "large": MinPartSize + 10} {
			mustWrite(t, store, name, content(size))
			if !bytes.Equal(mustRead(t, store, name), content(size)) {
				t.Errorf("%s: another object", name)
			}
			if _, err := store.Stat(t.Context(), name); err != nil {
				t.Error(err)
			}
			if _, err := read(t.Context(), realStore(t, s, bucket, nil), name, 0, 0); err == nil {
				t.Errorf("%s can be read without the key", name)
			}
		}
	}
	if tested == 0 {
		t.Error("no server with TLS and SSE-C")
	}
}

// unsigned has as little in the signature as can be, and a Content-MD5 with all.
func unsigned(c Config) Config {
	c.fromURL.signPayload, c.fromURL.signAcceptEncoding, c.PutObjectContentMD5 = no, no, true
	return c
}
