package s3

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"sync"
	"testing"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/lease"
	"github.com/replctl/replicate/replicatest"
)

const lockKey = "some/prefix/lock.json"

// newLeaser is a leaser on a fake server, with the handle it works on.
func newLeaser(t testing.TB, srv *fakes3.Server, owner string) *Leaser {
	l := NewLeaser()
	l.Bucket, l.Path, l.Endpoint, l.Owner = srv.Bucket, "some/prefix", srv.URL, owner
	l.AccessKeyID, l.SecretAccessKey = fakes3.AccessKeyID, fakes3.SecretAccessKey
	l.Leaser = lease.NewLeaser(LeaserType, l.lease, func(ctx context.Context) (cas.Store, error) {
		store, err := l.open(ctx)
		if err == nil {
			opened.Store(l, quick(store.(*Records)))
		}
		return store, err
	})
	return l
}

var opened sync.Map // what a leaser of newLeaser has opened

func recordsOf(l *Leaser) *Records {
	r, _ := opened.Load(l)
	return r.(*Records)
}

func TestLeaser(t *testing.T) {
	replicatest.RunLeaser(t, func(t *testing.T) replicatest.Lock {
		srv := fakes3.New(t)
		return lockOn(newStore(t, srv, nil), func() *Leaser { return newLeaser(t, srv, "") })
	})
}

// lockOn is the lock of a store's root.
func lockOn(s *Store, leaser func() *Leaser) replicatest.Lock {
	ctx := context.Background()
	return replicatest.Lock{
		Open: func(c replicatest.LeaserConfig) replicate.Leaser {
			l := leaser()
			l.Owner, l.TTL, l.MaxTTL = c.Owner, c.TTL, c.MaxTTL
			return l
		},
		Get: func() ([]byte, error) {
			data, err := read(ctx, s, DefaultLeaseFile, 0, 0)
			if errors.Is(err, fs.ErrNotExist) {
				return nil, nil
			}
			return data, err
		},
		Put: func(data []byte) error {
			_, err := s.Write(ctx, DefaultLeaseFile, bytes.NewReader(data), blob.WriteOptions{})
			return err
		},
		Remove: func() error { return s.Delete(ctx, []string{DefaultLeaseFile}) },
	}
}

func acquireLease(t testing.TB, l *Leaser) *replicate.Lease {
	t.Helper()
	lease, err := l.AcquireLease(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return lease
}

func TestNewLeaser(t *testing.T) {
	l := NewLeaser()
	if l.TTL != DefaultLeaseTTL || l.MaxTTL != DefaultLeaseMaxTTL || l.Owner == "" || l.Type() != "s3" {
		t.Errorf("NewLeaser: %+v", l)
	}
	if _, err := l.AcquireLease(t.Context()); err == nil {
		t.Error("a lease without a bucket is acquired")
	}
}

// TestLeaserFromURL: all that a URL says arrives where it is used.
func TestLeaserFromURL(t *testing.T) {
	raw := "s3://bucket/a/b?endpoint=localhost:9000&region=there&force-path-style=false" +
		"&skip-verify=true&sign-payload=false&sign-accept-encoding=false" +
		"&put-object-content-md5=true&storage-class=ONEZONE_IA&sse-kms-key-id=key"
	scheme, host, path, query, user, err := replicate.ParseURL(raw)
	if err != nil {
		t.Fatal(err)
	}
	l, err := NewLeaserFromURL(scheme, host, path, query, user)
	if err != nil {
		t.Fatal(err)
	}
	got := l.(*Leaser).Config
	want, err := ConfigFromURL(host, path, query, user)
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "config", plain(got), plain(want))
	if _, err := NewLeaserFromURL("file", "", "/x", nil, nil); err == nil {
		t.Error("a file url is taken for an s3 url")
	}
	if _, err := NewLeaserFromURL("s3", "bucket", "/x", map[string][]string{"ttl": {"1"}}, nil); err == nil {
		t.Error("an unknown parameter is taken")
	}
}

// TestForeignETag: a Litestream lease's ETag has its quotes.
func TestForeignETag(t *testing.T) {
	l := newLeaser(t, fakes3.New(t), "me")
	lease := acquireLease(t, l)
	lease.ETag = `"` + lease.ETag + `"`
	renewed, err := l.RenewLease(t.Context(), lease)
	if err != nil {
		t.Fatal(err)
	}
	renewed.ETag = `"` + renewed.ETag + `"`
	if err := l.ReleaseLease(t.Context(), renewed); err != nil {
		t.Error(err)
	}
	if err := l.ReleaseLease(t.Context(), renewed); !errors.Is(err, ErrLeaseAlreadyReleased) {
		t.Errorf("releasing twice: %v", err)
	}
}

// TestStaleRelease: the fake, like gofakes3 and MinIO, ignores conditions on
// DELETE, so that a release by DELETE would remove the new holder's lease.
func TestStaleRelease(t *testing.T) {
	srv := fakes3.New(t)
	old, next := newLeaser(t, srv, "old"), newLeaser(t, srv, "new")
	stale := acquireLease(t, old)
	if _, err := next.BreakLease(t.Context(), lease.BreakOptions{Generation: 1}); err != nil {
		t.Fatal(err)
	}
	lease := acquireLease(t, next)
	if err := old.ReleaseLease(t.Context(), stale); !errors.Is(err, ErrLeaseNotHeld) {
		t.Errorf("releasing what another holds: %v", err)
	}
	if lease, err := next.RenewLease(t.Context(), lease); err != nil || lease.Generation != 3 {
		t.Errorf("the new holder: %+v, %v", lease, err)
	}
	if n := srv.Count("DeleteObject") + srv.Count("DeleteObjects"); n != 0 {
		t.Errorf("%d deletes", n)
	}
}
