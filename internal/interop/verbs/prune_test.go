package verbs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/internal/fakereplica"
	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/internal/testreplica"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/check"
	"github.com/replctl/replicate/replica/mirror"
	"github.com/replctl/replicate/replica/prune"
	"github.com/replctl/replicate/replica/restore"
	"github.com/replctl/replicate/v3compat"
)

func prunePlan(t *testing.T, c replica.Fenceable, opts prune.Options) *prune.Plan {
	t.Helper()
	p, err := prune.NewPlan(t.Context(), c, opts)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// pruned does what a plan says, and checks that this, and no more, is gone.
func pruned(t *testing.T, c replica.Source, plan *prune.Plan) {
	t.Helper()
	before := keysIn(t, storeOf(t, c))
	if err := prune.Run(t.Context(), c, plan); err != nil {
		t.Fatal(err)
	}
	gone := map[string]bool{}
	for _, o := range plan.Objects {
		gone[o.Key] = true
	}
	want := slices.DeleteFunc(before, func(key string) bool { return gone[key] })
	if diff := cmp.Diff(want, keysIn(t, storeOf(t, c))); diff != "" {
		t.Fatalf("want (-) and left (+):\n%s", diff)
	}
}

// TestPruneReplicas: at each instant of the window the database is what it was.
func TestPruneReplicas(t *testing.T) {
	for _, name := range []string{"v0.5", "v0.3"} {
		facts := testreplica.Expected(t, name)
		less := 0
		for i, since := range facts.Instants {
			if i%2 == 1 && i != len(facts.Instants)-1 {
				continue
			}
			c := file.NewReplicaClient(testreplica.Copy(t, name))
			opts := prune.Options{Since: since.At}
			plan := prunePlan(t, c, opts)
			if again := prunePlan(t, c, opts); !slices.Equal(plan.Objects, again.Objects) {
				t.Errorf("%s: two plans: %v and %v", name, plan.Objects, again.Objects)
			}
			pruned(t, c, plan)
			if less += len(plan.Objects); plan.Kept+len(plan.Objects) == 0 {
				t.Errorf("%+v", plan)
			}
			for _, i := range facts.Instants {
				if got := stateAt(t, c, restore.Target{Timestamp: i.At}); !i.At.Before(since.At) && got != i.DBSHA256 {
					t.Errorf("%s since %v: at %v %s, want %s", name, since.At, i.At, got, i.DBSHA256)
				}
			}
			for _, w := range plan.Restorable {
				for _, p := range []replica.Point{w.From, w.To} {
					if got := stateAt(t, c, targetAt(p)); strings.Contains(got, " ") {
						t.Errorf("%s: %+v is promised: %s", name, p, got)
					}
				}
			}
			in, err := check.Inspect(t.Context(), c, check.InspectOptions{})
			if err != nil || len(in.Problems) > 0 {
				t.Errorf("%s: what is left has problems: %v, %v", name, in.Problems, err)
			}
			if next := prunePlan(t, c, opts); len(next.Objects) > 0 {
				t.Errorf("%s: then it would delete %v", name, next.Objects)
			}
		}
		if less == 0 {
			t.Errorf("%s: nothing was deleted", name)
		}
	}
}

func targetAt(p replica.Point) restore.Target {
	if p.TXID != 0 {
		return restore.Target{TXID: p.TXID}
	}
	return restore.Target{Timestamp: p.Time}
}

// history makes LTX files as a replicator would, and loses some.
type history struct {
	r     *rand.Rand
	store *blob.Memory
	t     *testing.T
	times []time.Time // of transactions, from 1
}

func (h *history) write(level int, minTXID, maxTXID ltx.TXID, at time.Time) {
	header := ltx.Header{
		Version:   3,
		Flags:     ltx.HeaderFlagNoChecksum,
		PageSize:  4096,
		Commit:    1,
		MinTXID:   minTXID,
		MaxTXID:   maxTXID,
		Timestamp: at.UnixMilli(),
	}
	b, err := header.MarshalBinary()
	if err != nil {
		h.t.Fatal(err)
	}
	b = append(b, make([]byte, ltx.MinFileSize-len(b)+h.r.IntN(500))...)
	if _, err := h.store.Write(h.t.Context(), ltx.LayoutS3.Key(level, minTXID, maxTXID), bytes.NewReader(b),
		fakereplica.AsWritten(header)); err != nil {
		h.t.Fatal(err)
	}
}

func (h *history) at(txid ltx.TXID) time.Time { return h.times[txid-1] }

// grow makes n transactions, compacts them, and takes snapshots now and then.
func (h *history) grow(n int) {
	now := time.UnixMilli(1_700_000_000_000).UTC()
	starts := [3]ltx.TXID{1, 1, 1}
	for txid := ltx.TXID(1); int(txid) <= n; txid++ {
		now = now.Add(time.Duration(1+h.r.IntN(3000)) * time.Millisecond)
		h.times = append(h.times, now)
		h.write(0, txid, txid, now)
		for level := 1; level <= 2; level++ {
			if h.r.IntN(4*level) == 0 {
				h.write(level, starts[level], txid, now)
				starts[level] = txid + 1
			}
		}
		if h.r.IntN(10) == 0 {
			now = now.Add(time.Duration(h.r.IntN(900)) * time.Millisecond) // when it was taken
			h.write(ltx.SnapshotLevel, 1, txid, now)
		}
	}
}

// lose removes old files of the lowest level, and, one time in three, any files.
func (h *history) lose() {
	keys := keysIn(h.t, h.store)
	gone := keys[:0:0]
	for _, key := range keys {
		_, level, _, maxTXID, err := ltx.ParseKey(key)
		if err != nil {
			h.t.Fatal(err)
		}
		if level == 0 && int(maxTXID) < len(h.times)/2 {
			gone = append(gone, key)
		}
	}
	if h.r.IntN(3) == 0 {
		for range h.r.IntN(4) {
			gone = append(gone, keys[h.r.IntN(len(keys))])
		}
	}
	if err := h.store.Delete(h.t.Context(), gone); err != nil {
		h.t.Fatal(err)
	}
}

// TestPruneLTX: whatever was promised for a moment of the window is promised
// afterwards, over random replicas.
func TestPruneLTX(t *testing.T) {
	deleted := 0
	for seed := range uint64(250) {
		h := &history{r: rand.New(rand.NewPCG(seed, 7)), store: blob.NewMemory(), t: t}
		h.grow(3 + h.r.IntN(40))
		h.lose()
		c := clientAt(h.store)
		since := h.at(ltx.TXID(1 + h.r.IntN(len(h.times)))).Add(time.Duration(h.r.IntN(1000)) * time.Millisecond)
		n := 1 + h.r.IntN(3)
		moments := []time.Time{since, h.times[len(h.times)-1].Add(time.Hour)}
		for _, at := range h.times {
			if at.After(since) {
				moments = append(moments, at, at.Add(time.Millisecond/2))
			}
		}
		if len(keysIn(t, h.store)) == 0 {
			continue
		}
		wantSame(t, fmt.Sprintf("seed %d", seed), c, moments, func() {
			plan := prunePlan(t, c, prune.Options{Since: since, Snapshots: n, Trust: true})
			wantSnapshots(t, h.store, plan, "0009/", n)
			pruned(t, c, plan)
			deleted += len(plan.Objects)
		})
	}
	if deleted < 300 {
		t.Errorf("only %d objects were deleted in all", deleted)
	}
}

// wantSnapshots: the newest n are not in a plan.
func wantSnapshots(t *testing.T, store blob.Reader, plan *prune.Plan, part string, n int) {
	t.Helper()
	var snapshots []string
	for _, key := range keysIn(t, store) {
		if strings.Contains(key, part) {
			snapshots = append(snapshots, key)
		}
	}
	for _, key := range snapshots[max(0, len(snapshots)-n):] {
		if slices.ContainsFunc(plan.Objects, func(o replica.Object) bool { return o.Key == key }) {
			t.Errorf("%s is one of the %d newest snapshots", key, n)
		}
	}
}

// wantSame: what can be planned for before can be planned for after, and is the
// same state.
func wantSame(t *testing.T, what string, c *replica.Client, moments []time.Time, do func()) {
	t.Helper()
	states := map[time.Time]replica.Point{}
	for _, at := range moments {
		if p, err := restore.NewPlan(t.Context(), c, restore.Target{Timestamp: at}); err == nil {
			states[at] = p.State
		}
	}
	latest, latestErr := restore.NewPlan(t.Context(), c, restore.Target{})
	do()
	for at, want := range states {
		p, err := restore.NewPlan(t.Context(), c, restore.Target{Timestamp: at})
		if err != nil {
			t.Fatalf("%s: at %v was %+v, now %v", what, at, want, err)
		}
		if got := p.State; got.TXID != want.TXID || got.Pos != want.Pos || want.TXID == 0 && !got.Time.Equal(want.Time) {
			t.Fatalf("%s: at %v was %+v, now %+v", what, at, want, got)
		}
	}
	if latestErr == nil {
		if p, err := restore.NewPlan(t.Context(), c, restore.Target{}); err != nil || p.State.TXID != latest.State.TXID ||
			p.State.Pos != latest.State.Pos {
			t.Fatalf("%s: the latest state was %+v, now %v", what, latest.State, err)
		}
	}
}

// growV3 makes generations, one after the other.
func growV3(t *testing.T, r *rand.Rand, store *blob.Memory) (moments []time.Time) {
	t.Helper()
	now := time.UnixMilli(1_700_000_000_000).UTC()
	put := func(key string) {
		if now = now.Add(time.Duration(r.IntN(2000)) * time.Millisecond); r.IntN(20) == 0 {
			now = now.Add(-time.Duration(r.IntN(3000)) * time.Millisecond) // a clock that is set back
		}
		if r.IntN(80) == 0 {
			return // lost
		}
		moments = append(moments, now)
		data := make([]byte, r.IntN(400))
		if _, err := store.Write(t.Context(), key, bytes.NewReader(data), blob.WriteOptions{ModTime: now}); err != nil {
			t.Fatal(err)
		}
	}
	for range 1 + r.IntN(3) {
		id := fmt.Sprintf("%016x", r.Uint64())
		first := r.IntN(3)
		for index := first; index < first+1+r.IntN(6); index++ {
			if index == first || r.IntN(3) == 0 {
				put(v3compat.SnapshotKey(id, index))
			}
			for offset := range int64(1 + r.IntN(4)) {
				put(v3compat.WALSegmentKey(id, index, offset*4152))
			}
		}
	}
	return moments
}

func TestPruneV3(t *testing.T) {
	deleted := 0
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 3))
		store := blob.NewMemory()
		moments := growV3(t, r, store)
		if len(moments) == 0 {
			continue
		}
		since := moments[r.IntN(len(moments))]
		moments = slices.DeleteFunc(moments, func(at time.Time) bool { return at.Before(since) })
		c := clientAt(store)
		wantSame(t, fmt.Sprintf("seed %d", seed), c, moments, func() {
			plan := prunePlan(t, c, prune.Options{Since: since, Snapshots: 1 + r.IntN(3), Trust: true})
			pruned(t, c, plan)
			deleted += len(plan.Objects)
		})
	}
	if deleted < 300 {
		t.Errorf("only %d objects were deleted in all", deleted)
	}
}

// TestPruneTimes: times.json is cut down with its generation, and goes with it.
func TestPruneTimes(t *testing.T) {
	c := file.NewReplicaClient(testreplica.Copy(t, "v0.3"))
	copied(t, c, c, mirror.Options{}) // onto itself: it gets a times.json if it has none
	last := testreplica.Expected(t, "v0.3").Instants
	plan := prunePlan(t, c, prune.Options{Since: last[len(last)-1].At})
	pruned(t, c, plan)
	ids, err := c.GenerationsV3(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		rep, err := v3compat.New(storeOf(t, c)).Inspect(t.Context(), id, v3compat.InspectOptions{})
		if err == nil && len(rep.Problems) > 0 {
			t.Errorf("%s: %v", id, rep.Problems)
		}
	}
}

// keeper is a store that says deleted and keeps some.
type keeper struct {
	blob.Store
	keeps func(key string) bool
}

func (k keeper) Delete(ctx context.Context, keys []string) error {
	return k.Store.Delete(ctx, slices.DeleteFunc(slices.Clone(keys), k.keeps))
}

// TestPruneSurvivors: each object that a store keeps is named. Where a snapshot
// stays, so do the segments that it is restored with.
func TestPruneSurvivors(t *testing.T) {
	for _, name := range []string{"v0.5", "v0.3"} {
		facts := testreplica.Expected(t, name)
		dir := testreplica.Copy(t, name)
		plan := prunePlan(t, file.NewReplicaClient(dir), prune.Options{Since: facts.Instants[len(facts.Instants)-1].At})
		survivor := plan.Objects[0].Key
		store := keeper{storeOf(t, file.NewReplicaClient(dir)), func(key string) bool { return key == survivor }}
		err := prune.Run(t.Context(), clientAt(store), plan)
		var refused *blob.DeleteError
		if !errors.As(err, &refused) || refused.Key != survivor {
			t.Errorf("%s: got %v, want a failure about %s", name, err, survivor)
		}
		if name == "v0.3" && len(keysIn(t, store)) < facts.Generations[0].WALSegments {
			t.Errorf("segments were deleted, and the snapshot %s is there: %v", survivor, keysIn(t, store))
		}
	}
}

// TestPruneLyingS3: the same from a bucket.
func TestPruneLyingS3(t *testing.T) {
	srv := fakes3.New(t)
	src, dst := file.NewReplicaClient(testreplica.Copy(t, "v0.5")), bucketClient(srv, "db")
	copied(t, src, dst, mirror.Options{})
	facts := testreplica.Expected(t, "v0.5")
	plan := prunePlan(t, dst, prune.Options{Since: facts.Instants[len(facts.Instants)-1].At})
	srv.Fail(fakes3.Rule{Match: fakes3.Op("DeleteObjects"), Times: -1, Fault: fakes3.Pretend()})
	err := prune.Run(t.Context(), dst, plan)
	for _, o := range plan.Objects {
		if err == nil || !strings.Contains(err.Error(), o.Key) {
			t.Fatalf("%v: want %s in it", err, o.Key)
		}
	}
}

// TestPruneDamagedBase: if what the window is built on is damaged, nothing goes.
func TestPruneDamagedBase(t *testing.T) {
	for _, name := range []string{"v0.5", "v0.3"} {
		dir := testreplica.Copy(t, name)
		c := file.NewReplicaClient(dir)
		facts := testreplica.Expected(t, name)
		opts := prune.Options{Since: facts.Instants[len(facts.Instants)-1].At}
		kept := prunePlan(t, c, opts)
		store := storeOf(t, c)
		for _, key := range keysIn(t, store) {
			snapshot := strings.Contains(key, "/snapshots/") || strings.HasPrefix(key, "ltx/9/")
			if !snapshot || slices.ContainsFunc(kept.Objects, func(o replica.Object) bool { return o.Key == key }) {
				continue
			}
			b := contentOf(t, store, key)
			b[len(b)/2] ^= 0xff
			info, err := store.Stat(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := store.Write(t.Context(), key, bytes.NewReader(b),
				blob.WriteOptions{ModTime: info.ModTime}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := prune.NewPlan(t.Context(), c, opts); err == nil || !strings.Contains(err.Error(), "built on") {
			t.Errorf("%s: got %v", name, err)
		}
		opts.Trust = true
		prunePlan(t, c, opts)
	}
}

// TestPruneForeign: what is not part of a replica stays, and the lease does.
func TestPruneForeign(t *testing.T) {
	c := file.NewReplicaClient(testreplica.Copy(t, "damaged/ltx-foreign-names"))
	store := storeOf(t, c)
	for _, name := range []string{"lock.json", "generations/README", "other/file"} {
		if _, err := store.Write(t.Context(), name, strings.NewReader("{}"), blob.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	plan := prunePlan(t, c, prune.Options{Since: time.Now()})
	for _, o := range plan.Objects {
		if _, _, _, _, err := ltx.ParseKey(o.Key); err != nil {
			t.Errorf("%s would be deleted", o.Key)
		}
	}
	pruned(t, c, plan)
	if _, err := prune.NewPlan(t.Context(), file.NewReplicaClient(filepath.Join(t.TempDir(), "none")),
		prune.Options{Since: time.Now()}); !errors.Is(
		err,
		replica.ErrNoReplica,
	) {
		t.Errorf("of nothing: %v", err)
	}
}
