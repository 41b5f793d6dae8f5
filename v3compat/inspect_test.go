package v3compat

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/replctl/replicate/blob"
)

// backup makes a generation from a drawing: "s0 0:0 0:1020 1:0 s1 ..." are a
// snapshot of index 0, segments of index 0 at 0 and 1020, and so on, in hex,
// each a second after the one before. A name with a slash stands for itself, "!"
// after an entry makes the object empty.
func backup(t testing.TB, drawing string) *blob.Memory {
	t.Helper()
	store := blob.NewMemory()
	for i, item := range strings.Fields(drawing) {
		item, empty := strings.CutSuffix(item, "!")
		data := []byte("not read here")
		if empty {
			data = nil
		}
		putAt(t, store, GenerationPrefix(genID)+objectName(t, item), data, second(i))
	}
	return store
}

func objectName(t testing.TB, item string) string {
	t.Helper()
	var index int
	var offset int64
	switch {
	case strings.Contains(item, "/"):
		return item
	case strings.HasPrefix(item, "s"):
		if _, err := fmt.Sscanf(item, "s%x", &index); err != nil {
			t.Fatal(err)
		}
		return SnapshotsDir + FormatSnapshotName(index)
	}
	if _, err := fmt.Sscanf(item, "%x:%x", &index, &offset); err != nil {
		t.Fatal(err)
	}
	return WALDir + FormatWALSegmentName(index, offset)
}

// findings are the problems as text: severity, object below the generation, and
// the message up to its first ":" or ",".
func findings(problems []Problem) []string {
	var out []string
	for _, p := range problems {
		message := p.Message
		if i := strings.IndexAny(message, ":,"); i >= 0 {
			message = message[:i]
		}
		out = append(out, string(p.Severity)+" "+strings.TrimPrefix(p.Object, GenerationPrefix(genID))+" "+message)
	}
	return out
}

// stretches are the extents as text: "0:0-3:1020".
func stretches(extents []Extent) []string {
	var out []string
	for _, e := range extents {
		out = append(out, fmt.Sprintf("%x:%x-%x:%x", e.From.Index, e.From.Offset, e.To.Index, e.To.Offset))
	}
	return out
}

func inspect(t *testing.T, store blob.Reader, opts InspectOptions) *Report {
	t.Helper()
	rep, err := New(store).Inspect(t.Context(), genID, opts)
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

var inspectNames = map[string]struct {
	drawing    string
	restorable []string
	problems   []string
}{
	"whole":                         {"s0 0:0 0:1020 1:0 s1 1:1020 2:0", []string{"0:0-2:0"}, nil},
	"a snapshot only":               {"s3", []string{"3:0-3:0"}, nil},
	"a newest snapshot without WAL": {"s0 0:0 1:0 s2", []string{"0:0-2:0"}, nil},
	"starts late":                   {"s7 7:0 8:0", []string{"7:0-8:0"}, nil},
	"high index": {"sfffffffe fffffffe:0 ffffffff:100000000 ffffffff:0",
		[]string{"fffffffe:0-ffffffff:100000000"}, nil},
	"no snapshot": {"0:0 1:0", nil, []string{
		"error snapshots/ no snapshot",
	}},
	"first segment missing": {"s79 79:0 7a:1038 7b:0", []string{"79:0-79:0"}, []string{
		"error wal/0000007a_00000000.wal.lz4 segment at offset 0 missing",
	}},
	"first segment of the snapshot missing": {"s0 0:1020 1:0", []string{"0:0-0:0"}, []string{
		"error wal/00000000_00000000.wal.lz4 segment at offset 0 missing",
	}},
	"index missing": {"s0 0:0 2:0", []string{"0:0-0:0"}, []string{
		"error wal/00000001_00000000.wal.lz4 index 00000001 is missing",
	}},
	"index of the snapshot missing": {"s0 1:0", []string{"0:0-0:0"}, []string{
		"error wal/00000000_00000000.wal.lz4 index 00000000 is missing",
	}},
	"indices missing, then a snapshot": {"s0 0:0 5:0 s5 6:0", []string{"0:0-0:0", "5:0-6:0"}, []string{
		"error wal/00000001_00000000.wal.lz4 indices 00000001 to 00000004 are missing",
	}},
	"snapshot inside a gap": {"s0 0:0 s3 6:0", []string{"0:0-0:0", "3:0-3:0"}, []string{
		"error wal/00000001_00000000.wal.lz4 indices 00000001 to 00000005 are missing",
	}},
	"gap before the newest snapshot": {"s0 0:0 s3", []string{"0:0-0:0", "3:0-3:0"}, []string{
		"error wal/00000001_00000000.wal.lz4 indices 00000001 to 00000002 are missing",
	}},
	"a gap as wide as can be": {"s0 0:0 ffffffff:0", []string{"0:0-0:0"}, []string{
		"error wal/00000001_00000000.wal.lz4 indices 00000001 to fffffffe are missing",
	}},
	"WAL before the oldest snapshot": {"1:1020 3:0 s4 4:0", []string{"4:0-4:0"}, []string{
		"warning wal/ 2 WAL segments",
	}},
	"one offset twice": {"s0 0:0 0:20 wal/00000000_0000000000000020.wal.lz4 0:1020 1:0", []string{"0:0-0:0"}, []string{
		"error wal/00000000_00000020.wal.lz4 offset 00000020 of index 00000000 is there twice",
	}},
	"foreign names": {"s0 0:0 wal/README x/y snapshots/00000000.snapshot 0:1020", []string{"0:0-0:1020"}, []string{
		"warning snapshots/00000000.snapshot not a name that Litestream writes here",
		"warning wal/README not a name that Litestream writes here",
		"warning x/y not a name that Litestream writes here",
	}},
	"leftovers": {"s0 0:0 wal/00000000_00001020.wal.lz4.tmp snapshots/00000001.snapshot.lz4.tmp", []string{"0:0-0:0"},
		[]string{
			"warning snapshots/00000001.snapshot.lz4.tmp leftover of an interrupted write",
			"warning wal/00000000_00001020.wal.lz4.tmp leftover of an interrupted write",
		}},
	"only a leftover": {"snapshots/00000000.snapshot.lz4.tmp", nil, []string{
		"error snapshots/ no snapshot",
		"warning snapshots/00000000.snapshot.lz4.tmp leftover of an interrupted write",
	}},
	"empty snapshot": {"s0! 0:0 s1 1:0", []string{"1:0-1:0"}, []string{
		"error snapshots/00000000.snapshot.lz4 empty object",
	}},
	"empty segment": {"s0 0:0 0:1020! 0:2040 1:0 s1", []string{"0:0-0:0", "1:0-1:0"}, []string{
		"error wal/00000000_00001020.wal.lz4 empty object",
	}},
	"empty segment that nothing needs": {"0:0! s1 1:0", []string{"1:0-1:0"}, []string{
		"warning wal/ 1 WAL segments",
		"warning wal/00000000_00000000.wal.lz4 empty object; no snapshot needs it",
	}},
	"times go back": {"1:0 s0 0:0 s1", []string{"0:0-1:0"}, []string{
		"warning wal/00000001_00000000.wal.lz4 its time",
	}},
}

func TestInspectNames(t *testing.T) {
	for name, test := range inspectNames {
		t.Run(name, func(t *testing.T) {
			rep := inspect(t, backup(t, test.drawing), InspectOptions{})
			if diff := cmp.Diff(test.restorable, stretches(rep.Restorable)); diff != "" {
				t.Errorf("restorable: %s", diff)
			}
			if diff := cmp.Diff(test.problems, findings(rep.Problems)); diff != "" {
				t.Errorf("problems: %s", diff)
			}
		})
	}
}

// What a break means is part of the message.
func TestInspectConsequence(t *testing.T) {
	for drawing, want := range map[string]string{
		"s79 79:0 7a:1038": "segment at offset 0 missing: index 0000007a cannot be applied, nothing after it " +
			"in this generation can be restored",
		"s79 79:0 7a:1038 7b:0 s7b": "segment at offset 0 missing: index 0000007a cannot be applied, states from here " +
			"to the snapshot of index 0000007b cannot be restored",
		"s79 79:0 7a:1038 7b:0 s7b!": "segment at offset 0 missing: index 0000007a cannot be applied, nothing after it " +
			"in this generation can be restored",
		"s0 0:0 4:0": "indices 00000001 to 00000003 are missing: nothing after it in this generation " +
			"can be restored",
		"s0 0:0 0:1020! 1:0 s1": "empty object: index 00000000 ends before it, states from here to the snapshot of " +
			"index 00000001 cannot be restored",
		"0:0 0:1020": "no snapshot: nothing in this generation can be restored, its 2 WAL segments " +
			"included",
		"s0! 0:0": "empty object: nothing can be restored from this snapshot",
		"0:0 1:0 s2 wal/x 2:0 2:20": "2 WAL segments, of indices 00000000 to 00000001, are older than the oldest " +
			"snapshot (00000002) and cannot be restored; retention usually deletes them",
		"s0 0:0 1:0!": "empty object: index 00000001 ends before it, nothing after it in this generation " +
			"can be restored (Litestream v0.3.x can leave an empty object when it is stopped at the start of an index: then " +
			"nothing is missing)",
		"s0 0:0 0:1020 0:2040! wal/xy": "empty object: index 00000000 ends before it, nothing after it in this generation " +
			"can be restored",
	} {
		rep := inspect(t, backup(t, drawing), InspectOptions{})
		var messages []string
		for _, p := range rep.Problems {
			messages = append(messages, p.Message)
		}
		if !strings.Contains("\n"+strings.Join(messages, "\n")+"\n", "\n"+want+"\n") {
			t.Errorf("%s: got %q, want %q", drawing, messages, want)
		}
	}
}

func TestInspectReport(t *testing.T) {
	store := blob.NewMemory()
	putAt(t, store, SnapshotKey(genID, 4), make([]byte, 100), second(5))
	putAt(t, store, WALSegmentKey(genID, 4, 0), make([]byte, 20), second(3))
	putAt(t, store, WALSegmentKey(genID, 4, 4152), make([]byte, 3), second(9))
	s := &spy{Reader: store}
	rep := inspect(t, s, InspectOptions{})
	want := &Report{
		Generation:  genID,
		Snapshots:   []SnapshotInfo{{genID, 4, 100, second(5)}},
		WALSegments: []WALSegmentInfo{{genID, 4, 0, 20, second(3)}, {genID, 4, 4152, 3, second(9)}},
		Bytes:       123,
		CreatedAt:   second(3),
		UpdatedAt:   second(9),
		Restorable:  []Extent{{Pos{genID, 4, 0}, second(5), Pos{genID, 4, 4152}, second(9)}},
	}
	if diff := cmp.Diff(want, rep); diff != "" {
		t.Error(diff)
	}
	if s.lists != 1 || s.opens != 0 || s.stats != 0 {
		t.Errorf("it cost %+v, want one list", *s)
	}
}

func TestInspectNothing(t *testing.T) {
	if rep, err := New(blob.NewMemory()).Inspect(t.Context(), genID, InspectOptions{}); !errors.Is(err, ErrNoObjects) {
		t.Errorf("got %v, %v, want ErrNoObjects", rep, err)
	}
}

func TestExtentTimes(t *testing.T) {
	// The chain runs through the second snapshot, which is the newest object.
	rep := inspect(t, backup(t, "s0 0:0 1:0 s1"), InspectOptions{})
	want := []Extent{{Pos{genID, 0, 0}, second(0), Pos{genID, 1, 0}, second(3)}}
	if diff := cmp.Diff(want, rep.Restorable); diff != "" {
		t.Error(diff)
	}
	// A snapshot that the chain leaves behind does not date its end.
	rep = inspect(t, backup(t, "s0 0:0 1:0 2:0 s1"), InspectOptions{})
	want = []Extent{{Pos{genID, 0, 0}, second(0), Pos{genID, 2, 0}, second(3)}}
	if diff := cmp.Diff(want, rep.Restorable); diff != "" {
		t.Error(diff)
	}
}

func TestInspectTimes(t *testing.T) {
	all := map[string]time.Time{snapshotName: second(1), segmentName: second(2)}
	rep := inspect(t, withTimes(t, encodeTimes(t, all)), InspectOptions{})
	if rep.CreatedAt != second(1) || rep.UpdatedAt != second(2) || len(rep.Problems) != 0 {
		t.Errorf("got %v to %v with problems %v", rep.CreatedAt, rep.UpdatedAt, rep.Problems)
	}

	more := map[string]time.Time{snapshotName: second(1), segmentName: second(2),
		"wal/00000000_00001020.wal.lz4": second(3)}
	rep = inspect(t, withTimes(t, encodeTimes(t, more)), InspectOptions{})
	want := []string{"error wal/00000000_00001020.wal.lz4 times.json mentions it and it is not here"}
	if diff := cmp.Diff(want, findings(rep.Problems)); diff != "" {
		t.Error(diff)
	}

	rep = inspect(t, withTimes(t, encodeTimes(t, map[string]time.Time{snapshotName: second(1)})), InspectOptions{})
	want = []string{"error " + segmentName + " times.json does not mention it"}
	if diff := cmp.Diff(want, findings(rep.Problems)); diff != "" {
		t.Error(diff)
	}
	if at := rep.WALSegments[0].CreatedAt; !at.IsZero() || !rep.UpdatedAt.Equal(second(1)) {
		t.Errorf("the segment's time is %v, want none; the newest is %v", at, rep.UpdatedAt)
	}

	rep = inspect(t, withTimes(t, []byte("{")), InspectOptions{})
	want = []string{"error times.json unusable times.json"}
	if diff := cmp.Diff(want, findings(rep.Problems)); diff != "" {
		t.Error(diff)
	}
	if !rep.CreatedAt.IsZero() || !rep.Snapshots[0].CreatedAt.IsZero() {
		t.Errorf("times %v and %v came from the store", rep.CreatedAt, rep.Snapshots[0].CreatedAt)
	}
}
