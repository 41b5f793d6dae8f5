//go:build realtools && realservers

package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
)

// TestS3ListsV03: replctl shows a bucket that Litestream v0.3 wrote as the SDK and
// Litestream list it, and as it shows the same files on a disk.
func TestS3ListsV03(t *testing.T) {
	litestream, r := litestream03(t), buildReplctl(t)
	eachServer(t, func(t *testing.T, b bucket) {
		source := b.writeV3(t, litestream)
		generations := v3Generations(t, b.objects(t, ""))
		var summaries, snapshots, segments []record
		for _, g := range generations {
			summaries, snapshots, segments = append(
				summaries,
				g.summary(),
			), append(
				snapshots,
				g.snapshots...), append(
				segments,
				g.segments...)
		}
		wantJSON(
			t,
			"generations",
			only(
				r.json(t, b.url(), "generations"),
				"generation",
				"snapshots",
				"wal_segments",
				"bytes",
				"created_at",
				"updated_at",
			),
			summaries,
		)
		wantJSON(t, "snapshots", r.json(t, b.url(), "snapshots"), snapshots)
		wantJSON(t, "wal", r.json(t, b.url(), "wal"), segments)
		wantJSON(t, "ltx", r.json(t, b.url(), "ltx"), nil)
		wantInspection(t, r, b, "v0.3")
		wantSameOnDisk(t, r, b)

		for command, want := range map[string][]string{
			"generations": lines(summaries, "generation", "created_at", "updated_at"),
			"snapshots":   lines(snapshots, "generation", "index", "size", "created_at"),
			"wal":         lines(segments, "generation", "index", "offset", "size", "created_at"),
		} {
			if diff := gocmp.Diff(source.table(t, litestream, command), want); diff != "" {
				t.Errorf("litestream %s (-litestream +bucket):\n%s", command, diff)
			}
		}
		t.Logf("%d generations, %d snapshots, %d segments", len(summaries), len(snapshots), len(segments))
	})
}

// v3Source is a database with the configuration of its backup.
type v3Source struct {
	*database
	config string
}

// writeV3 lets Litestream v0.3 back up a new database, in two generations.
func (b bucket) writeV3(t *testing.T, litestream string) v3Source {
	t.Helper()
	source := openDatabase(t)
	config := fmt.Sprintf(`
dbs:
  - path: %s
    monitor-interval: 50ms
    checkpoint-interval: 1h
    min-checkpoint-page-count: 20
    replicas:
      - %s
`, source.path, b.replicaConfig(", snapshot-interval: 1s, retention: 24h"))
	for wanted := 1; wanted <= 2; wanted++ {
		source.insert()
		d := replicate(t, litestream, config)
		writeUntil(t, source, "generation with two snapshots and three WAL files", func() bool {
			generations := v3Generations(t, b.objects(t, ""))
			return len(generations) == wanted && !slices.ContainsFunc(generations, func(g *v3Generation) bool {
				return len(g.snapshots) < 2 || !slices.ContainsFunc(g.segments, func(s record) bool { return s["index"] == 2 })
			})
		})
		d.stop()
		// Emptied behind Litestream's back, the WAL begins a new generation.
		source.exec("PRAGMA wal_checkpoint(TRUNCATE)")
		source.insert()
	}
	path := filepath.Join(t.TempDir(), "litestream.yml")
	must(t, os.WriteFile(path, []byte(config), 0o600))
	return v3Source{source, path}
}

// table is what the function of that name makes of a replica's URL, for one that
// is found by its configuration: v0.3 takes no endpoint from a URL.
func (s v3Source) table(t *testing.T, litestream, command string) (lines []string) {
	t.Helper()
	out := strings.Split(strings.TrimSpace(string(run(t, litestream, command, "-config", s.config, s.path))), "\n")
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

// lines are some fields of each record, times to the second, sorted.
func lines(records []record, keys ...string) (lines []string) {
	for _, r := range records {
		var fields []string
		for _, key := range keys {
			if at, ok := r[key].(time.Time); ok {
				fields = append(fields, at.Format(time.RFC3339))
			} else {
				fields = append(fields, fmt.Sprint(r[key]))
			}
		}
		lines = append(lines, strings.Join(fields, " "))
	}
	slices.Sort(lines)
	return lines
}

// v3Generation is what should be said of the objects of a generation.
type v3Generation struct {
	id                  string
	bytes               int64
	times               []time.Time
	snapshots, segments []record
}

func (g *v3Generation) summary() record {
	return record{
		"generation": g.id, "snapshots": len(g.snapshots), "wal_segments": len(g.segments), "bytes": g.bytes,
		"created_at": slices.MinFunc(g.times, time.Time.Compare), "updated_at": slices.MaxFunc(g.times, time.Time.Compare),
	}
}

func v3Generations(t *testing.T, objects []object) (generations []*v3Generation) {
	t.Helper()
	for _, o := range objects {
		parts := strings.Split(o.key, "/") // generations/<id>/snapshots/<name>
		if n := len(generations); n == 0 || generations[n-1].id != parts[1] {
			generations = append(generations, &v3Generation{id: parts[1]})
		}
		g := generations[len(generations)-1]
		g.bytes, g.times = g.bytes+o.size, append(g.times, o.modified)
		entry := record{"generation": g.id, "size": o.size, "created_at": o.modified}
		var index, offset int
		if parts[2] == "snapshots" {
			_, err := fmt.Sscanf(parts[3], "%08x.snapshot.lz4", &index)
			must(t, err)
			entry["format"], entry["index"] = "v0.3", index
			g.snapshots = append(g.snapshots, entry)
		} else {
			_, err := fmt.Sscanf(parts[3], "%08x_%08x.wal.lz4", &index, &offset)
			must(t, err)
			entry["index"], entry["offset"] = index, offset
			g.segments = append(g.segments, entry)
		}
	}
	return generations
}
