package verbs_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/internal/scratch"
	"github.com/replctl/replicate/internal/testreplica"
	"github.com/replctl/replicate/lease"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/check"
	"github.com/replctl/replicate/replica/migrate"
	"github.com/replctl/replicate/replica/mirror"
	"github.com/replctl/replicate/replica/prune"
	"github.com/replctl/replicate/replica/restore"
	"github.com/replctl/replicate/s3"
)

// TestWithoutStore: what has no store, or is no client at all, is an error of every verb, and
// never the error that says that there is no replica.
func TestWithoutStore(t *testing.T) {
	held := heldSession(t)
	for name, src := range map[string]replica.Fenceable{
		"nil":                   nil,
		"replica.Client":        &replica.Client{},
		"replica.FencedClient":  &replica.FencedClient{},
		"file.ReplicaClient":    &file.ReplicaClient{},
		"s3.ReplicaClient":      &s3.ReplicaClient{},
		"fenced nil":            replica.NewFencedClient(nil, held),
		"fenced file":           replica.NewFencedClient(&file.ReplicaClient{}, held),
		"store of a client":     replica.NewClient("test", ltx.LayoutS3, nil),
		"a client opens no one": clientAt(nil),
	} {
		for verb, run := range operationsOn(t, src) {
			t.Run(name+"/"+verb, func(t *testing.T) {
				if err := run(); err == nil || errors.Is(err, replica.ErrNoReplica) {
					t.Errorf("got error %v", err)
				}
			})
		}
	}
}

// operationsOn are all operations on a replica, from it or to it.
func operationsOn(t *testing.T, src replica.Fenceable) map[string]func() error {
	good := clientAt(testreplica.Store(t, "v0.5"))
	return map[string]func() error{
		"restore.NewPlan": func() error { _, err := restore.NewPlan(t.Context(), src, restore.Target{}); return err },
		"restore.File": func() error {
			_, err := restore.File(t.Context(), src, restore.Target{}, t.TempDir()+"/db", restore.FileOptions{})
			return err
		},
		"restore.To": func() error {
			_, err := restore.To(t.Context(), src, restore.Target{}, io.Discard, restore.Options{})
			return err
		},
		"check.Run":     func() error { _, err := check.Run(t.Context(), src, check.Options{}); return err },
		"check.Inspect": func() error { _, err := check.Inspect(t.Context(), src, check.InspectOptions{}); return err },
		"mirror.Copy from": func() error {
			_, err := mirror.Copy(t.Context(), src, clientAt(blob.NewMemory()), mirror.Options{})
			return err
		},
		"mirror.Copy to": func() error { _, err := mirror.Copy(t.Context(), good, src, mirror.Options{}); return err },
		"prune.NewPlan": func() error {
			_, err := prune.NewPlan(t.Context(), src, prune.Options{Since: time.Now()})
			return err
		},
		"prune.Run":    func() error { return prune.Run(t.Context(), src, &prune.Plan{}) },
		"migrate from": func() error { _, err := migrate.Run(t.Context(), src, good, migrate.Options{}); return err },
		"migrate to": func() error {
			_, err := migrate.Run(t.Context(), clientAt(testreplica.Store(t, "v0.3")), src, migrate.Options{})
			return err
		},
		"WriteSnapshot": func() error {
			_, err := replica.WriteSnapshot(t.Context(), src, noImage{}, replica.SnapshotOptions{Time: time.Now()})
			return err
		},
	}
}

type noImage struct{}

func (noImage) PageSize() uint32              { return 4096 }
func (noImage) Pages() uint32                 { return 1 }
func (noImage) ReadPage(uint32, []byte) error { return nil }

// heldSession is a session of a lease that nobody else wants.
func heldSession(t *testing.T) *lease.Session {
	t.Helper()
	leaser := lease.NewLeaser("test", func() lease.Config { return lease.Config{} },
		func(context.Context) (cas.Store, error) { return new(cas.Memory), nil })
	s, err := lease.TryAcquire(t.Context(), leaser, lease.Options{Guard: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Release(context.Background()) })
	return s
}

// TestLiterals: what takes no constructor to write down works, or is an error.
func TestLiterals(t *testing.T) {
	store := testreplica.Store(t, "v0.5")
	good := clientAt(store)
	files, err := replica.Open(t.Context(), good)
	if err != nil {
		t.Fatal(err)
	}
	for name, fails := range map[string]func() error{
		"a leaser of a directory": func() error {
			_, err := (&file.Leaser{Dir: t.TempDir()}).AcquireLease(t.Context())
			return err
		},
		"a leaser of no store": func() error {
			none := func(context.Context) (cas.Store, error) { return nil, nil }
			_, err := lease.NewLeaser("test", nil, none).AcquireLease(t.Context())
			return err
		},
		"a leaser of a bucket":     func() error { _, err := new(s3.Leaser).AcquireLease(t.Context()); return err },
		"lease.Run":                func() error { return lease.Run(t.Context(), &lease.Leaser{}, lease.Options{}, nil) },
		"lease.Run without leaser": func() error { return lease.Run(t.Context(), nil, lease.Options{}, nil) },
		"a session":                new(lease.Session).Err,
		"release of a session":     func() error { return new(lease.Session).Release(t.Context()) },
		"records":                  func() error { _, err := new(file.Records).Read(t.Context(), "key", ""); return err },
		"a plan": func() error {
			return new(restore.Plan).Write(t.Context(), files, scratch.Discard{}, restore.Options{})
		},
		"prune without plan": func() error { return prune.Run(t.Context(), good, nil) },
		"a fence without session": func() error {
			return replica.NewFencedClient(good, nil).DeleteAll(t.Context())
		},
		"a fence around no session": func() error {
			return replica.NewFencedClient(good, &lease.Session{}).DeleteAll(t.Context())
		},
		"a point of no timeline": func() error { _, err := new(replica.Timeline).Point(t.Context(), 1); return err },
		"snapshot of nothing": func() error {
			_, err := replica.WriteSnapshot(t.Context(), good, nil, replica.SnapshotOptions{Force: true, Continue: true})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			if err := fails(); err == nil {
				t.Error("got no error")
			}
		})
	}
	if new(lease.Session).Context().Err() == nil {
		t.Error("the context of a session that never began goes on")
	}
	if (&check.Report{}).OK() {
		t.Error("a report of nothing is good")
	}
	if len(keysIn(t, store)) == 0 {
		t.Error("the replica is gone")
	}
}

// TestNilLogger: nil is the default logger.
func TestNilLogger(t *testing.T) {
	client := clientAt(blob.NewMemory())
	leaser := file.NewLeaser(t.TempDir())
	fenced := replica.NewFencedClient(client, heldSession(t))
	client.SetLogger(nil)
	leaser.SetLogger(nil)
	fenced.SetLogger(nil)
	if err := fenced.DeleteAll(t.Context()); err != nil {
		t.Error(err)
	}
	nothing := func(context.Context, *lease.Session) error { return nil }
	if err := lease.Run(t.Context(), leaser, lease.Options{}, nothing); err != nil {
		t.Error(err)
	}
}
