package verbs_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pierrec/lz4/v4"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/internal/race"
	"github.com/replctl/replicate/internal/testreplica"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/check"
	"github.com/replctl/replicate/replica/restore"
	"github.com/replctl/replicate/replica/view"
	"github.com/replctl/replicate/v3compat"
)

// objectsOf is a replica of testdata, object by object.
func objectsOf(t *testing.T, name string) map[string][]byte {
	t.Helper()
	objects := map[string][]byte{}
	root := testreplica.Dir(t, name)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		rel, _ := filepath.Rel(root, path)
		objects[filepath.ToSlash(rel)] = b
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

func replicaOf(t *testing.T, objects map[string][]byte) *replica.Client {
	t.Helper()
	store := blob.NewMemory()
	for key, b := range objects {
		opts := blob.WriteOptions{}
		if h, err := ltx.ParseHeader(b); err == nil {
			opts.ModTime = ltx.Time(h)
		}
		if _, err := store.Write(t.Context(), key, bytes.NewReader(b), opts); err != nil {
			t.Fatal(err)
		}
	}
	return replica.NewClient("memory", ltx.LayoutFile, func(context.Context) (blob.Store, error) { return store, nil })
}

// memoryFile is a database that is restored to memory.
type memoryFile []byte

func (m *memoryFile) WriteAt(p []byte, off int64) (int, error) {
	if grown := int(off) + len(p) - len(*m); grown > 0 {
		*m = append(*m, make([]byte, grown)...)
	}
	return copy((*m)[off:], p), nil
}

func (m *memoryFile) Truncate(size int64) error {
	if grown := int(size) - len(*m); grown > 0 {
		*m = append(*m, make([]byte, grown)...)
	}
	*m = (*m)[:size]
	return nil
}

// writer lets one goroutine at a time write.
type writer struct {
	*memoryFile
	lock chan struct{}
}

func (w writer) WriteAt(p []byte, off int64) (int, error) {
	w.lock <- struct{}{}
	defer func() { <-w.lock }()
	return w.memoryFile.WriteAt(p, off)
}

// attempt restores to memory, and tells which state came out, and what it is.
func attempt(t *testing.T, c *replica.Client, target restore.Target) (state replica.Point, content string, err error) {
	t.Helper()
	var b bytes.Buffer
	plan, err := restore.To(t.Context(), c, target, &b, restore.Options{})
	if plan != nil {
		state = plan.State
	}
	return state, sum(b.Bytes()), err
}

// stateOf is a state without its time, which damage may change.
func stateOf(p replica.Point) replica.Point { return replica.Point{TXID: p.TXID, Pos: p.Pos} }

// targetOf asks for a point.
func targetOf(p replica.Point) restore.Target {
	if p.TXID != 0 {
		return restore.Target{TXID: p.TXID}
	}
	return restore.Target{Generation: p.Pos.Generation, Timestamp: p.Time}
}

// truth is every state that a sound replica can be restored to, with what it is.
func truth(t *testing.T, name string, c *replica.Client) (points []replica.Point, contents map[replica.Point]string) {
	t.Helper()
	var candidates []replica.Point
	for txid := ltx.TXID(1); name == "v0.5" && txid <= 0x4d; txid++ {
		candidates = append(candidates, replica.Point{TXID: txid})
	}
	for _, g := range testreplica.Expected(t, name).Generations {
		store, _, err := c.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		found, err := v3compat.New(store).Points(t.Context(), g.Generation)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range found {
			candidates = append(candidates, replica.Point{Pos: p.Pos, Time: p.Time})
		}
	}
	contents = map[replica.Point]string{}
	for _, p := range candidates {
		state, content, err := attempt(t, c, targetOf(p))
		var planErr *restore.PlanError
		if errors.As(err, &planErr) {
			continue // compacted away
		} else if err != nil {
			t.Fatal(err)
		}
		points, contents[stateOf(state)] = append(points, p), content
	}
	if len(contents) < 20 {
		t.Fatalf("%s has %d states", name, len(contents))
	}
	return points, contents
}

// damageRounds is how many objects are hurt in each replica: make damage hurts more.
var damageRounds = func() int {
	if os.Getenv("REPLICATE_DAMAGE") == "all" {
		return 1000
	}
	return race.Pick(100, 4)
}()

// TestCheckRandomDamage: whatever happens to one object, either the check names it,
// or nothing that it promises is lost by it; what it promises can be restored either
// way; and no restore ever gives a wrong database.
func TestCheckRandomDamage(t *testing.T) {
	for _, name := range []string{"v0.5", "v0.3"} {
		t.Run(name, func(t *testing.T) {
			sound := objectsOf(t, name)
			points, contents := truth(t, name, replicaOf(t, sound))
			keys := slices.Sorted(maps.Keys(sound))
			named, viewed := 0, 0
			for seed := range uint64(damageRounds) {
				rng := rand.New(rand.NewPCG(seed, 1))
				objects, key := maps.Clone(sound), keys[rng.IntN(len(keys))]
				what := hurt(rng, objects, key)
				d := &hurtReplica{t: t, name: what + " " + key, key: key, client: replicaOf(t, objects), contents: contents}
				if d.check(rng, points, what == "flip") {
					named++
				}
				viewed += d.viewed
			}
			if viewed == 0 {
				t.Error("no view could be read")
			}
			if damageRounds >= 100 && named < damageRounds/2 { // a handful says nothing of the share
				t.Errorf("the check named the object in %d of %d cases", named, damageRounds)
			}
		})
	}
}

// hurt does something to an object. Times are not taken away: then those of the
// store count, which are here those of the test.
func hurt(rng *rand.Rand, objects map[string][]byte, key string) string {
	b := bytes.Clone(objects[key])
	switch n := rng.IntN(3); {
	case n == 0 && !strings.HasSuffix(key, v3compat.TimesName):
		delete(objects, key)
		return "delete"
	case n <= 1:
		objects[key] = b[:rng.IntN(len(b))]
		return "truncate"
	}
	b[rng.IntN(len(b))] ^= 1 << rng.IntN(8)
	objects[key] = b
	return "flip"
}

// hurtReplica is a replica of which one object was hurt.
type hurtReplica struct {
	t         *testing.T
	name, key string
	client    *replica.Client
	contents  map[replica.Point]string
	viewed    int // how many views were read whole
}

// check reports whether the check named the object.
func (d *hurtReplica) check(rng *rand.Rand, points []replica.Point, deep bool) bool {
	report, err := check.Run(d.t.Context(), d.client, check.Options{Deep: deep})
	if err != nil {
		d.t.Errorf("%s: %v", d.name, err)
		return false
	}
	named := slices.ContainsFunc(report.Problems, func(p replica.Problem) bool { return p.Object == d.key })
	for _, w := range report.Restorable {
		d.restore(w.From, true)
		d.restore(w.To, true)
		d.view(w.To)
	}
	for range 3 {
		p := points[rng.IntN(len(points))]
		d.view(p)
		d.restore(p, !named && slices.ContainsFunc(report.Restorable, func(w replica.Window) bool { return promises(w, p) }))
	}
	return named
}

// promises: of an LTX replica, a state that a listing still has.
func promises(w replica.Window, p replica.Point) bool {
	return p.TXID == 0 && !p.Time.Before(w.From.Time) && !p.Time.After(w.To.Time)
}

// restore holds a restore to the truth: what comes out is that of the state that it
// says, and what was promised comes out.
func (d *hurtReplica) restore(p replica.Point, promised bool) {
	state, content, err := attempt(d.t, d.client, targetOf(p))
	switch {
	case err != nil && promised:
		d.t.Errorf("%s: %+v was promised: %v", d.name, p, err)
	case err == nil && content != d.contents[stateOf(state)]:
		d.t.Errorf("%s: %+v: the state that came out, %+v, is wrong", d.name, p, state)
	case err == nil && promised && p.TXID != state.TXID:
		d.t.Errorf("%s: %+v was promised, and %+v came out", d.name, p, state)
	}
}

// view holds a view to the truth: what can be read without an error is that of the state that it says.
func (d *hurtReplica) view(p replica.Point) {
	v, err := view.Open(d.t.Context(), d.client, targetOf(p), view.Options{})
	if err != nil {
		return
	}
	defer v.Close()
	content, err := io.ReadAll(io.NewSectionReader(v, 0, v.Size()))
	if err == nil && sum(content) != d.contents[stateOf(v.Plan().State)] {
		d.t.Errorf("%s: %+v: the pages of %+v are wrong", d.name, p, v.Plan().State)
	}
	if err == nil {
		d.viewed++
	}
}

// TestCheckDamaged: each variant in testdata is judged as it is meant.
func TestCheckDamaged(t *testing.T) {
	for _, v := range testreplica.Damaged(t) {
		c := file.NewReplicaClient(testreplica.Copy(t, "damaged/"+v.Name))
		report, err := check.Run(t.Context(), c, check.Options{Deep: true})
		if err != nil {
			t.Fatal(err)
		}
		worst := testreplica.None
		for _, p := range report.Problems {
			if p.Severity == replica.SeverityError {
				worst = testreplica.Error
			} else if worst == testreplica.None && p.Severity == replica.SeverityWarning {
				worst = testreplica.Warning
			}
		}
		if worst != v.Want || report.OK() != (v.Want != testreplica.Error) {
			t.Errorf("%s: the worst is %s, want %s: %+v", v.Name, worst, v.Want, report.Problems)
		}
	}
}

// TestCheckShortens: what only a restore finds, a frame of the log that does not
// belong there in an object that is whole, ends the window before it.
func TestCheckShortens(t *testing.T) {
	objects := objectsOf(t, "v0.3")
	generation := testreplica.Expected(t, "v0.3").Generations[1].Generation
	key := v3compat.WALSegmentKey(generation, 6, 0x438)
	objects[key] = recompressed(t, objects[key], func(b []byte) { b[len(b)-1] ^= 1 })
	c := replicaOf(t, objects)
	report, err := check.Run(t.Context(), c, check.Options{Deep: true})
	if err != nil || report.OK() {
		t.Fatalf("got %+v, %v", report, err)
	}
	if !slices.ContainsFunc(
		report.Problems,
		func(p replica.Problem) bool { return p.Object == key && p.Severity == replica.SeverityError },
	) {
		t.Errorf("no problem names %s: %+v", key, report.Problems)
	}
	last := report.Restorable[len(report.Restorable)-1]
	if want := (v3compat.Pos{Generation: generation, Index: 6}); last.To.Pos != want || report.Restored != 2 {
		t.Fatalf("the last window is %+v, %d databases restored; want it to end at %v", last, report.Restored, want)
	}
	if state, _, err := attempt(t, c, targetOf(last.To)); err != nil || state.Pos != last.To.Pos {
		t.Errorf("its end: %+v, %v", state, err)
	}
}

// recompressed changes what is in an LZ4 frame.
func recompressed(t *testing.T, frame []byte, change func([]byte)) []byte {
	t.Helper()
	content, err := io.ReadAll(lz4.NewReader(bytes.NewReader(frame)))
	if err != nil {
		t.Fatal(err)
	}
	change(content)
	var b bytes.Buffer
	w := lz4.NewWriter(&b)
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
