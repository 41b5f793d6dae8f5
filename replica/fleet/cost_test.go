package fleet_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/internal/fakereplica"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/fleet"
	"github.com/replctl/replicate/replica/restore"
	"github.com/replctl/replicate/v3compat"
)

// find returns what Find yields, by path.
func find(t *testing.T, store blob.Store, opts fleet.Options) map[string]*fleet.Database {
	t.Helper()
	found := map[string]*fleet.Database{}
	for db, err := range fleet.Find(t.Context(), store, opts) {
		if err != nil {
			t.Fatal(err)
		}
		found[db.Path] = db
	}
	return found
}

func TestFreshness(t *testing.T) {
	store, client := fakereplica.New(t, fakereplica.File{Level: 9, Min: 1, Max: 1})
	age := time.Since(fakereplica.Time(1))
	for _, tt := range []struct {
		max  time.Duration
		want fleet.Verdict
	}{{age + time.Hour, fleet.Fresh}, {age - time.Hour, fleet.Stale}, {0, fleet.Stale}} {
		if db := fleet.Look(t.Context(), client, fleet.Options{MaxAge: tt.max}); db.Verdict != tt.want {
			t.Errorf("at most %v old: %s, want %s", tt.max, db.Verdict, tt.want)
		}
	}
	db := find(t, store, fleet.Options{})[""]
	if got := db.Age(fakereplica.Time(1).Add(time.Hour)); got != time.Hour {
		t.Errorf("age %v", got)
	}
}

// bucket counts requests as S3 would: a listing is one for each 1,000 entries.
type bucket struct {
	blob.Store
	lists, reads atomic.Int64
}

func (b *bucket) List(ctx context.Context, prefix string, opts blob.ListOptions) iter.Seq2[blob.Info, error] {
	b.lists.Add(1)
	n := 0
	return func(yield func(blob.Info, error) bool) {
		for info, err := range b.Store.List(ctx, prefix, opts) {
			if n++; n > 1 && n%1000 == 1 {
				b.lists.Add(1)
			}
			if !yield(info, err) {
				return
			}
		}
	}
}

func (b *bucket) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	b.reads.Add(1)
	return b.Store.Open(ctx, key, offset, length)
}

func (b *bucket) Stat(ctx context.Context, key string) (blob.Info, error) {
	b.reads.Add(1)
	return b.Store.Stat(ctx, key)
}

// history is what a replicator leaves: files of level 0 for the last transactions, and of the levels
// above for all of them, each ten times as long; a snapshot after every so many.
func history(txids, every ltx.TXID) (files []fakereplica.File) {
	span := ltx.TXID(1)
	covered := txids
	for level := range 4 {
		end := covered / (span * 10) * (span * 10)
		if level == 3 {
			end = 0
		}
		first := ltx.TXID(1)
		if level == 0 && end > 2000 {
			first = end - 2000 + 1 // the newest are kept for some time
		}
		for at := first; at+span-1 <= covered; at += span {
			files = append(files, fakereplica.File{Level: level, Min: at, Max: at + span - 1})
		}
		covered, span = end, span*10
	}
	for at := every; at <= txids; at += every {
		files = append(files, fakereplica.File{Level: ltx.SnapshotLevel, Min: 1, Max: at})
	}
	return files
}

// TestLookAtALargeReplica: the ends of its levels tell what all of it would.
func TestLookAtALargeReplica(t *testing.T) {
	for _, txids := range []ltx.TXID{1234, 23_456, 56_789} {
		t.Run(fmt.Sprint(txids), func(t *testing.T) {
			store, client := fakereplica.New(t, history(txids, txids/7)...)
			b := &bucket{Store: store.Store}
			db := find(t, b, fleet.Options{})[""]
			t.Logf("%d listings and %d reads", b.lists.Load(), b.reads.Load())
			if db == nil || db.Verdict != fleet.Stale || db.Newest.TXID != txids || db.Newest.Time != fakereplica.Time(txids) {
				t.Fatalf("%+v", db)
			}
			if b.lists.Load() > 30 || b.reads.Load() > 4 {
				t.Errorf("%d listings and %d reads", b.lists.Load(), b.reads.Load())
			}
			files, err := replica.Open(t.Context(), client)
			if err != nil {
				t.Fatal(err)
			}
			all, err := files.All(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if first := files.Timeline(all, nil).Chain.Restorable()[0]; db.Oldest.TXID != first {
				t.Errorf("oldest %v, want %v", db.Oldest, first)
			}
		})
	}
}

// TestLookAtALargeBreak: what the ends cannot show is found by listing all, and what is broken is.
func TestLookAtALargeBreak(t *testing.T) {
	files := history(23_456, 5000)
	var whole, broken []fakereplica.File
	for _, f := range files {
		if f.Level == ltx.SnapshotLevel && f.Max > 5000 {
			continue // the files after the first snapshot are more than the ends
		}
		whole = append(whole, f)
		if f.Min > 12_345 || f.Max < 12_345 {
			broken = append(broken, f)
		}
	}
	for _, tt := range []struct {
		files []fakereplica.File
		want  fleet.Verdict
	}{{whole, fleet.Stale}, {broken, fleet.Broken}} {
		store, client := fakereplica.New(t, tt.files...)
		db := find(t, store.Store, fleet.Options{})[""]
		if db.Verdict != tt.want {
			t.Errorf("%s, want %s", db.Verdict, tt.want)
		}
		_, err := restore.NewPlan(t.Context(), client, restore.Target{})
		if (err == nil) != (tt.want == fleet.Stale) {
			t.Errorf("want %s, and a restore says %v", tt.want, err)
		}
	}
}

// put writes an object.
func put(t *testing.T, store blob.Store, key string, at time.Time) {
	t.Helper()
	if _, err := store.Write(t.Context(), key, strings.NewReader("12345678"), blob.WriteOptions{ModTime: at}); err != nil {
		t.Fatal(err)
	}
}

// TestLookAtALargeBackup: of v0.3.
func TestLookAtALargeBackup(t *testing.T) {
	store := blob.NewMemory()
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	const generation = "0123456789abcdef"
	at := begin
	for index := range 60 {
		if index%20 == 0 {
			put(t, store, v3compat.SnapshotKey(generation, index), at)
		}
		for offset := range int64(100) {
			at = at.Add(time.Second)
			put(t, store, v3compat.WALSegmentKey(generation, index, offset*8), at)
		}
	}
	b := &bucket{Store: store}
	db := find(t, b, fleet.Options{})[""]
	client := fakereplica.ClientOf(store)
	plan, err := restore.NewPlan(t.Context(), client, restore.Target{})
	if err != nil {
		t.Fatal(err)
	}
	if db.Newest != plan.State || !db.Oldest.Time.Equal(begin) {
		t.Errorf("from %v to %v; want %v to %v", db.Oldest, db.Newest, begin, plan.State)
	}
	if n := b.lists.Load() + b.reads.Load(); n > 40 {
		t.Errorf("%d requests", n)
	}
}

// TestFindCost: one listing of each directory with a page for each 1,000 entries, and four requests
// for each database.
func TestFindCost(t *testing.T) {
	store := blob.NewMemory()
	replicas := [2]blob.Reader{}
	small, _ := fakereplica.New(t, history(100, 30)...)
	replicas[0] = small.Store
	replicas[1] = newBackup(t)
	const tenants, each = 3, 70
	for i := range tenants * each {
		root := fmt.Sprintf("tenant-%d/db-%d/", i%tenants, i)
		copyTo(t, store, root, replicas[i%2])
		if _, err := store.Write(t.Context(), root+"lock.json", strings.NewReader("{}"), blob.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
		put(t, store, fmt.Sprintf("foreign/%d/ltx-notes/a", i%10), time.Time{})
		put(t, store, fmt.Sprintf("tenant-%d/readme-%d", i%tenants, i), time.Time{})
	}
	b := &bucket{Store: store}
	found := find(t, b, fleet.Options{})
	if len(found) != tenants*each {
		t.Fatalf("%d found", len(found))
	}
	for path, db := range found {
		if db.Verdict != fleet.Stale || db.Oldest.IsZero() || db.Lease == nil || len(db.Formats) != 1 {
			t.Fatalf("%s: %+v", path, db)
		}
	}
	floor := int64(1 + tenants + 1 + 10 + 10 + tenants*each) // each directory, and none below a replica
	requests := b.lists.Load() + b.reads.Load()
	t.Logf("%d listings and %d reads for %d databases; %d directories", b.lists.Load(), b.reads.Load(), len(found), floor)
	if most := floor*12/10 + 4*tenants*each; requests > most {
		t.Errorf("%d listings and %d reads, %d allowed", b.lists.Load(), b.reads.Load(), most)
	}
}

func newBackup(t *testing.T) *blob.Memory {
	t.Helper()
	store := blob.NewMemory()
	for i := range 50 {
		at := time.Unix(int64(1_700_000_000+i), 0)
		if i%25 == 0 {
			put(t, store, v3compat.SnapshotKey("0123456789abcdef", i), at)
		}
		put(t, store, v3compat.WALSegmentKey("0123456789abcdef", i, 0), at)
	}
	return store
}

func copyTo(t *testing.T, to blob.Store, root string, from blob.Reader) {
	t.Helper()
	for info, err := range from.List(t.Context(), "", blob.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		rc, err := from.Open(t.Context(), info.Key, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(rc)
		if err != nil {
			t.Fatal(err)
		}
		rc.Close()
		opts := blob.WriteOptions{ModTime: info.ModTime}
		if _, err := to.Write(t.Context(), root+info.Key, bytes.NewReader(data), opts); err != nil {
			t.Fatal(err)
		}
	}
}
