package verbs_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	sltx "github.com/superfly/ltx"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/internal/testreplica"
	"github.com/replctl/replicate/lease"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/check"
	"github.com/replctl/replicate/replica/migrate"
	"github.com/replctl/replicate/replica/mirror"
	"github.com/replctl/replicate/replica/prune"
	"github.com/replctl/replicate/replica/restore"
)

// calls counts the calls of what a decorated client overrides, and of the store in its Open.
type calls struct{ write, read, open, storeRead, storeWrite, storeDelete atomic.Int64 }

// decorated is a client that embeds another, as a program outside would decorate it.
type decorated[C replica.Fenceable] struct {
	inner C
	*calls
}

func (d decorated[C]) open(ctx context.Context) (blob.Store, ltx.Layout, error) {
	d.calls.open.Add(1)
	store, layout, err := d.inner.Open(ctx)
	return countedStore{store, d.calls}, layout, err
}

func (d decorated[C]) writeFile(
	ctx context.Context, level int, minTXID, maxTXID ltx.TXID, r io.Reader,
) (*ltx.FileInfo, error) {
	d.write.Add(1)
	return d.inner.WriteLTXFile(ctx, level, minTXID, maxTXID, r)
}

func (d decorated[C]) openFile(
	ctx context.Context, level int, minTXID, maxTXID ltx.TXID, offset, size int64,
) (io.ReadCloser, error) {
	d.read.Add(1)
	return d.inner.OpenLTXFile(ctx, level, minTXID, maxTXID, offset, size)
}

// countedStore counts what goes through it.
type countedStore struct {
	blob.Store
	*calls
}

func (s countedStore) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	s.storeRead.Add(1)
	return s.Store.Open(ctx, key, offset, length)
}

func (s countedStore) Write(
	ctx context.Context, key string, r io.Reader, opts blob.WriteOptions,
) (blob.Info, error) {
	s.storeWrite.Add(1)
	return s.Store.Write(ctx, key, r, opts)
}

func (s countedStore) Delete(ctx context.Context, keys []string) error {
	s.storeDelete.Add(1)
	return s.Store.Delete(ctx, keys)
}

// fileDecorator and clientDecorator override three methods each.
type fileDecorator struct {
	*file.ReplicaClient
	d decorated[*file.ReplicaClient]
}

type clientDecorator struct {
	*replica.Client
	d decorated[*replica.Client]
}

func (c fileDecorator) Open(ctx context.Context) (blob.Store, ltx.Layout, error) {
	return c.d.open(ctx)
}

func (c fileDecorator) WriteLTXFile(
	ctx context.Context, level int, minTXID, maxTXID ltx.TXID, r io.Reader,
) (*ltx.FileInfo, error) {
	return c.d.writeFile(ctx, level, minTXID, maxTXID, r)
}

func (c fileDecorator) OpenLTXFile(
	ctx context.Context, level int, minTXID, maxTXID ltx.TXID, offset, size int64,
) (io.ReadCloser, error) {
	return c.d.openFile(ctx, level, minTXID, maxTXID, offset, size)
}

func (c clientDecorator) Open(ctx context.Context) (blob.Store, ltx.Layout, error) {
	return c.d.open(ctx)
}

func (c clientDecorator) WriteLTXFile(
	ctx context.Context, level int, minTXID, maxTXID ltx.TXID, r io.Reader,
) (*ltx.FileInfo, error) {
	return c.d.writeFile(ctx, level, minTXID, maxTXID, r)
}

func (c clientDecorator) OpenLTXFile(
	ctx context.Context, level int, minTXID, maxTXID ltx.TXID, offset, size int64,
) (io.ReadCloser, error) {
	return c.d.openFile(ctx, level, minTXID, maxTXID, offset, size)
}

// foreign is a client of a program's own: it shares no code with this project's, and has no
// more methods than the interface asks for.
type foreign struct {
	store    *blob.Memory
	careless bool // writes without a look at the fence
}

func (f foreign) Type() string               { return "foreign" }
func (f foreign) Init(context.Context) error { return nil }
func (f foreign) SetLogger(*slog.Logger)     {}

func (f foreign) Open(context.Context) (blob.Store, ltx.Layout, error) {
	return f.store, ltx.LayoutFile, nil
}

func (f foreign) LTXFiles(ctx context.Context, level int, seek ltx.TXID, _ bool) (ltx.FileIterator, error) {
	var files []*ltx.FileInfo
	for info, err := range f.store.List(ctx, ltx.LayoutFile.LevelPrefix(level), blob.ListOptions{}) {
		if err != nil {
			return nil, err
		}
		if _, _, minTXID, maxTXID, err := ltx.ParseKey(info.Key); err == nil && minTXID >= seek {
			files = append(files, &ltx.FileInfo{
				Level: level, MinTXID: minTXID, MaxTXID: maxTXID, Size: info.Size, CreatedAt: info.ModTime,
			})
		}
	}
	return sltx.NewFileInfoSliceIterator(files), nil
}

func (f foreign) OpenLTXFile(
	ctx context.Context, level int, minTXID, maxTXID ltx.TXID, offset, size int64,
) (io.ReadCloser, error) {
	return f.store.Open(ctx, ltx.LayoutFile.Key(level, minTXID, maxTXID), offset, size)
}

func (f foreign) WriteLTXFile(
	ctx context.Context, level int, minTXID, maxTXID ltx.TXID, r io.Reader,
) (*ltx.FileInfo, error) {
	store, createOnly := f.fenced(ctx)
	key, put := ltx.LayoutFile.Key(level, minTXID, maxTXID), store.Write
	if createOnly {
		put = func(ctx context.Context, key string, r io.Reader, opts blob.WriteOptions) (blob.Info, error) {
			return replica.Create(ctx, store, key, r, opts)
		}
	}
	info, err := put(ctx, key, r, blob.WriteOptions{})
	if err != nil {
		return nil, err
	}
	return &ltx.FileInfo{Level: level, MinTXID: minTXID, MaxTXID: maxTXID, Size: info.Size}, nil
}

func (f foreign) fenced(ctx context.Context) (blob.Store, bool) {
	if f.careless {
		return f.store, false
	}
	return replica.Fenced(ctx, f.store)
}

func (f foreign) DeleteLTXFiles(ctx context.Context, files []*ltx.FileInfo) error {
	var keys []string
	for _, info := range files {
		keys = append(keys, ltx.LayoutFile.Key(info.Level, info.MinTXID, info.MaxTXID))
	}
	store, _ := f.fenced(ctx)
	return store.Delete(ctx, keys)
}

func (f foreign) DeleteAll(ctx context.Context) error {
	return errors.New("this client deletes nothing at once")
}

// maker makes a client of a copy of a replica of testdata, or of an empty place. It counts the
// calls of a decorated one; a foreign one has no counts.
type maker func(t *testing.T, name string) (replica.Fenceable, *calls)

// TestClientsOfOthers: every verb takes a decorated client, and one that shares no code with
// this project's; what these do themselves is done by them.
func TestClientsOfOthers(t *testing.T) {
	storeWith := func(t *testing.T, name string) *blob.Memory {
		if name == "" {
			return blob.NewMemory()
		}
		return testreplica.Store(t, name)
	}
	for name, fresh := range map[string]maker{
		"decorated file client": func(t *testing.T, name string) (replica.Fenceable, *calls) {
			dir, n := t.TempDir(), new(calls)
			if name != "" {
				dir = testreplica.Copy(t, name)
			}
			c := file.NewReplicaClient(dir)
			return fileDecorator{c, decorated[*file.ReplicaClient]{c, n}}, n
		},
		"decorated client": func(t *testing.T, name string) (replica.Fenceable, *calls) {
			c, n := clientAt(storeWith(t, name)), new(calls)
			return clientDecorator{c, decorated[*replica.Client]{c, n}}, n
		},
		"foreign client": func(t *testing.T, name string) (replica.Fenceable, *calls) {
			return foreign{store: storeWith(t, name)}, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			for verb, test := range map[string]func(*testing.T, maker){
				"restore": testRestoreOf, "check": testCheckOf, "mirror": testMirrorOf,
				"prune": testPruneOf, "migrate": testMigrateOf, "fenced": testFencedOf,
			} {
				t.Run(verb, func(t *testing.T) { test(t, fresh) })
			}
		})
	}
}

// wantCalls holds a count of a decorated client against what it must be at least.
func wantCalls(t *testing.T, n *calls, what string, count func(*calls) *atomic.Int64, least int64) {
	t.Helper()
	if n == nil {
		return
	}
	if got := count(n).Load(); got < least {
		t.Errorf("%d %s by the decorated client, want %d at least", got, what, least)
	}
}

func storeReads(n *calls) *atomic.Int64   { return &n.storeRead }
func storeWrites(n *calls) *atomic.Int64  { return &n.storeWrite }
func storeDeletes(n *calls) *atomic.Int64 { return &n.storeDelete }
func fileWrites(n *calls) *atomic.Int64   { return &n.write }
func fileReads(n *calls) *atomic.Int64    { return &n.read }

func testRestoreOf(t *testing.T, fresh maker) {
	c, n := fresh(t, "v0.5")
	path := t.TempDir() + "/db"
	plan, err := restore.File(t.Context(), c, restore.Target{}, path, restore.FileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	wantCalls(t, n, "reads of the store", storeReads, int64(len(plan.Objects)))
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := stateAt(t, clientAt(testreplica.Store(t, "v0.5")), restore.Target{})
	if sum(got) != want || stateAt(t, c, restore.Target{}) != want {
		t.Errorf("the database is not that of the plain client")
	}
}

func testCheckOf(t *testing.T, fresh maker) {
	c, n := fresh(t, "damaged/ltx-bad-page")
	report, err := check.Run(t.Context(), c, check.Options{Deep: true})
	if err != nil {
		t.Fatal(err)
	}
	want, err := check.Run(t.Context(), clientAt(testreplica.Store(t, "damaged/ltx-bad-page")), check.Options{Deep: true})
	if err != nil {
		t.Fatal(err)
	}
	if report.OK() || report.Objects != want.Objects || len(report.Problems) != len(want.Problems) {
		t.Errorf("%d objects with %d problems, the plain client has %d with %d",
			report.Objects, len(report.Problems), want.Objects, len(want.Problems))
	}
	wantCalls(t, n, "reads of the store", storeReads, int64(report.Objects))
}

func testMirrorOf(t *testing.T, fresh maker) {
	src, from := fresh(t, "v0.5")
	dst, to := fresh(t, "")
	report := copied(t, src, dst, mirror.Options{})
	if report.Copied == 0 || len(report.Problems) > 0 {
		t.Errorf("got %+v", report)
	}
	wantCalls(t, from, "reads of the source", storeReads, int64(report.Copied))
	wantCalls(t, to, "writes to the destination", storeWrites, int64(report.Copied))
	checkInstants(t, src, dst)
}

func testPruneOf(t *testing.T, fresh maker) {
	c, n := fresh(t, "v0.5")
	want := stateAt(t, c, restore.Target{})
	fenced := replica.NewFencedClient(c, heldSession(t))
	plan, err := prune.NewPlan(t.Context(), fenced, prune.Options{Since: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	if err := prune.Run(t.Context(), fenced, plan); err != nil || len(plan.Objects) == 0 {
		t.Errorf("%d objects pruned: %v", len(plan.Objects), err)
	}
	wantCalls(t, n, "deletes in the store", storeDeletes, 1)
	if left := len(keysIn(t, storeOf(t, c))); left != plan.Kept {
		t.Errorf("%d objects are left, want %d", left, plan.Kept)
	}
	if got := stateAt(t, c, restore.Target{}); got != want {
		t.Errorf("got state %s, want %s", got, want)
	}
}

func testMigrateOf(t *testing.T, fresh maker) {
	src, from := fresh(t, "v0.3")
	dst, to := fresh(t, "")
	report, err := migrate.Run(t.Context(), src, dst, migrate.Options{})
	if err != nil {
		t.Fatal(err)
	}
	wantCalls(t, from, "reads of the source", storeReads, 1)
	wantCalls(t, to, "files written to the destination", fileWrites, int64(report.Files))
	if got, want := stateAt(t, dst, restore.Target{}), stateAt(t, src, restore.Target{}); got != want {
		t.Errorf("got state %s, want %s", got, want)
	}
}

// testFencedOf: each write under a lease is the client's own, and none after it.
func testFencedOf(t *testing.T, fresh maker) {
	c, n := fresh(t, "")
	session := heldSession(t)
	fenced := replica.NewFencedClient(c, session)
	for txid := range ltx.TXID(3) {
		if err := writeOne(t, fenced, txid+1); err != nil {
			t.Fatal(err)
		}
	}
	rc, err := fenced.OpenLTXFile(t.Context(), 0, 1, 1, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	rc.Close()
	if err := session.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := writeOne(t, fenced, 4); !errors.Is(err, lease.ErrReleased) {
		t.Errorf("got error %v, want %v", err, lease.ErrReleased)
	}
	wantCalls(t, n, "files written", fileWrites, 3)
	wantCalls(t, n, "files read", fileReads, 1)
	store := storeOf(t, c)
	keys := keysIn(t, store)
	if len(keys) != 3 {
		t.Errorf("there is %s, want three files", keys)
	}
	if info, err := store.Stat(t.Context(), keys[0]); err != nil || info.Metadata[replica.MetadataLeaseGeneration] != "1" {
		t.Errorf("got %v, %v: want the generation of the lease", info.Metadata, err)
	}
}

func writeOne(t *testing.T, c replicate.ReplicaClient, txid ltx.TXID) error {
	h := ltx.Header{
		Version: 3, Flags: ltx.HeaderFlagNoChecksum, PageSize: 4096, Commit: 1, MinTXID: txid, MaxTXID: txid,
	}
	b, err := h.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.WriteLTXFile(t.Context(), 0, txid, txid, bytes.NewReader(b))
	return err
}

// TestCarelessClient: a client that does not ask for the fence cannot be fenced, and its
// caller learns that at the first write.
func TestCarelessClient(t *testing.T) {
	c := foreign{store: blob.NewMemory(), careless: true}
	fenced := replica.NewFencedClient(c, heldSession(t))
	const want = "did not ask for the fence"
	if err := writeOne(t, fenced, 1); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("write: got error %v, want %q", err, want)
	}
	err := fenced.DeleteLTXFiles(t.Context(), []*ltx.FileInfo{{MinTXID: 1, MaxTXID: 1}})
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("delete: got error %v, want %q", err, want)
	}
	if err := writeOne(t, c, 2); err != nil {
		t.Errorf("without a fence: %v", err)
	}
}
