package replicatest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/bits"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/v3compat"
)

const (
	genA = "0123456789abcdef"
	genB = "fedcba9876543210"
)

// lz4Frame is data, which is shorter than 16 bytes, in one stored block: a legal
// LZ4 frame with a content checksum, without a compressor.
func lz4Frame(data string) []byte {
	b := []byte{0x04, 0x22, 0x4d, 0x18, 0x64, 0x40, 0xa7}
	b = binary.LittleEndian.AppendUint32(b, uint32(len(data))|1<<31)
	b = append(b, data...)
	b = binary.LittleEndian.AppendUint32(b, 0)
	return binary.LittleEndian.AppendUint32(b, shortXXH32(data))
}

// shortXXH32 is the XXH32 hash, with seed zero, of less than 16 bytes.
func shortXXH32(data string) uint32 {
	const p1, p2, p3, p4, p5 = 2654435761, 2246822519, 3266489917, 668265263, 374761393
	h := uint32(p5) + uint32(len(data))
	b := []byte(data)
	for ; len(b) >= 4; b = b[4:] {
		h = bits.RotateLeft32(h+binary.LittleEndian.Uint32(b)*p3, 17) * p4
	}
	for _, c := range b {
		h = bits.RotateLeft32(h+uint32(c)*p5, 11) * p1
	}
	h = (h ^ h>>15) * p2
	h = (h ^ h>>13) * p3
	return h ^ h>>16
}

func openV3(t *testing.T, r Replica) replicate.ReplicaClientV3 {
	t.Helper()
	c, ok := r.Open().(replicate.ReplicaClientV3)
	if !ok {
		t.Fatalf("%T does not read v0.3.x backups", r.Open())
	}
	return c
}

func testV3(t *testing.T, r Replica) {
	c := openV3(t, r)
	if got, err := c.GenerationsV3(t.Context()); err != nil || len(got) != 0 {
		t.Errorf("GenerationsV3 of an empty replica: %q, %v", got, err)
	}
	for key, content := range map[string]string{
		genB + "/snapshots/0000000a.snapshot.lz4":           "snapshot b",
		genA + "/snapshots/00000002.snapshot.lz4":           "snapshot 2",
		genA + "/snapshots/00000000.snapshot.lz4":           "snapshot 0",
		genA + "/wal/00000001_00000000.wal.lz4":             "1:0",
		genA + "/wal/00000000_00001038.wal.lz4":             "0:1038",
		genA + "/wal/00000000_00000000.wal.lz4":             "0:0",
		genA + "/wal/00000000_100000000.wal.lz4":            "beyond 4 GiB",
		genA + "/wal/00000000_00000000.wal.lz4.tmp":         "leftover",
		genA + "/wal/README":                                "foreign",
		genA + "/snapshots/0.snapshot.lz4":                  "foreign",
		"0123456789ABCDEF/snapshots/00000000.snapshot.lz4":  "upper case",
		"0123456789abcde/snapshots/00000000.snapshot.lz4":   "short",
		"0123456789abcdef0/snapshots/00000000.snapshot.lz4": "long",
	} {
		plant(t, r, "generations/"+key, lz4Frame(content))
	}

	generations, err := c.GenerationsV3(t.Context())
	if diff := cmp.Diff([]string{genA, genB}, generations); err != nil || diff != "" {
		t.Errorf("GenerationsV3: %v (-want +got):\n%s", err, diff)
	}
	snapshots, err := c.SnapshotsV3(t.Context(), genA)
	if err != nil || len(snapshots) != 2 || snapshots[0].Index != 0 || snapshots[1].Index != 2 {
		t.Errorf("SnapshotsV3: %+v, %v", snapshots, err)
	}
	segments, err := c.WALSegmentsV3(t.Context(), genA)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range segments {
		if s.Generation != genA || s.Size == 0 || time.Since(s.CreatedAt) > time.Hour {
			t.Errorf("segment %+v", s)
		}
		got = append(got, s.Pos().String()+" "+readAll(t)(c.OpenWALSegmentV3(t.Context(), genA, s.Index, s.Offset)))
	}
	want := []string{
		genA + "/00000000:00000000 0:0", genA + "/00000000:00001038 0:1038",
		genA + "/00000000:100000000 beyond 4 GiB", genA + "/00000001:00000000 1:0",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("WAL segments (-want +got):\n%s", diff)
	}
	if got := readAll(t)(c.OpenSnapshotV3(t.Context(), genB, 10)); got != "snapshot b" {
		t.Errorf("snapshot: %q", got)
	}
}

func readAll(t *testing.T) func(io.ReadCloser, error) string {
	return func(rc io.ReadCloser, err error) string {
		t.Helper()
		if err != nil {
			t.Error(err)
			return ""
		}
		data, err := io.ReadAll(rc)
		if err := errors.Join(err, rc.Close()); err != nil {
			t.Error(err)
		}
		return string(data)
	}
}

func testV3Refusals(t *testing.T, r Replica) {
	c := openV3(t, r)
	for _, id := range []string{"", "..", "../../etc", "/etc", "0123456789ABCDEF", "0123456789abcde",
		"0123456789abcdef0", "0123456789abcde/"} {
		_, err := c.SnapshotsV3(t.Context(), id)
		wantIs(t, "SnapshotsV3 "+id, err, v3compat.ErrInvalidGeneration)
		_, err = c.WALSegmentsV3(t.Context(), id)
		wantIs(t, "WALSegmentsV3 "+id, err, v3compat.ErrInvalidGeneration)
		_, err = c.OpenSnapshotV3(t.Context(), id, 0)
		wantIs(t, "OpenSnapshotV3 "+id, err, v3compat.ErrInvalidGeneration)
		_, err = c.OpenWALSegmentV3(t.Context(), id, 0, 0)
		wantIs(t, "OpenWALSegmentV3 "+id, err, v3compat.ErrInvalidGeneration)
	}
	if got, err := c.SnapshotsV3(t.Context(), genA); err != nil || len(got) != 0 {
		t.Errorf("snapshots of an absent generation: %v, %v", got, err)
	}
	_, err := c.OpenSnapshotV3(t.Context(), genA, 0)
	wantMissing(t, "OpenSnapshotV3 of an absent snapshot", err)
	_, err = c.OpenWALSegmentV3(t.Context(), genA, 0, 0)
	wantMissing(t, "OpenWALSegmentV3 of an absent segment", err)
	for _, bad := range [][2]int64{{-1, 0}, {0, -1}, {1 << 33, 0}} {
		if _, err := c.OpenWALSegmentV3(t.Context(), genA, int(bad[0]), bad[1]); err == nil {
			t.Errorf("OpenWALSegmentV3(%d, %d) succeeds", bad[0], bad[1])
		}
	}
}

// testV3Damage: a frame cut anywhere is an error that names the object, never a
// shorter file.
func testV3Damage(t *testing.T, r Replica) {
	frame := lz4Frame("quick brown fox")
	key := "generations/" + genA + "/wal/00000000_00000000.wal.lz4"
	c := openV3(t, r)
	for n := range frame {
		plant(t, r, key, frame[:n])
		rc, err := c.OpenWALSegmentV3(t.Context(), genA, 0, 0)
		if err == nil {
			_, err = io.Copy(io.Discard, rc)
			_ = rc.Close()
		}
		if err == nil || !strings.Contains(err.Error(), "00000000_00000000.wal.lz4") {
			t.Errorf("frame cut at byte %d of %d: got error %v", n, len(frame), err)
		}
	}
}

// testV3Times: times.json, where a copy carries one, overrides the store's.
func testV3Times(t *testing.T, r Replica) {
	want := time.Date(2023, 4, 5, 6, 7, 8, 9, time.UTC)
	plant(t, r, "generations/"+genA+"/snapshots/00000000.snapshot.lz4", lz4Frame("x"))
	var buf bytes.Buffer
	if err := v3compat.WriteTimes(&buf, map[string]time.Time{"snapshots/00000000.snapshot.lz4": want}); err != nil {
		t.Fatal(err)
	}
	plant(t, r, "generations/"+genA+"/"+v3compat.TimesName, buf.Bytes())
	got, err := openV3(t, r).SnapshotsV3(t.Context(), genA)
	if err != nil || len(got) != 1 || !got[0].CreatedAt.Equal(want) {
		t.Errorf("SnapshotsV3: got %+v, %v, want time %v", got, err, want)
	}
	plant(t, r, "generations/"+genA+"/snapshots/00000001.snapshot.lz4", lz4Frame("y"))
	if got, err := openV3(t, r).SnapshotsV3(t.Context(), genA); err == nil {
		t.Errorf("an object with no true time is given one: %+v", got)
	}
}
