//go:build realtools

package interop

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/replctl/replicate/file"
)

// newV3Replica is a backup that Litestream v0.3 wrote just now, in two
// generations.
func newV3Replica(t *testing.T, binary string) string {
	t.Helper()
	source := openDatabase(t)
	replica := filepath.Join(t.TempDir(), "replica")
	config := fmt.Sprintf(`
dbs:
  - path: %s
    monitor-interval: 50ms
    checkpoint-interval: 1h
    min-checkpoint-page-count: 20
    replicas:
      - {type: file, path: %s, sync-interval: 50ms, snapshot-interval: 1s, retention: 24h}
`, source.path, replica)
	for generation := 1; generation <= 2; generation++ {
		source.insert()
		d := replicate(t, binary, config)
		writeUntil(t, source, "generation with two snapshots and three WAL files", func() bool {
			dirs, err := filepath.Glob(replica + "/generations/*")
			must(t, err)
			return len(dirs) == generation && slices.IndexFunc(dirs, func(dir string) bool {
				return countFiles(t, dir+"/snapshots/*.lz4") < 2 || countFiles(t, dir+"/wal/00000002_*.lz4") == 0
			}) < 0
		})
		d.stop()
		// Emptied behind Litestream's back, the WAL begins a new generation.
		source.exec("PRAGMA wal_checkpoint(TRUNCATE)")
		source.insert()
	}
	return replica
}

func TestV3(t *testing.T) {
	binary := litestream03(t)
	replica := newV3Replica(t, binary)
	generations := v3Lines(t, replica)
	for command, want := range generations {
		if diff := gocmp.Diff(table(t, binary, command, replica), want); diff != "" {
			t.Errorf("litestream %s (-litestream +ours):\n%s", command, diff)
		}
	}
	testV3Directory(t, replica)
}

// table is the output of a v0.3 command as lines with single spaces, sorted,
// without the title and the name of the replica.
func table(t *testing.T, binary, command, replica string) (lines []string) {
	t.Helper()
	out := strings.Split(strings.TrimSpace(string(run(t, binary, command, "file://"+replica))), "\n")
	for _, line := range out[1:] {
		fields := strings.Fields(line)[1:]
		if command == "generations" {
			fields = slices.Delete(fields, 1, 2) // how far it lags behind now
		}
		lines = append(lines, strings.Join(fields, " "))
	}
	slices.Sort(lines)
	return lines
}

// v3Lines are the same lines from our listings.
func v3Lines(t *testing.T, replica string) map[string][]string {
	t.Helper()
	c := file.NewReplicaClient(replica)
	generations, err := c.GenerationsV3(t.Context())
	must(t, err)
	if len(generations) != 2 {
		t.Fatalf("generations %q, want two", generations)
	}
	lines := make(map[string][]string)
	seconds := func(at time.Time) string { return at.UTC().Format(time.RFC3339) }
	for _, g := range generations {
		var times []time.Time
		snapshots, err := c.SnapshotsV3(t.Context(), g)
		must(t, err)
		for _, s := range snapshots {
			times = append(times, s.CreatedAt)
			lines["snapshots"] = append(lines["snapshots"], fmt.Sprint(g, " ", s.Index, " ", s.Size, " ", seconds(s.CreatedAt)))
		}
		segments, err := c.WALSegmentsV3(t.Context(), g)
		must(t, err)
		for _, s := range segments {
			times = append(times, s.CreatedAt)
			lines["wal"] = append(
				lines["wal"],
				fmt.Sprint(g, " ", s.Index, " ", s.Offset, " ", s.Size, " ", seconds(s.CreatedAt)),
			)
		}
		oldest, newest := slices.MinFunc(times, time.Time.Compare), slices.MaxFunc(times, time.Time.Compare)
		lines["generations"] = append(lines["generations"], strings.Join([]string{g, seconds(oldest), seconds(newest)}, " "))
	}
	for _, l := range lines {
		slices.Sort(l)
	}
	return lines
}

// testV3Directory: every object in the directory is listed, with its size and
// time, and opens; nothing else is.
func testV3Directory(t *testing.T, replica string) {
	t.Helper()
	c := file.NewReplicaClient(replica)
	got := make(map[string]string)
	generations, err := c.GenerationsV3(t.Context())
	must(t, err)
	for _, g := range generations {
		snapshots, err := c.SnapshotsV3(t.Context(), g)
		must(t, err)
		for _, s := range snapshots {
			got[fmt.Sprintf("%s/snapshots/%08x.snapshot.lz4", g, s.Index)] = fmt.Sprint(s.Size, s.CreatedAt.UTC())
			drain(t)(c.OpenSnapshotV3(t.Context(), g, s.Index))
		}
		segments, err := c.WALSegmentsV3(t.Context(), g)
		must(t, err)
		for _, s := range segments {
			got[fmt.Sprintf("%s/wal/%08x_%08x.wal.lz4", g, s.Index, s.Offset)] = fmt.Sprint(s.Size, s.CreatedAt.UTC())
			drain(t)(c.OpenWALSegmentV3(t.Context(), g, s.Index, s.Offset))
		}
	}
	want := make(map[string]string)
	paths, err := filepath.Glob(replica + "/generations/*/*/*")
	must(t, err)
	for _, path := range paths {
		fi, err := os.Stat(path)
		must(t, err)
		rel, err := filepath.Rel(filepath.Join(replica, "generations"), path)
		must(t, err)
		want[filepath.ToSlash(rel)] = fmt.Sprint(fi.Size(), fi.ModTime().UTC())
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("-directory +ours:\n%s", diff)
	}
	t.Logf("%d objects", len(want))
}

func drain(t *testing.T) func(io.ReadCloser, error) {
	return func(rc io.ReadCloser, err error) {
		t.Helper()
		must(t, err)
		n, err := io.Copy(io.Discard, rc)
		if err != nil || n == 0 {
			t.Errorf("%d bytes, %v", n, err)
		}
		must(t, rc.Close())
	}
}
