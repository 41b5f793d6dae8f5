package verbs_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"path"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/internal/testreplica"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/mirror"
	"github.com/replctl/replicate/replica/restore"
	"github.com/replctl/replicate/s3"
	"github.com/replctl/replicate/v3compat"
)

// watched is a store that says what is written to it, and can refuse.
type watched struct {
	blob.Store
	mu     sync.Mutex
	before func(key string) error
	after  func(key string)
}

func (w *watched) Write(ctx context.Context, key string, r io.Reader, opts blob.WriteOptions) (blob.Info, error) {
	if w.before != nil {
		w.mu.Lock()
		err := w.before(key)
		w.mu.Unlock()
		if err != nil {
			return blob.Info{}, err
		}
	}
	info, err := w.Store.Write(ctx, key, r, opts)
	if err == nil && w.after != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.after(key)
	}
	return info, err
}

func clientAt(store blob.Store) *replica.Client {
	return replica.NewClient("test", ltx.LayoutS3, func(context.Context) (blob.Store, error) { return store, nil })
}

func bucketClient(srv *fakes3.Server, prefix string) *s3.ReplicaClient {
	c := s3.NewReplicaClient()
	c.Bucket, c.Path, c.Endpoint, c.Region, c.ForcePathStyle = srv.Bucket, prefix, srv.URL, "us-east-1", true
	c.AccessKeyID, c.SecretAccessKey = fakes3.AccessKeyID, fakes3.SecretAccessKey
	return c
}

func copied(t *testing.T, src, dst replica.Fenceable, opts mirror.Options) *mirror.Report {
	t.Helper()
	rep, err := mirror.Copy(t.Context(), src, dst, opts)
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

func contentsOf(t *testing.T, store blob.Reader) map[string]object {
	t.Helper()
	found := map[string]object{}
	for info, err := range store.List(t.Context(), "", blob.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		rc, err := store.Open(t.Context(), info.Key, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(rc)
		rc.Close()
		if err != nil {
			t.Fatal(err)
		}
		found[info.Key] = object{sum(b), info.ModTime.UTC().Truncate(time.Millisecond)}
	}
	return found
}

func storeOf(t *testing.T, c replica.Source) blob.Store {
	t.Helper()
	store, _, err := c.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// without drops the times that a copy adds.
func without(objects map[string]object, name string) map[string]object {
	for key := range objects {
		if path.Base(key) == name {
			delete(objects, key)
		}
	}
	return objects
}

// stateAt is the database at a moment: its hash, or the error.
func stateAt(t *testing.T, c replica.Source, target restore.Target) string {
	t.Helper()
	var b bytes.Buffer
	if _, err := restore.To(t.Context(), c, target, &b, restore.Options{}); err != nil {
		return err.Error()
	}
	return sum(b.Bytes())
}

// instants are the moments that the test data know the database of.
func instants(t *testing.T) (instants []time.Time) {
	t.Helper()
	for _, name := range []string{"v0.5", "v0.3"} {
		for _, i := range testreplica.Expected(t, name).Instants {
			instants = append(instants, i.At)
		}
	}
	return instants
}

func checkInstants(t *testing.T, want, got replica.Source) {
	t.Helper()
	for _, moment := range append(instants(t), time.Time{}) {
		target := restore.Target{Timestamp: moment}
		if want, got := stateAt(t, want, target), stateAt(t, got, target); want != got {
			t.Errorf("at %v: %s, want %s", moment, got, want)
		}
	}
}

// wantStates: whatever the destination names as a state can be restored, and is
// that of the source.
func wantStates(t *testing.T, src map[string]string, dst *replica.Client) {
	t.Helper()
	for name, target := range someOf(targetsOf(t, dst)) {
		if got := stateAt(t, dst, target); got != src[name] {
			t.Fatalf("%s: got %s, the source has %s", name, got, src[name])
		}
	}
}

// someOf is all of few targets, and of many about 20, always the same.
func someOf(targets map[string]restore.Target) map[string]restore.Target {
	names := slices.Sorted(maps.Keys(targets))
	step := 1 + len(names)/20
	for i, name := range names {
		if i%step != 0 && i != len(names)-1 {
			delete(targets, name)
		}
	}
	return targets
}

// targetsOf are all states that names tell of, and the latest.
func targetsOf(t *testing.T, c interface {
	replicate.ReplicaClient
	replicate.ReplicaClientV3
	replica.Source
}) map[string]restore.Target {
	t.Helper()
	targets := map[string]restore.Target{}
	for level := ltx.MinLevel; level <= ltx.MaxLevel; level++ {
		itr, err := c.LTXFiles(t.Context(), level, 0, false)
		if err != nil {
			t.Fatal(err)
		}
		for itr.Next() {
			targets[itr.Item().MaxTXID.String()] = restore.Target{TXID: itr.Item().MaxTXID}
		}
		if err := itr.Close(); err != nil {
			t.Fatal(err)
		}
	}
	ids, err := c.GenerationsV3(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	store := storeOf(t, c)
	for _, id := range ids {
		points, err := v3compat.New(store).Points(t.Context(), id)
		if err != nil && !errors.Is(err, v3compat.ErrNoObjects) {
			t.Fatal(err)
		}
		for _, p := range points {
			targets[id+p.String()] = restore.Target{Timestamp: p.Time}
		}
	}
	return targets
}

func keysIn(t *testing.T, store blob.Reader) (keys []string) {
	t.Helper()
	for info, err := range store.List(t.Context(), "", blob.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		if path.Base(info.Key) != v3compat.TimesName {
			keys = append(keys, info.Key)
		}
	}
	return keys
}

func firstKey(t *testing.T, store blob.Reader) string { return keysIn(t, store)[0] }

func lastKey(t *testing.T, store blob.Reader) string { k := keysIn(t, store); return k[len(k)-1] }

func contentOf(t *testing.T, store blob.Reader, key string) []byte {
	t.Helper()
	rc, err := store.Open(t.Context(), key, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	b, err := io.ReadAll(rc)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
