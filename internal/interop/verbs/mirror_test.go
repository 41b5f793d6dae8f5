package verbs_test

import (
	"bytes"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/internal/fakereplica"
	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/internal/testreplica"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/mirror"
	"github.com/replctl/replicate/replica/restore"
	"github.com/replctl/replicate/v3compat"
)

// object is what is kept of one: its content, and its time to a millisecond.
type object struct {
	Content string
	At      time.Time
}

// TestCopyAround: from a disk to a bucket, to another, and to a disk again, nothing
// changes, not even a time.
func TestCopyAround(t *testing.T) {
	for _, name := range []string{"v0.5", "v0.3", "damaged/both-formats"} {
		t.Run(filepath.Base(name), func(t *testing.T) {
			srv := fakes3.New(t)
			src := file.NewReplicaClient(testreplica.Copy(t, name))
			first, second, back := bucketClient(
				srv,
				"first",
			), bucketClient(
				srv,
				"second",
			), file.NewReplicaClient(
				filepath.Join(t.TempDir(), "back"),
			)
			var read int64
			rep := copied(t, src, first, mirror.Options{Progress: func(done, total int64) { read = total - done }})
			if rep.Copied != rep.Objects || rep.CopiedBytes != rep.Bytes || read != 0 || len(rep.Problems) != 0 {
				t.Errorf("%+v, %d bytes unread", rep, read)
			}
			copied(t, first, second, mirror.Options{})
			copied(t, second, back, mirror.Options{})
			want, got := without(
				contentsOf(t, storeOf(t, src)),
				v3compat.TimesName,
			), without(
				contentsOf(t, storeOf(t, back)),
				v3compat.TimesName,
			)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("there (-) and back (+):\n%s", diff)
			}
			if name != "damaged/both-formats" { // these two are it
				checkInstants(t, src, second)
			}
			if again := copied(t, src, second, mirror.Options{}); again.Copied != 0 || again.Present != again.Objects {
				t.Errorf("a second time: %+v", again)
			}
		})
	}
}

// TestCopyMetadata: S3 is told the true time in the way that Litestream reads.
func TestCopyMetadata(t *testing.T) {
	src, dst := file.NewReplicaClient(testreplica.Copy(t, "v0.5")), bucketClient(fakes3.New(t), "copy")
	copied(t, src, dst, mirror.Options{})
	store := storeOf(t, dst)
	for info := range store.List(t.Context(), "", blob.ListOptions{}) {
		if strings.HasPrefix(info.Key, "ltx/") {
			t.Fatalf("%s is in the layout of files", info.Key)
		}
		info, err := store.Stat(t.Context(), info.Key)
		if err != nil || info.Metadata[replica.MetadataTimestamp] == "" {
			t.Errorf("%s: %v, %v", info.Key, info.Metadata, err)
		}
	}
}

// TestCopyOrder: after each single write everything that is there can be restored,
// and to what it is at the source; so after each kill, too.
func TestCopyOrder(t *testing.T) {
	for _, name := range []string{"v0.5", "v0.3"} {
		t.Run(name, func(t *testing.T) {
			src := file.NewReplicaClient(testreplica.Copy(t, name))
			states := map[string]string{}
			for name, target := range targetsOf(t, src) {
				states[name] = stateAt(t, src, target)
			}
			store := &watched{Store: blob.NewMemory()}
			writes := 0
			store.after = func(key string) {
				if writes++; writes%4 == 0 && strings.HasPrefix(key, "0") || strings.Contains(key, "snapshots/") {
					wantStates(t, states, clientAt(store.Store))
				}
			}
			rep := copied(t, src, clientAt(store), mirror.Options{Concurrency: 5})
			wantStates(t, states, clientAt(store))
			if rep.Copied != rep.Objects {
				t.Errorf("%+v", rep)
			}
		})
	}
}

// TestCopyKilled: at every write; the next copy finishes it.
func TestCopyKilled(t *testing.T) {
	killed := errors.New("killed")
	for _, name := range []string{"v0.5", "v0.3"} {
		src := file.NewReplicaClient(testreplica.Copy(t, name))
		want := keysIn(t, storeOf(t, src))
		store := &watched{Store: blob.NewMemory()}
		for kills, done := 0, false; !done; kills++ {
			written := 0
			store.after = func(string) { written++ }
			store.before = func(string) error {
				if written >= 7 {
					return killed
				}
				return nil
			}
			_, err := mirror.Copy(t.Context(), src, clientAt(store), mirror.Options{})
			if done = err == nil; err != nil && !errors.Is(err, killed) {
				t.Fatal(err)
			}
			if kills > len(want) {
				t.Fatal("it makes no progress")
			}
		}
		if got := len(keysIn(t, store)); got != len(want) {
			t.Errorf("%s: %d objects, want %d", name, got, len(want))
		}
		checkInstants(t, src, clientAt(store))
	}
}

// TestCopyTwice at once: both finish, and the result is one copy.
func TestCopyTwice(t *testing.T) {
	for _, name := range []string{"v0.5", "v0.3"} {
		src, dst := file.NewReplicaClient(testreplica.Copy(t, name)), filepath.Join(t.TempDir(), "copy")
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if _, err := mirror.Copy(t.Context(), src, file.NewReplicaClient(dst), mirror.Options{}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		got := without(contentsOf(t, storeOf(t, file.NewReplicaClient(dst))), v3compat.TimesName)
		if diff := cmp.Diff(without(contentsOf(t, storeOf(t, src)), v3compat.TimesName), got); diff != "" {
			t.Errorf("%s: source (-) and copy (+):\n%s", name, diff)
		}
	}
}

// TestCopyDamaged: what is damaged is named and not copied, and whatever the copy
// restores is what the source restores.
func TestCopyDamaged(t *testing.T) {
	for _, name := range []string{"ltx-bad-crc", "ltx-bad-page", "ltx-empty", "ltx-truncated", "ltx-wrong-name",
		"v3-bad-lz4", "v3-truncated-lz4"} {
		t.Run(name, func(t *testing.T) {
			src, store := file.NewReplicaClient(testreplica.Copy(t, "damaged/"+name)), blob.NewMemory()
			rep := copied(t, src, clientAt(store), mirror.Options{})
			if len(rep.Problems) == 0 {
				t.Fatal("no problem")
			}
			there := contentsOf(t, store)
			for _, p := range rep.Problems {
				if _, ok := there[strings.Replace(p.Object, "ltx/", "000", 1)]; ok {
					t.Errorf("%s is copied, and %s", p.Object, p.Message)
				}
			}
			if rep.Copied == 0 || rep.Copied >= rep.Objects {
				t.Errorf("%+v", rep)
			}
			states := map[string]string{}
			for name, target := range someOf(targetsOf(t, clientAt(store))) {
				if _, ok := states[name]; !ok {
					states[name] = stateAt(t, src, target)
				}
				got := stateAt(t, clientAt(store), target)
				if got != states[name] && !strings.Contains(got, " ") && !strings.Contains(states[name], " ") {
					t.Errorf("%s: got %s, the source has %s", name, got, states[name])
				}
			}
			if again := copied(t, src, clientAt(store), mirror.Options{}); again.Copied != 0 ||
				len(again.Problems) != len(rep.Problems) {
				t.Errorf("a second time: %+v", again)
			}
		})
	}
}

// TestCopyConflict: what is there and different stays, and nothing is written.
func TestCopyConflict(t *testing.T) {
	for _, name := range []string{"v0.5", "v0.3"} {
		for change := range 2 {
			src, store := file.NewReplicaClient(testreplica.Copy(t, name)), &watched{Store: blob.NewMemory()}
			copied(t, src, clientAt(store), mirror.Options{})
			key := lastKey(t, store)
			b := contentOf(t, store, key)
			if b[len(b)-3] ^= 1; change == 1 {
				b = append(b, 1)
			}
			if _, err := store.Write(t.Context(), key, bytes.NewReader(b), blob.WriteOptions{}); err != nil {
				t.Fatal(err)
			}
			if err := store.Delete(t.Context(), []string{firstKey(t, store)}); err != nil {
				t.Fatal(err)
			}
			store.after = func(key string) { t.Errorf("%s is written", key) }
			_, err := mirror.Copy(t.Context(), src, clientAt(store), mirror.Options{})
			var conflict *mirror.ConflictError
			if !errors.As(err, &conflict) || !errors.Is(err, fs.ErrExist) || conflict.Destination != key {
				t.Errorf("got %v, want a conflict about %s", err, key)
			}
		}
	}
}

// TestCopyOther: a replica with later transactions is no copy.
func TestCopyOther(t *testing.T) {
	_, src := fakereplica.New(t, fakereplica.File{Level: 9, Min: 1, Max: 5})
	_, dst := fakereplica.New(t, fakereplica.File{Level: 9, Min: 1, Max: 6})
	if _, err := mirror.Copy(t.Context(), src, dst, mirror.Options{}); !errors.Is(err, fs.ErrExist) ||
		!strings.Contains(err.Error(), "later ones") {
		t.Errorf("got %v", err)
	}
	if _, err := mirror.Copy(t.Context(), clientAt(blob.NewMemory()), dst, mirror.Options{}); !errors.Is(
		err,
		replica.ErrNoReplica,
	) {
		t.Errorf("of nothing: %v", err)
	}
}

// TestCopyNeverRead: of a source that lists an object and then says that there is none, each
// time, the error names the object.
func TestCopyNeverRead(t *testing.T) {
	srv := fakes3.New(t)
	src := bucketClient(srv, "src")
	copied(t, file.NewReplicaClient(testreplica.Copy(t, "v0.3")), src, mirror.Options{})
	key := firstKey(t, storeOf(t, src))
	srv.Fail(fakes3.Rule{
		Match: func(r fakes3.Request) bool { return r.Op == "GetObject" && r.Key == "src/"+key },
		Times: -1, Fault: fakes3.Status(404, "NoSuchKey"),
	})
	_, err := mirror.Copy(t.Context(), src, file.NewReplicaClient(t.TempDir()), mirror.Options{})
	if !errors.Is(err, mirror.ErrSourceChanges) || !strings.Contains(err.Error(), key) {
		t.Errorf("%s is never there: %v", key, err)
	}
}

// TestCopySince: every later state is there, and less is copied.
func TestCopySince(t *testing.T) {
	for _, name := range []string{"v0.5", "v0.3"} {
		facts := testreplica.Expected(t, name)
		src := file.NewReplicaClient(testreplica.Copy(t, name))
		last := 1 << 30
		for _, since := range facts.Instants {
			store := blob.NewMemory()
			rep := copied(t, src, clientAt(store), mirror.Options{Since: since.At})
			if rep.Copied > last {
				t.Errorf("%s since %v: %d objects, since an earlier time %d", name, since.At, rep.Copied, last)
			}
			last = rep.Copied
			for _, i := range facts.Instants {
				if got := stateAt(t, clientAt(store), restore.Target{Timestamp: i.At}); !i.At.Before(since.At) &&
					got != i.DBSHA256 {
					t.Errorf("%s since %v: at %v %s, want %s", name, since.At, i.At, got, i.DBSHA256)
				}
			}
		}
		if all := len(contentsOf(t, storeOf(t, src))); last >= all {
			t.Errorf("%s: all %d objects since the last instant", name, all)
		}
	}
}

// TestCopyLive: while it runs, the source gets new objects and loses old ones.
func TestCopyLive(t *testing.T) {
	for _, name := range []string{"v0.5", "v0.3"} {
		full := file.NewReplicaClient(testreplica.Copy(t, name))
		all := storeOf(t, full)
		keys := keysIn(t, all)
		source := blob.NewMemory()
		move := func(key string) {
			info, err := all.Stat(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := source.Write(t.Context(), key, bytes.NewReader(contentOf(t, all, key)),
				blob.WriteOptions{ModTime: info.ModTime}); err != nil {
				t.Fatal(err)
			}
		}
		late := keys[len(keys)-4:]
		for _, key := range keys {
			if !slices.Contains(late, key) {
				move(key)
			}
		}
		dst := &watched{Store: blob.NewMemory()}
		writes := 0
		dst.after = func(string) {
			if writes++; writes == 5 {
				for _, key := range late {
					move(key)
				}
			}
		}
		rep := copied(t, clientAt(source), clientAt(dst), mirror.Options{})
		if rep.Rounds < 3 || len(keysIn(t, dst)) != len(keys) {
			t.Errorf("%s: %d objects, want %d: %+v", name, len(keysIn(t, dst)), len(keys), rep)
		}
		checkInstants(t, full, clientAt(dst))
	}
}
