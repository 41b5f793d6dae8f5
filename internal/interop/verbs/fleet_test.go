package verbs_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/internal/testreplica"
	"github.com/replctl/replicate/replica/fleet"
	"github.com/replctl/replicate/replica/restore"
)

// find returns what Find yields, by path.
func findAll(t *testing.T, store blob.Store, opts fleet.Options) map[string]*fleet.Database {
	t.Helper()
	found := map[string]*fleet.Database{}
	for db, err := range fleet.Find(t.Context(), store, opts) {
		if err != nil {
			t.Fatal(err)
		}
		if found[db.Path] != nil {
			t.Errorf("%q is found twice", db.Path)
		}
		found[db.Path] = db
	}
	return found
}

// plant copies a replica to a path below a directory.
func plant(t *testing.T, root, path, name string) {
	t.Helper()
	to := filepath.Join(root, filepath.FromSlash(path))
	if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(testreplica.Copy(t, name), to); err != nil {
		t.Fatal(err)
	}
}

func writeKeys(t *testing.T, store blob.Store, keys ...string) {
	t.Helper()
	for _, key := range keys {
		if _, err := store.Write(t.Context(), key, strings.NewReader("x"), blob.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFind: replicas at every depth, one in the other, and what only looks like one.
func TestFind(t *testing.T) {
	root := testreplica.Copy(t, "v0.5")
	plant(t, root, "a/b/c/old", "v0.3")
	plant(t, root, "a/both", "damaged/both-formats")
	plant(t, root, "photos/ltx/below a name/db", "damaged/ltx-gap")
	store := storeOf(t, file.NewReplicaClient(root))
	writeKeys(t, store, "photos/ltx/1.jpg", "photos/0000/2.jpg", "photos/generations/3/4.jpg", "notes.txt", "a/b/readme",
		"kv/x", ".app.db-litestream/ltx/0/0000000000000001-0000000000000001.ltx")
	for _, dir := range []string{"none/ltx/0", "none/generations", "hollow"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	var passed []string
	found := findAll(t, store, fleet.Options{PassedOver: func(path string) { passed = append(passed, path) }, Sizes: true})
	got := map[string]string{}
	for path, db := range found {
		got[path] = fmt.Sprintf("%s %v %v %v %v", db.Verdict, db.Formats, len(db.Problems) > 0, db.Objects > 0, db.Err)
	}
	want := map[string]string{
		"":                           "stale [ltx] false true <nil>",
		"a/b/c/old":                  "stale [v0.3] false true <nil>",
		"a/both":                     "stale [ltx v0.3] false true <nil>",
		"photos/ltx/below a name/db": "broken [ltx] true true <nil>",
		"none":                       "empty [] false false <nil>",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("found\n%v, want\n%v", got, want)
	}
	if !slices.Equal(passed, []string{".app.db-litestream"}) {
		t.Errorf("passed over %q", passed)
	}
	facts := testreplica.Expected(t, "v0.5")
	db := found[""]
	if db.Newest.TXID.String() != facts.LTX.MaxTXID || db.Oldest.Time.After(db.Newest.Time) || db.Oldest.IsZero() {
		t.Errorf("newest %v, oldest %v; want the newest to be %v", db.Newest, db.Oldest, facts.LTX.MaxTXID)
	}
}

// TestLookIsThePlan: of each replica in the repository the verdict is what a restore would say.
func TestLookIsThePlan(t *testing.T) {
	names := []string{"v0.5", "v0.3"}
	for _, d := range testreplica.Damaged(t) {
		names = append(names, "damaged/"+d.Name)
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			client := file.NewReplicaClient(testreplica.Copy(t, name))
			db := fleet.Look(t.Context(), client, fleet.Options{MaxAge: 1 << 62})
			plan, err := restore.NewPlan(t.Context(), client, restore.Target{})
			var unreachable *restore.PlanError
			switch {
			case err == nil && (db.Verdict != fleet.Fresh || db.Newest != plan.State):
				t.Errorf("%s, newest %v; a restore gives %v", db.Verdict, db.Newest, plan.State)
			case errors.As(err, &unreachable) && (db.Verdict != fleet.Broken || db.Newest != unreachable.Before):
				t.Errorf("%s, newest %v; a restore says %v", db.Verdict, db.Newest, err)
			case err != nil && unreachable == nil:
				t.Errorf("%s (%v); a restore says %v", db.Verdict, db.Err, err)
			}
		})
	}
}

func TestLookAtNothing(t *testing.T) {
	db := fleet.Look(t.Context(), file.NewReplicaClient(t.TempDir()), fleet.Options{})
	if db.Verdict != fleet.Empty || db.Err != nil {
		t.Errorf("%s, %v", db.Verdict, db.Err)
	}
	if db := fleet.Look(t.Context(), nil, fleet.Options{}); db.Verdict != fleet.Unknown || db.Err == nil {
		t.Errorf("no client: %s, %v", db.Verdict, db.Err)
	}
	for _, err := range fleet.Find(t.Context(), nil, fleet.Options{}) {
		if err == nil {
			t.Error("no store: no error")
		}
	}
}

// refusing refuses listings.
type refusing struct {
	blob.Store
	lists string
	only  func(key string) bool
}

var errRefused = fmt.Errorf("refused: %w", fs.ErrPermission)

func (s *refusing) List(ctx context.Context, prefix string, opts blob.ListOptions) iter.Seq2[blob.Info, error] {
	if s.lists != "" && strings.HasPrefix(prefix, s.lists) || s.only != nil && s.only(prefix) {
		return func(yield func(blob.Info, error) bool) { yield(blob.Info{}, errRefused) }
	}
	return s.Store.List(ctx, prefix, opts)
}

// TestRefusedIsARow: what may not be listed is a row with its error, and the rest is found.
func TestRefusedIsARow(t *testing.T) {
	root := t.TempDir()
	for _, path := range []string{"a/db", "b/db", "c"} {
		plant(t, root, path, "v0.5")
	}
	store := &refusing{Store: storeOf(t, file.NewReplicaClient(root)), lists: "b/"}
	found := findAll(t, store, fleet.Options{})
	b := found["b"]
	if len(found) != 3 || b == nil || b.Verdict != fleet.Unknown || !errors.Is(b.Err, errRefused) {
		t.Errorf("found %v", found)
	}
	if db := found["c"]; db.Verdict != fleet.Stale || db.Err != nil {
		t.Errorf("c is %s, %v", db.Verdict, db.Err)
	}

	root2 := &refusing{Store: store.Store, only: func(prefix string) bool { return prefix == "" }}
	var last error
	for db, err := range fleet.Find(t.Context(), root2, fleet.Options{}) {
		if last = err; err == nil {
			t.Errorf("found %q below a root that may not be listed", db.Path)
		}
	}
	if !errors.Is(last, errRefused) {
		t.Errorf("the root may not be listed: %v", last)
	}
}

// TestFindInLinks: links to directories are not walked, and a replica with one in it is found.
func TestFindInLinks(t *testing.T) {
	root := t.TempDir()
	plant(t, root, "a/db", "v0.5")
	links := map[string]string{"in": ".", "a/b": "../a", "out": "/etc", "a/db/ltx/8": "1", "a/db/more": "../db"}
	for link, to := range links {
		if err := os.Symlink(filepath.FromSlash(to), filepath.Join(root, filepath.FromSlash(link))); err != nil {
			t.Skip(err) // Windows lets few users make links
		}
	}
	found := findAll(t, storeOf(t, file.NewReplicaClient(root)), fleet.Options{})
	if db := found["a/db"]; len(found) != 1 || db == nil || db.Verdict != fleet.Stale {
		t.Errorf("found %v, %+v", found, db)
	}
}

func TestFindEnds(t *testing.T) {
	root := t.TempDir()
	for i := range 20 {
		plant(t, root, fmt.Sprint("dir/", i), "damaged/ltx-gap")
	}
	store := storeOf(t, file.NewReplicaClient(root))
	for range fleet.Find(t.Context(), store, fleet.Options{}) {
		break
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	defer cancel(nil)
	n := 0
	var last error
	for _, err := range fleet.Find(ctx, store, fleet.Options{Concurrency: 2}) {
		if last = err; err == nil {
			if n++; n == 3 {
				cancel(why)
			}
		}
	}
	if n != 3 || !errors.Is(last, why) {
		t.Errorf("%d found, then %v", n, last)
	}
}
