package bench

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	lsfile "github.com/benbjohnson/litestream/file"
	"github.com/google/go-cmp/cmp"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/ltx"
)

// clients are the two that have to understand each other, on one directory.
var clients = map[string]func(dir string) replicate.ReplicaClient{
	"ours":       func(dir string) replicate.ReplicaClient { return file.NewReplicaClient(dir) },
	"litestream": func(dir string) replicate.ReplicaClient { return lsfile.NewReplicaClient(dir) },
}

// ltxFile is a valid header and n bytes that no decoder would take: a client
// moves files, it does not look into them.
func ltxFile(minTXID, maxTXID ltx.TXID, n int) []byte {
	h := ltx.Header{
		Version: 3, Flags: ltx.HeaderFlagNoChecksum, PageSize: 4096, Commit: 1, MinTXID: minTXID, MaxTXID: maxTXID,
		Timestamp: time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC).UnixMilli() + int64(maxTXID%1e9),
	}
	b, err := h.MarshalBinary()
	if err != nil {
		panic(err)
	}
	body := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(minTXID), byte(maxTXID)}).Read(body)
	return append(b, body...)
}

func list(t *testing.T, c replicate.ReplicaClient, level int, seek ltx.TXID, trueTimes bool) (infos []ltx.FileInfo) {
	t.Helper()
	itr, err := c.LTXFiles(t.Context(), level, seek, trueTimes)
	if err != nil {
		t.Fatal(err)
	}
	for itr.Next() {
		infos = append(infos, *itr.Item())
	}
	if err := errors.Join(itr.Err(), itr.Close()); err != nil {
		t.Fatal(err)
	}
	return infos
}

func read(t *testing.T, c replicate.ReplicaClient, info ltx.FileInfo, offset, size int64) []byte {
	t.Helper()
	rc, err := c.OpenLTXFile(t.Context(), info.Level, info.MinTXID, info.MaxTXID, offset, size)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(rc)
	if err := errors.Join(err, rc.Close()); err != nil {
		t.Fatal(err)
	}
	return data
}

// TestSameFiles: what one client wrote, the other lists, reads and deletes, and
// both see the same.
func TestSameFiles(t *testing.T) {
	for writer, open := range clients {
		t.Run("written by "+writer, func(t *testing.T) {
			dir := t.TempDir()
			want := make(map[ltx.FileInfo][]byte)
			for level := ltx.MinLevel; level <= ltx.MaxLevel; level++ {
				for _, r := range [][2]ltx.TXID{{1, 1}, {2, 9}, {10, 10}, {0x1234, 0xffffffffffff}} {
					data := ltxFile(r[0], r[1], 1000+level)
					info, err := open(dir).WriteLTXFile(t.Context(), level, r[0], r[1], bytes.NewReader(data))
					if err != nil {
						t.Fatal(err)
					}
					want[*info] = data
				}
			}
			testReaders(t, dir, want)
			testDelete(t, dir)
		})
	}
}

func testReaders(t *testing.T, dir string, want map[ltx.FileInfo][]byte) {
	t.Helper()
	n := 0
	for level := ltx.MinLevel; level <= ltx.MaxLevel; level++ {
		for _, seek := range []ltx.TXID{0, 1, 3, 10, 0x1234, 0x1235} {
			for _, trueTimes := range []bool{false, true} {
				ours := list(t, clients["ours"](dir), level, seek, trueTimes)
				theirs := list(t, clients["litestream"](dir), level, seek, trueTimes)
				sortInfos(theirs)
				if diff := cmp.Diff(theirs, ours); diff != "" {
					t.Errorf("level %d from %s (-litestream +ours):\n%s", level, seek, diff)
				}
			}
		}
		for _, info := range list(t, clients["ours"](dir), level, 0, false) {
			n++
			for name, open := range clients {
				for _, r := range [][2]int64{{0, 0}, {0, ltx.HeaderSize}, {500, 100}, {900, 0}} {
					data := want[info][r[0]:]
					if r[1] > 0 {
						data = data[:r[1]]
					}
					if got := read(t, open(dir), info, r[0], r[1]); !bytes.Equal(got, data) {
						t.Errorf("%s reads %d bytes of %v at %d+%d", name, len(got), info, r[0], r[1])
					}
				}
			}
		}
	}
	if n != len(want) {
		t.Errorf("%d files, want %d", n, len(want))
	}
}

func testDelete(t *testing.T, dir string) {
	t.Helper()
	infos := list(t, clients["ours"](dir), 0, 0, false)
	for i, name := range []string{"ours", "litestream"} {
		if err := clients[name](dir).DeleteLTXFiles(t.Context(), []*ltx.FileInfo{&infos[i]}); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(infos[2:], list(t, clients["ours"](dir), 0, 0, false)); diff != "" {
		t.Errorf("after a delete by each (-want +got):\n%s", diff)
	}
	for name, open := range clients {
		if _, err := open(dir).OpenLTXFile(t.Context(), 0, 1, 1, 0, 0); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s opens a deleted file: %v", name, err)
		}
	}
}

// TestSamePaths: both name the same places.
func TestSamePaths(t *testing.T) {
	ours, theirs := file.NewReplicaClient("/x/y"), lsfile.NewReplicaClient("/x/y")
	if ours.Path() != theirs.Path() || ours.Type() != theirs.Type() {
		t.Errorf("path %q and %q, type %q and %q", ours.Path(), theirs.Path(), ours.Type(), theirs.Type())
	}
	for level := ltx.MinLevel; level <= ltx.MaxLevel; level++ {
		if got, want := ours.LTXLevelDir(level), theirs.LTXLevelDir(level); got != want {
			t.Errorf("LTXLevelDir(%d): got %q, want %q", level, got, want)
		}
		if got, want := ours.LTXFilePath(level, 10, 0xabc), theirs.LTXFilePath(level, 10, 0xabc); got != want {
			t.Errorf("LTXFilePath(%d): got %q, want %q", level, got, want)
		}
	}
}

// TestSameBackups: both see the same in the v0.3 backup that is in testdata.
func TestSameBackups(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("..", "testdata", "v0.3", "replica"))); err != nil {
		t.Fatal(err)
	}
	times, err := filepath.Glob(filepath.Join(dir, "generations", "*", "times.json"))
	if err != nil || len(times) == 0 {
		t.Fatalf("times.json: %v, %v", times, err)
	}
	for _, path := range times { // ours believes it, Litestream does not know it
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	testSameBackups(t, file.NewReplicaClient(dir), fromLitestream{lsfile.NewReplicaClient(dir)})
}

func testSameBackups(t *testing.T, ours, theirs replicate.ReplicaClientV3) {
	t.Helper()
	generations := same(t, "GenerationsV3", ours.GenerationsV3, theirs.GenerationsV3)
	if len(generations) != 2 {
		t.Fatalf("generations %q", generations)
	}
	for _, g := range generations {
		for _, s := range same(t, "SnapshotsV3", with(g, ours.SnapshotsV3), with(g, theirs.SnapshotsV3)) {
			got, want := content(t)(ours.OpenSnapshotV3(t.Context(), g, s.Index)), content(t)(theirs.OpenSnapshotV3(t.Context(), g, s.Index))
			if !bytes.Equal(got, want) {
				t.Errorf("snapshot %s/%d: %d bytes, want %d", g, s.Index, len(got), len(want))
			}
		}
		for _, s := range same(t, "WALSegmentsV3", with(g, ours.WALSegmentsV3), with(g, theirs.WALSegmentsV3)) {
			got := content(t)(ours.OpenWALSegmentV3(t.Context(), g, s.Index, s.Offset))
			want := content(t)(theirs.OpenWALSegmentV3(t.Context(), g, s.Index, s.Offset))
			if !bytes.Equal(got, want) {
				t.Errorf("segment %s/%d/%d: %d bytes, want %d", g, s.Index, s.Offset, len(got), len(want))
			}
		}
	}
}
