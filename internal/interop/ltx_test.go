//go:build realtools

package interop

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/ltx"
)

// newLTXReplica is a replica that Litestream v0.5 wrote just now, with files at
// several levels, and the database it is of.
func newLTXReplica(t *testing.T, binary string) (replica, db string) {
	t.Helper()
	source := openDatabase(t)
	replica = filepath.Join(t.TempDir(), "replica")
	source.insert()
	d := replicate(t, binary, config05(source.path, fmt.Sprintf("{type: file, path: %s, sync-interval: 50ms}", replica)))
	writeUntil(t, source, "two files at each of the levels 0, 1, 2 and 9", func() bool {
		for _, level := range []int{0, 1, 2, 9} {
			if countFiles(t, fmt.Sprintf("%s/ltx/%d/*.ltx", replica, level)) < 2 {
				return false
			}
		}
		return true
	})
	d.stop()
	return replica, source.path
}

// config05 makes Litestream v0.5 compact and snapshot within seconds.
func config05(db, replica string) string {
	return fmt.Sprintf(`
levels:
  - interval: 1s
  - interval: 3s
snapshot: {interval: 3s, retention: 24h}
l0-retention: 1h
dbs:
  - path: %s
    monitor-interval: 50ms
    checkpoint-interval: 2s
    min-checkpoint-page-count: 50
    replica: %s
`, db, replica)
}

func TestLTX(t *testing.T) {
	binary := litestream05(t)
	replica, db := newLTXReplica(t, binary)
	t.Run("Listing", func(t *testing.T) { testLTXListing(t, binary, replica) })
	t.Run("Copy", func(t *testing.T) { testLTXCopy(t, binary, replica, db) })
}

func ours(t *testing.T, replica string, level int, seek ltx.TXID, trueTimes bool) []ltx.FileInfo {
	t.Helper()
	itr, err := file.NewReplicaClient(replica).LTXFiles(t.Context(), level, seek, trueTimes)
	must(t, err)
	infos := []ltx.FileInfo{}
	for itr.Next() {
		infos = append(infos, *itr.Item())
	}
	must(t, itr.Close())
	return infos
}

// inDirectory lists a level with nothing but the operating system.
func inDirectory(t *testing.T, replica string, level int, trueTimes bool) []ltx.FileInfo {
	t.Helper()
	dir := filepath.Join(replica, "ltx", fmt.Sprint(level))
	entries, err := os.ReadDir(dir) // sorted
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	infos := []ltx.FileInfo{}
	for _, e := range entries {
		info := ltx.FileInfo{Level: level}
		_, err := fmt.Sscanf(e.Name(), "%16x-%16x.ltx", &info.MinTXID, &info.MaxTXID)
		must(t, err)
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		must(t, err)
		fi, err := e.Info()
		must(t, err)
		info.Size, info.CreatedAt = int64(len(data)), fi.ModTime().UTC()
		if trueTimes {
			info.CreatedAt = time.UnixMilli(int64(binary.BigEndian.Uint64(data[32:]))).UTC()
		}
		infos = append(infos, info)
	}
	return infos
}

// byLitestream is what "litestream ltx" says of a directory, to the second.
func byLitestream(t *testing.T, binary, replica string) []ltx.FileInfo {
	t.Helper()
	return byLitestreamAt(t, binary, "file://"+replica)
}

func byLitestreamAt(t *testing.T, binary, url string) []ltx.FileInfo {
	t.Helper()
	var list []struct {
		Level     int       `json:"level"`
		MinTXID   string    `json:"min_txid"`
		MaxTXID   string    `json:"max_txid"`
		Size      int64     `json:"size"`
		Timestamp time.Time `json:"timestamp"`
	}
	must(t, json.Unmarshal(run(t, binary, "ltx", "-level", "all", "-json", url), &list))
	infos := []ltx.FileInfo{}
	for _, f := range list {
		minTXID, err := ltx.ParseTXID(f.MinTXID)
		must(t, err)
		maxTXID, err := ltx.ParseTXID(f.MaxTXID)
		must(t, err)
		infos = append(
			infos,
			ltx.FileInfo{Level: f.Level, MinTXID: minTXID, MaxTXID: maxTXID, Size: f.Size, CreatedAt: f.Timestamp},
		)
	}
	slices.SortFunc(infos, func(a, b ltx.FileInfo) int {
		return cmp.Or(cmp.Compare(a.Level, b.Level), cmp.Compare(a.MinTXID, b.MinTXID), cmp.Compare(a.MaxTXID, b.MaxTXID))
	})
	return infos
}

func testLTXListing(t *testing.T, binary, replica string) {
	all := []ltx.FileInfo{}
	for level := ltx.MinLevel; level <= ltx.MaxLevel; level++ {
		for _, trueTimes := range []bool{false, true} {
			want := inDirectory(t, replica, level, trueTimes)
			if diff := gocmp.Diff(want, ours(t, replica, level, 0, trueTimes)); diff != "" {
				t.Errorf("level %d, true times %v (-directory +ours):\n%s", level, trueTimes, diff)
			}
			for i := range want {
				got := ours(t, replica, level, want[i].MinTXID, trueTimes)
				for i > 0 && want[i-1].MinTXID == want[i].MinTXID {
					i-- // snapshots all begin at 1
				}
				if diff := gocmp.Diff(want[i:], got); diff != "" {
					t.Errorf("level %d from %s (-directory +ours):\n%s", level, want[i].MinTXID, diff)
				}
			}
		}
		for _, info := range ours(t, replica, level, 0, false) {
			info.CreatedAt = info.CreatedAt.Truncate(time.Second)
			all = append(all, info)
		}
	}
	if diff := gocmp.Diff(byLitestream(t, binary, replica), all); diff != "" {
		t.Errorf("-litestream +ours:\n%s", diff)
	}
	t.Logf("%d files", len(all))
}

// testLTXCopy: Litestream restores what we wrote as it does what it wrote, also
// at transactions and times in between.
func testLTXCopy(t *testing.T, binary, replica, db string) {
	copied := filepath.Join(t.TempDir(), "copy")
	from, to := file.NewReplicaClient(replica), file.NewReplicaClient(copied)
	for level := ltx.MinLevel; level <= ltx.MaxLevel; level++ {
		for _, info := range ours(t, replica, level, 0, true) {
			rc, err := from.OpenLTXFile(t.Context(), level, info.MinTXID, info.MaxTXID, 0, 0)
			must(t, err)
			written, err := to.WriteLTXFile(t.Context(), level, info.MinTXID, info.MaxTXID, rc)
			must(t, err)
			must(t, rc.Close())
			if *written != info {
				t.Errorf("wrote %v, want %v", *written, info)
			}
		}
	}
	if diff := gocmp.Diff(byLitestream(t, binary, replica), byLitestream(t, binary, copied)); diff != "" {
		t.Errorf("litestream lists another replica (-original +copy):\n%s", diff)
	}

	if got, want := dump(t, restored(t, binary, "file://"+copied)), dump(t, db); got != want {
		t.Errorf("the copy restores to a dump of %d bytes, the database's has %d", len(got), len(want))
	}
	files := ours(t, replica, 0, 0, true)
	mid := files[len(files)/2]
	for _, at := range [][]string{
		{"-txid", mid.MaxTXID.String()},
		{"-timestamp", mid.CreatedAt.Add(time.Millisecond).Format(time.RFC3339Nano)},
	} {
		got := restored(t, binary, append(at, "file://"+copied)...)
		want := restored(t, binary, append(at, "file://"+replica)...)
		a, err := os.ReadFile(got)
		must(t, err)
		b, err := os.ReadFile(want)
		must(t, err)
		if !bytes.Equal(a, b) {
			t.Errorf("%v: the copy restores to another database than the original", at)
		}
	}
}
