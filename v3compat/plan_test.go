package v3compat

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/replctl/replicate/blob"
)

// drawn describes a plan in the words of [backup].
func drawn(p *Plan) string {
	s := fmt.Sprintf("s%x", p.Snapshot.Index)
	for _, seg := range p.Segments {
		s += fmt.Sprintf(" %x:%x", seg.Index, seg.Offset)
	}
	if p.Latest {
		s += " latest"
	}
	return s
}

func to(index int) Target { return Target{Generation: genID, Index: &index} }

func upTo(n int) Target { return Target{Timestamp: second(n)} }

func TestPlan(t *testing.T) {
	for _, test := range []struct {
		drawing string
		target  Target
		want    string
	}{
		{"s0 0:0 0:10 1:0", Target{}, "s0 0:0 0:10 1:0 latest"},
		{"s0 0:0 0:10 1:0", Target{Generation: genID}, "s0 0:0 0:10 1:0 latest"},
		{"s0 0:0 0:10 1:0", upTo(2), "s0 0:0 0:10"},
		{"s0 0:0 0:10 1:0", upTo(0), "s0"},
		{"s0 0:0 0:10 1:0", upTo(50), "s0 0:0 0:10 1:0 latest"},
		{"s0 0:0 0:10 1:0", to(0), "s0 0:0 0:10"},
		{"s0 0:0 0:10 1:0", to(1), "s0 0:0 0:10 1:0 latest"},
		{"s0", Target{}, "s0 latest"},
		{"s0 0:0 s1 1:0", Target{}, "s1 1:0 latest"},
		{"s0 0:0 s1", Target{}, "s1 latest"},
		{"s0 0:0 s1", to(1), "s1 latest"},
		{"0:0 0:10 s0 0:20 1:0", upTo(2), "s0 0:0 0:10"},       // a log that began before the snapshot
		{"s0 0:0 2:0 s2 2:10", Target{}, "s2 2:0 2:10 latest"}, // a hole that is behind the snapshot
		{"s0 0:10 s1 1:0", Target{}, "s1 1:0 latest"},
		{"s0! s1 1:0", Target{}, "s1 1:0 latest"},
		{"s0 0:0 s1! 1:0", Target{}, "s0 0:0 1:0 latest"}, // the older snapshot serves
	} {
		plan, err := New(backup(t, test.drawing)).Plan(t.Context(), test.target)
		if err != nil {
			t.Errorf("%q, %v: %v", test.drawing, test.target, err)
			continue
		}
		if got := drawn(plan); got != test.want {
			t.Errorf("%q, %v: got %s, want %s", test.drawing, test.target, got, test.want)
		}
	}
}

func TestPlanReadsLeast(t *testing.T) {
	store := blob.NewMemory()
	put := func(key string, size, n int) { putAt(t, store, key, make([]byte, size), second(n)) }
	put(SnapshotKey(genID, 0), 100, 0)
	put(WALSegmentKey(genID, 0, 0), 10, 1)
	put(SnapshotKey(genID, 1), 200, 2)
	put(WALSegmentKey(genID, 1, 0), 20, 3)
	put(SnapshotKey(genID, 2), 150, 4)
	newest, err := New(store).Plan(t.Context(), Target{Timestamp: second(3)})
	if err != nil || newest.Snapshot.Index != 1 || newest.MayMiss {
		t.Errorf("without times.json: %+v, %v; want a plan from snapshot 1, which crosses no end of a log", newest, err)
	}
	putTimes(t, store)
	got, err := New(store).Plan(t.Context(), Target{Timestamp: second(3)})
	want := &Plan{
		Generation: genID,
		Snapshot:   SnapshotInfo{genID, 0, 100, second(0)},
		Segments:   []WALSegmentInfo{{genID, 0, 0, 10, second(1)}, {genID, 1, 0, 20, second(3)}},
		Bytes:      130,
		Requests:   3,
		Pos:        Pos{genID, 1, 0},
		Time:       second(3),
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v, plan (-want +got):\n%s", err, diff)
	}
}

func TestPlanUnreachable(t *testing.T) {
	for _, test := range []struct {
		drawing             string
		target              Target
		object              string // below the generation
		reason              string
		before, after, want string
	}{
		{"s0 0:0 1:0 3:0 4:0", Target{}, "wal/00000002_00000000.wal.lz4", "index 00000002", "1:0@2", "", "ends with"},
		{"s0 0:0 1:10 2:0", Target{}, "wal/00000001_00000000.wal.lz4", "missing", "0:0@1", "", "ends with"},
		{"s0 0:0 1:10 2:0", upTo(2), "wal/00000001_00000000.wal.lz4", "missing", "0:0@1", "", ""},
		{"s0 0:0 2:0 s3 3:0", upTo(2), "wal/00000001_00000000.wal.lz4", "index 00000001", "0:0@1", "s3:0@3", "before and"},
		{"s0 0:0 2:0 s3 3:0", to(2), "wal/00000001_00000000.wal.lz4", "index 00000001", "0:0@1", "s3:0@3", ""},
		{"s0 0:0 0:10!", Target{}, "wal/00000000_00000010.wal.lz4", "empty object", "0:0@1", "", ""},
		{"s0 0:0 1:0!", Target{}, "wal/00000001_00000000.wal.lz4", "then nothing is missing", "0:0@1", "", ""},
		{"s0 0:0 wal/00000000_000000010.wal.lz4 0:10", Target{}, "wal/00000000_000000010.wal.lz4", "twice", "0:0@1", "", ""},
		{"s0!", Target{}, "snapshots/00000000.snapshot.lz4", "empty object", "", "", "nothing can be restored"},
		{"0:0 0:10", Target{}, "snapshots/", "no snapshot", "", "", "nothing can be restored"},
		{"0:0 0:10 s0 0:20", upTo(1), "snapshots/", "no snapshot", "", "s0:0@2", "begins with"},
		{"s0 0:0", upTo(-1), "", "begins later", "", "s0:0@0", "begins with"},
		{"s2 2:0", to(1), "", "begins later", "", "s2:0@0", ""},
		{"s0 0:0 1:0", to(2), "", "last index is 00000001", "1:0@2", "", ""},
	} {
		name := fmt.Sprintf("%q, %v", test.drawing, test.target)
		_, err := New(backup(t, test.drawing)).Plan(t.Context(), test.target)
		var got *UnreachableError
		if !errors.As(err, &got) {
			t.Errorf("%s: %v, want an UnreachableError", name, err)
			continue
		}
		if object := strings.TrimPrefix(got.Object, GenerationPrefix(genID)); object != test.object {
			t.Errorf("%s: object %q, want %q", name, object, test.object)
		}
		if !strings.Contains(got.Reason, test.reason) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q and %q in it", name, err, test.reason, test.want)
		}
		if before, after := point(got.Before), point(got.After); before != test.before || after != test.after {
			t.Errorf("%s: before %q, after %q, want %q, %q", name, before, after, test.before, test.after)
		}
	}
}

// point is "0:10@3", or "s1:0@2" for a snapshot.
func point(p *Point) string {
	if p == nil {
		return ""
	}
	s := fmt.Sprintf("%x:%x@%d", p.Pos.Index, p.Pos.Offset, int(p.Time.Sub(second(0)).Seconds()))
	if p.Snapshot {
		s = "s" + s
	}
	return s
}

func TestPoints(t *testing.T) {
	r := New(backup(t, "0:0 s0 0:10 0:20 s1 1:0 2:10 s4 5:0"))
	points, err := r.Points(t.Context(), genID)
	var got []string
	for _, p := range points {
		got = append(got, point(&p))
	}
	want := []string{"s0:0@1", "0:10@2", "0:20@3", "s1:0@4", "1:0@5", "s4:0@7"}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v, points (-want +got):\n%s", err, diff)
	}
	if _, err := r.Points(t.Context(), strings.Repeat("f", 16)); !errors.Is(err, ErrNoObjects) {
		t.Errorf("a generation that is not there: %v", err)
	}
}

// Two generations, the second of which begins while the first still goes on.
func TestPlanGeneration(t *testing.T) {
	const other = "00000000000000ff"
	store := backup(t, "s0 0:0 0:10") // seconds 0 to 2
	putAt(t, store, SnapshotKey(other, 0), []byte("x"), second(4))
	putAt(t, store, WALSegmentKey(other, 0, 0), []byte("x"), second(5))
	r := New(store)
	for _, test := range []struct {
		target Target
		want   string
		latest bool
	}{
		{Target{}, other, true},
		{upTo(4), other, false},
		{upTo(3), genID, false},
		{Target{Generation: genID}, genID, true},
		{Target{Generation: genID, Timestamp: second(9)}, genID, true},
	} {
		plan, err := r.Plan(t.Context(), test.target)
		if err != nil || plan.Generation != test.want || plan.Latest != test.latest {
			t.Errorf("%v: got %+v, %v, want %s, latest %v", test.target, plan, err, test.want, test.latest)
		}
	}
	// A newest generation that cannot be restored is not passed over in silence.
	if err := store.Delete(t.Context(), []string{SnapshotKey(other, 0)}); err != nil {
		t.Fatal(err)
	}
	_, err := r.Plan(t.Context(), Target{})
	var unreachable *UnreachableError
	if !errors.As(err, &unreachable) || point(unreachable.Before) != "0:10@2" ||
		unreachable.Before.Pos.Generation != genID {
		t.Errorf("got %v, want the last state of %s as the nearest", err, genID)
	}
}

func TestPlanRefuses(t *testing.T) {
	index, negative := 1, -1
	for name, target := range map[string]Target{
		"index without generation": {Index: &index},
		"index and timestamp":      {Generation: genID, Index: &index, Timestamp: second(1)},
		"negative index":           {Generation: genID, Index: &negative},
		"generation":               {Generation: "../0123456789abcdef"},
	} {
		if _, err := New(backup(t, "s0 0:0 1:0")).Plan(t.Context(), target); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	for name, store := range map[string]*blob.Memory{"nothing": blob.NewMemory(),
		"another name": backup(t, "wal/README")} {
		if _, err := New(store).Plan(t.Context(), Target{}); !errors.Is(err, ErrNoObjects) {
			t.Errorf("%s: %v, want %v", name, err, ErrNoObjects)
		}
	}
}

func TestPlanWithoutTimes(t *testing.T) {
	store := backup(t, "s0 0:0 1:0")
	put(t, store, TimesKey(genID), []byte(`{"version":1,"times":{"wal/x":"2024-01-01T00:00:00Z"}}`))
	r := New(store)
	if _, err := r.Plan(t.Context(), upTo(2)); !errors.Is(err, ErrTimes) {
		t.Errorf("by time: %v, want %v", err, ErrTimes)
	}
	plan, err := r.Plan(t.Context(), to(0))
	if err != nil || drawn(plan) != "s0 0:0" || !plan.Time.Equal(time.Time{}) {
		t.Errorf("by index: %+v, %v", plan, err)
	}
}

// TestPlanLostSegment: a segment of which only the entry in times.json is left is
// missing, also where no other name shows it: at the end of an index.
func TestPlanLostSegment(t *testing.T) {
	lost := "wal/00000000_00001020.wal.lz4"
	all := map[string]time.Time{snapshotName: second(1), segmentName: second(2), lost: second(4)}
	r := New(withTimes(t, encodeTimes(t, all)))
	_, err := r.Plan(t.Context(), Target{})
	var unreachable *UnreachableError
	if !errors.As(err, &unreachable) || !strings.HasSuffix(unreachable.Object, lost) || unreachable.Before == nil ||
		!unreachable.Before.Time.Equal(second(2)) {
		t.Errorf("the latest state: got %v, want an error that names %s and the state before it", err, lost)
	}
	p, err := r.Plan(t.Context(), Target{Timestamp: second(3)})
	if err != nil || len(p.Segments) != 1 {
		t.Errorf("before it: got %+v, %v", p, err)
	}
}

// putTimes gives a generation a times.json with the times that the store has.
func putTimes(t *testing.T, store *blob.Memory) {
	t.Helper()
	times := map[string]time.Time{}
	for info, err := range store.List(t.Context(), GenerationPrefix(genID), blob.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		times[strings.TrimPrefix(info.Key, GenerationPrefix(genID))] = info.ModTime
	}
	var b bytes.Buffer
	if err := WriteTimes(&b, times); err != nil {
		t.Fatal(err)
	}
	put(t, store, TimesKey(genID), b.Bytes())
}
