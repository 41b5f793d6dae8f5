//go:build realservers

package s3

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/cas/castest"
	"github.com/replctl/replicate/internal/s3servers"
	"github.com/replctl/replicate/lease"
	"github.com/replctl/replicate/replicatest"
)

func realRecords(t testing.TB, s s3servers.Server, bucket string, change func(*Config)) *Records {
	t.Helper()
	cfg := Config{Bucket: bucket, Path: "some/prefix", Endpoint: s.Endpoint}
	if change != nil {
		change(&cfg)
	}
	r, err := OpenRecords(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func realLeaser(s s3servers.Server, bucket, owner string) *Leaser {
	l := NewLeaser()
	l.Bucket, l.Path, l.Endpoint, l.Owner = bucket, "some/prefix", s.Endpoint, owner
	return l
}

func TestRealRecords(t *testing.T) {
	s3servers.Each(t, func(t *testing.T, s s3servers.Server) {
		castest.Run(t, castest.Harness{Unchanged: true, Clock: true, Slow: true,
			NoDelete: noDelete, NoNotify: noNotify, NoBatch: noBatch,
			New: func(t *testing.T) func() cas.Store {
				bucket := s.NewBucket(t)
				return func() cas.Store { return realRecords(t, s, bucket, nil) }
			}})
	})
}

func TestRealLeaser(t *testing.T) {
	s3servers.Each(t, func(t *testing.T, s s3servers.Server) {
		replicatest.RunLeaser(t, func(t *testing.T) replicatest.Lock {
			bucket := s.NewBucket(t)
			return lockOn(realStore(t, s, bucket, nil), func() *Leaser { return realLeaser(s, bucket, "") })
		})
	})
}

// TestRealStaleRelease: MinIO deletes in spite of If-Match, so that a release by
// DELETE would remove the new holder's lease.
func TestRealStaleRelease(t *testing.T) {
	s3servers.Each(t, func(t *testing.T, s s3servers.Server) {
		bucket := s.NewBucket(t)
		old, next := realLeaser(s, bucket, "old"), realLeaser(s, bucket, "new")
		stale := acquireLease(t, old)
		if _, err := next.BreakLease(t.Context(), lease.BreakOptions{Generation: 1}); err != nil {
			t.Fatal(err)
		}
		lease := acquireLease(t, next)
		if err := old.ReleaseLease(t.Context(), stale); !errors.Is(err, ErrLeaseNotHeld) {
			t.Errorf("releasing what another holds: %v", err)
		}
		lease, err := next.RenewLease(t.Context(), lease)
		if err != nil || lease.Generation != 3 {
			t.Errorf("the new holder: %+v, %v", lease, err)
		}
	})
}

// TestRealVerdicts: what real servers answer to what goes wrong.
func TestRealVerdicts(t *testing.T) {
	s3servers.Each(t, func(t *testing.T, s s3servers.Server) {
		bucket := s.NewBucket(t)
		r := realRecords(t, s, bucket, nil)
		rec, err := r.Read(t.Context(), "k", "")
		if err != nil || rec.Exists() || rec.StoreTime.IsZero() {
			t.Errorf("an absent record: %+v, %v", rec, err)
		}
		token := mustPut(t, r, "1", "")
		if rec, err := r.Read(t.Context(), "k", token); err != nil || !rec.Unchanged || rec.StoreTime.IsZero() {
			t.Errorf("a known record: %+v, %v", rec, err)
		}
		mustPut(t, r, "2", trimToken(cas.Token(fmt.Sprintf("%q", token))))
		_, err = r.Write(t.Context(), "k", []byte("3"), token)
		wantOnly(t, "stale", err, cas.ErrConflict)
		if r.bare.Load() {
			t.Error("it is thought to refuse quotes")
		}
		_, err = realRecords(t, s, "no-such-bucket-here", nil).Write(t.Context(), "k", []byte("x"), "")
		wantOnly(t, "no bucket", err, ErrNoSuchBucket)
		_, err = realRecords(t, s, "no-such-bucket-here", nil).Write(t.Context(), "k", []byte("x"), token)
		wantOnly(t, "no bucket, replacing", err, ErrNoSuchBucket)
		_, err = realRecords(t, s, "no-such-bucket-here", nil).Read(t.Context(), "k", "")
		if !errors.Is(err, ErrNoSuchBucket) {
			t.Errorf("reading without a bucket: %v", err)
		}
		wrong := func(c *Config) { c.AccessKeyID, c.SecretAccessKey = "replicate-test", "wrong" }
		_, err = realRecords(t, s, bucket, wrong).Write(t.Context(), "k", []byte("x"), token)
		wantOnly(t, "wrong secret", err, fs.ErrPermission)
	})
}
