package verbs_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/internal/testreplica"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/mirror"
	"github.com/replctl/replicate/v3compat"
)

// grown is a replica that gets its objects in the order of their times.
type grown struct {
	t     *testing.T
	from  blob.Store
	store *blob.Memory
	infos []blob.Info // that are not there yet
}

func growing(t *testing.T, from blob.Store) *grown {
	t.Helper()
	g := &grown{t: t, from: from, store: blob.NewMemory()}
	for info, err := range from.List(t.Context(), "", blob.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(info.Key, v3compat.TimesName) {
			g.infos = append(g.infos, info)
		}
	}
	slices.SortStableFunc(g.infos, func(a, b blob.Info) int { return a.ModTime.Compare(b.ModTime) })
	return g
}

// add puts the next n objects there; change may damage them.
func (g *grown) add(n int, change func(key string, b []byte)) {
	g.t.Helper()
	for _, info := range g.infos[:n] {
		b := contentOf(g.t, g.from, info.Key)
		if change != nil {
			change(info.Key, b)
		}
		if _, err := g.store.Write(g.t.Context(), info.Key, bytes.NewReader(b),
			blob.WriteOptions{ModTime: info.ModTime}); err != nil {
			g.t.Fatal(err)
		}
	}
	g.infos = g.infos[n:]
}

// TestCopyRandomDamage: a copy, in one go or continued after a while, of a replica in
// which objects are damaged, restores each state that it names, and to what it was.
// A log of a v0.3 backup that lacks its end would give another database.
func TestCopyRandomDamage(t *testing.T) {
	for _, name := range []string{"v0.3", "v0.5"} {
		whole := file.NewReplicaClient(testreplica.Copy(t, name))
		states := map[string]string{}
		for seed := range uint64(8) {
			r := rand.New(rand.NewPCG(seed, 1))
			src, dst := growing(t, storeOf(t, whole)), clientAt(blob.NewMemory())
			if seed%2 == 1 {
				src.add(5+r.IntN(len(src.infos)/2), nil)
				copied(t, clientAt(src.store), dst, mirror.Options{Concurrency: 4})
			}
			left := 1 + r.IntN(3)
			src.add(len(src.infos), func(_ string, b []byte) {
				if left > 0 && r.IntN(15) == 0 {
					b[len(b)/2] ^= 1
					left--
				}
			})
			rep := copied(t, clientAt(src.store), dst, mirror.Options{Concurrency: 4})
			checkSome(t, r, whole, dst, states)
			if t.Failed() {
				t.Fatalf("%s, seed %d: %v", name, seed, rep.Problems)
			}
		}
	}
}

// checkSome compares some of the states that a copy names with those of the original.
func checkSome(t *testing.T, r *rand.Rand, whole *file.ReplicaClient, dst *replica.Client, states map[string]string) {
	t.Helper()
	targets := targetsOf(t, dst)
	names := make([]string, 0, len(targets))
	for name := range targets {
		names = append(names, name)
	}
	slices.Sort(names)
	for range min(6, len(names)) {
		name := names[r.IntN(len(names))]
		want, ok := states[name]
		if !ok {
			want = stateAt(t, whole, targets[name])
			states[name] = want
		}
		got := stateAt(t, dst, targets[name])
		if got != want && !strings.Contains(got, "no such state") && !strings.Contains(got, "objects are missing") {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

// TestCopyDamagedTimes: a times.json that cannot be used is named, and no time is made up.
func TestCopyDamagedTimes(t *testing.T) {
	dir := testreplica.Copy(t, "damaged/both-formats")
	key := v3compat.TimesKey("cc3d8cd75808a4ef")
	if err := os.WriteFile(filepath.Join(dir, filepath.FromSlash(key)), []byte("<html>"), 0o600); err != nil {
		t.Fatal(err)
	}
	dst := blob.NewMemory()
	rep, err := mirror.Copy(t.Context(), file.NewReplicaClient(dir), clientAt(dst), mirror.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(rep.Problems, func(p replica.Problem) bool {
		return p.Object == key && p.Severity == replica.SeverityError
	}) {
		t.Errorf("problems %v, want one of %s", rep.Problems, key)
	}
}
