package records_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/lease"
	"github.com/replctl/replicate/s3"
	"github.com/replctl/replicate/store/config"
	"github.com/replctl/replicate/store/kv"
	"github.com/replctl/replicate/store/logstate"
	"github.com/replctl/replicate/store/records"
	"github.com/replctl/replicate/store/resource"
)

var options = records.Options{Source: "here"}

// all returns the records that s has, but for the copies' own.
func all(t testing.TB, s cas.Store) map[string]string {
	t.Helper()
	found := map[string]string{}
	for e, err := range s.List(t.Context(), "", "") {
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(e.Key, "records-copy/") {
			continue
		}
		r, err := s.Read(t.Context(), e.Key, "")
		if err != nil {
			t.Fatal(err)
		}
		found[e.Key] = string(r.Value)
	}
	return found
}

func put(t testing.TB, s cas.Store, key, value string) {
	t.Helper()
	old, err := s.Read(t.Context(), key, "")
	if err == nil {
		_, err = s.Write(t.Context(), key, []byte(value), old.Token)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func remove(t testing.TB, s cas.Deleter, key string) {
	t.Helper()
	old, err := s.Read(t.Context(), key, "")
	if err == nil {
		err = s.Delete(t.Context(), key, old.Token)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func copyAll(t testing.TB, src, dst cas.Store) *records.Report {
	t.Helper()
	rep, err := records.Copy(t.Context(), src, dst, options)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(all(t, src), all(t, dst)); diff != "" {
		t.Fatalf("source (-) and target (+) differ:\n%s", diff)
	}
	return rep
}

// refused fails unless a copy is refused because of that key, and changes nothing.
func refused(t *testing.T, src, dst cas.Store, opts records.Options, key string) {
	t.Helper()
	before := all(t, dst)
	_, err := records.Copy(t.Context(), src, dst, opts)
	var target *records.TargetError
	if !errors.As(err, &target) || target.Key != key {
		t.Errorf("got %v, want a TargetError about %s", err, key)
	}
	if diff := cmp.Diff(before, all(t, dst)); diff != "" {
		t.Errorf("the target has changed:\n%s", diff)
	}
}

// bare is a store that cannot delete.
type bare struct{ cas.Store }

// filled is a store with records of every facade.
func filled(t testing.TB, s cas.Store) cas.Store {
	t.Helper()
	ctx := t.Context()
	k, err := kv.New(s, kv.Options{LeaseCache: -1})
	check(t, err)
	for range 3 {
		_, err := k.Create(ctx, kv.Record{Key: "again", Value: kv.Value("v")})
		check(t, err)
		check(t, k.Delete(ctx, "again"))
	}
	l, err := k.NewLease(ctx, time.Hour, false)
	check(t, err)
	_, err = k.Create(ctx, kv.Record{Key: "leased", Lease: l.Id()})
	check(t, err)

	c := config.New(s, config.Options{})
	release, err := c.AcquireLock(ctx, 7)
	check(t, err)
	check(t, c.SaveSnapshot(ctx, "fleet", "v1", []byte("one")))
	check(t, c.ActivateSnapshot(ctx, "fleet", "v1"))
	check(t, c.LogApply(ctx, "host-1", "fleet", "v1", config.Applied))
	release()

	w, err := logstate.New(s).WriteOps("log.example/1")
	check(t, err)
	check(t, w.Set([]byte("checkpoint 17")))

	r, err := resource.Open(s, resource.Options{LogRecords: 64})
	check(t, err)
	for i := range 150 { // the log comes round twice
		_, err = r.WriteCAS(ctx, &resource.Resource{
			ID: resource.ID{Type: resource.Type{Kind: "Node"}, Name: fmt.Sprintf("node-%d", i), UID: "u"},
		})
		check(t, err)
	}
	check(t, r.Close())
	return s
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestCopyKeepsNumbers: what goes on at the target goes on from the numbers of the source,
// between all engines, through a store that can delete and through one that cannot.
func TestCopyKeepsNumbers(t *testing.T) {
	srv := fakes3.New(t)
	bucket, err := s3.OpenRecords(t.Context(), s3.Config{
		Bucket: srv.Bucket, Path: "app", Endpoint: srv.URL,
		AccessKeyID: fakes3.AccessKeyID, SecretAccessKey: fakes3.SecretAccessKey,
	})
	check(t, err)
	memory, dir := new(cas.Memory), file.NewRecords(t.TempDir(), file.Options{})
	filled(t, dir)
	back := file.NewRecords(t.TempDir(), file.Options{})
	for _, hop := range []struct{ src, dst cas.Store }{{dir, bucket}, {bucket, memory}, {memory, back}} {
		rep := copyAll(t, hop.src, hop.dst)
		if rep.Copied != rep.Records || rep.Present+rep.Removed != 0 || rep.Rounds != 1 || len(rep.Held) != 1 {
			t.Errorf("got %+v, want all copied at once, and the lease of kv held", rep)
		}
		again := copyAll(t, hop.src, hop.dst)
		if again.Copied != 0 || again.Present != rep.Records || again.Records != rep.Records || again.Bytes != rep.Bytes {
			t.Errorf("the second time: got %+v, the first time %+v", again, rep)
		}
	}
	for name, s := range map[string]cas.Store{"bucket": bucket, "memory": memory, "directory": back} {
		t.Run(name, func(t *testing.T) { goOn(t, s) })
	}
}

// goOn uses a copy of a filled store.
func goOn(t *testing.T, s cas.Store) {
	ctx := t.Context()
	k, err := kv.New(s, kv.Options{})
	check(t, err)
	for _, key := range []kv.Key{"again", "never before"} {
		if v, err := k.Create(ctx, kv.Record{Key: key}); err != nil || v <= 6 {
			t.Errorf("%q is created with version %d, %v; want one above the 6 that was deleted", key, v, err)
		}
	}
	if r, err := k.Get(ctx, "leased"); err != nil || r.Version <= 6 {
		t.Errorf("the record with a lease: %+v, %v", r, err)
	}
	c := config.New(s, config.Options{})
	session, err := c.AcquireSession(ctx, 7)
	check(t, err)
	if got := session.Lease().Generation; got != 2 {
		t.Errorf("the next holder of the lock has number %d, want 2", got)
	}
	check(t, session.Release(ctx))
	if n, err := c.CountApplied(ctx, "fleet", "v1"); n != 1 || err != nil {
		t.Errorf("%d have applied, %v", n, err)
	}
	snapshot, err := c.GetActiveSnapshot(ctx, "fleet")
	if err != nil || string(snapshot.Content) != "one" {
		t.Errorf("active: %+v, %v", snapshot, err)
	}
	if latest, err := logstate.New(s).Latest("log.example/1"); string(latest) != "checkpoint 17" || err != nil {
		t.Errorf("latest: %q, %v", latest, err)
	}
	r, err := resource.Open(s, resource.Options{})
	check(t, err)
	w, err := r.WriteCAS(ctx, &resource.Resource{
		ID: resource.ID{Type: resource.Type{Kind: "Node"}, Name: "next", UID: "u"},
	})
	if err != nil || w.Version != "151" {
		t.Errorf("the next resource: %+v, %v; want version 151", w, err)
	}
	check(t, r.Close())
}

// TestRefusals: a target that has anything else is refused.
func TestRefusals(t *testing.T) {
	src := new(cas.Memory)
	put(t, src, "kv/record/a", "1")
	put(t, src, "kv/record/b", "2")

	foreign := new(cas.Memory)
	put(t, foreign, "kv/record/a", "1") // the same, and yet not from a copy
	refused(t, src, foreign, options, "kv/record/a")

	beside := new(cas.Memory)
	put(t, beside, "ltx/0/a.ltx", "of a replica")
	if _, err := records.Copy(t.Context(), src, beside, options); err != nil {
		t.Errorf("beside what is no record: %v", err)
	}

	fresh := func() *cas.Memory {
		m := new(cas.Memory)
		copyAll(t, src, m)
		return m
	}
	other := options
	other.Source = "there"
	refused(t, src, fresh(), other, "records-copy/manifest")
	partial := options
	partial.Prefixes = []string{"kv/"}
	refused(t, src, fresh(), partial, "records-copy/manifest")

	used := fresh()
	put(t, used, "kv/record/a", "changed")
	refused(t, src, used, options, "kv/record/a")
	used = fresh()
	put(t, used, "config/heads/x", "new")
	refused(t, src, used, options, "config/heads/x")
	used = fresh()
	remove(t, used, "kv/record/b")
	refused(t, src, used, options, "kv/record/b")

	// A value that the copy wrote once, and that it has replaced since.
	rolledBack := fresh()
	put(t, src, "kv/record/a", "1.1")
	copyAll(t, src, rolledBack)
	put(t, rolledBack, "kv/record/a", "1")
	refused(t, src, rolledBack, options, "kv/record/a")

	if _, err := records.Copy(t.Context(), new(cas.Memory), fresh(), options); !errors.Is(err, records.ErrNothing) {
		t.Errorf("from an empty source: got %v", err)
	}
}

// TestUpdate: a complete copy is brought up to date, and records that are gone go.
func TestUpdate(t *testing.T) {
	src, dst := new(cas.Memory), new(cas.Memory)
	for i := range 100 {
		put(t, src, fmt.Sprintf("kv/record/k%d", i), "v")
	}
	copyAll(t, src, dst)
	put(t, src, "kv/record/k7", "v2")
	put(t, src, "logstate/new", "n")
	remove(t, src, "kv/record/k8")
	rep := copyAll(t, src, dst)
	want := records.Report{Records: 100, Bytes: 101, Present: 98, Copied: 2, CopiedBytes: 3, Removed: 1, Rounds: 1}
	if diff := cmp.Diff(want, *rep); diff != "" {
		t.Errorf("want (-) and got (+):\n%s", diff)
	}
	put(t, src, "kv/record/k8", "v3")
	copyAll(t, src, dst)

	cannot := bare{new(cas.Memory)}
	copyAll(t, src, cannot)
	remove(t, src, "kv/record/k8")
	refused(t, src, cannot, options, "kv/record/k8")
}

func TestArguments(t *testing.T) {
	m := new(cas.Memory)
	put(t, m, "kv/record/a", "1")
	for _, c := range []struct {
		src, dst cas.Store
		opts     records.Options
	}{
		{nil, m, options}, {m, nil, options}, {m, m, records.Options{}},
		{m, m, records.Options{Source: "x", Concurrency: -1}},
		{m, m, records.Options{Source: "x", Prefixes: []string{"Kv/"}}},
	} {
		if _, err := records.Copy(t.Context(), c.src, c.dst, c.opts); err == nil {
			t.Errorf("%+v: no error", c.opts)
		}
	}
	for in, want := range map[string]string{
		"":                     "config/ kv/ lock.json logstate/ resource/",
		"kv":                   "kv/",
		"kv/ b/c b/ kv/ a-b a": "a a-b b/ kv/",
		"logstate/x lock.json": "lock.json logstate/x",
		"config/heads/":        "error",
		"kv/record/a":          "error",
		"resource/log/":        "error",
		"records-copy/":        "error",
		"a//":                  "error",
		"/":                    "error",
	} {
		got, err := records.Check(strings.Fields(in))
		if err != nil {
			got = []string{"error"}
			if !errors.Is(err, cas.ErrInvalidKey) {
				t.Errorf("%q: %v", in, err)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestList(t *testing.T) {
	s := filled(t, new(cas.Memory))
	l := lease.NewLeaser("test", func() lease.Config { return lease.Config{} },
		func(context.Context) (cas.Store, error) { return s, nil })
	_, err := l.AcquireLease(t.Context())
	check(t, err)
	put(t, s, "own/record", "mine")
	formats, size := map[string]int{}, 0
	for info, err := range records.List(t.Context(), s, append(records.Defaults(), "own/")) {
		check(t, err)
		formats[info.Format]++
		size += info.Bytes
	}
	want := []string{"", "config-content/1", "config-head/1", "config-status/1", "kv-floor/1", "kv/1", "lease",
		"logstate/1", "resource-chunk/2", "resource-head/2", "resource-log/2"}
	if got := slices.Sorted(maps.Keys(formats)); !slices.Equal(got, want) || formats["lease"] != 3 {
		t.Errorf("got %q, %d leases; want %q, 3", got, formats["lease"], want)
	}
	total := 0
	for _, value := range all(t, s) {
		total += len(value)
	}
	if size != total {
		t.Errorf("%d bytes, want %d", size, total)
	}
	for _, err := range records.List(t.Context(), nil, nil) {
		if err == nil {
			t.Error("no store is no error")
		}
	}
}
