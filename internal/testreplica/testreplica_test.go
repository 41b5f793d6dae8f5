package testreplica

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// objects lists the files below dir whose name ends in suffix.
func objects(t *testing.T, dir, suffix string) []string {
	t.Helper()
	var names []string
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && strings.HasSuffix(path, suffix) {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func size(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

func modTime(t *testing.T, path string) time.Time {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.ModTime()
}

func TestLTXFacts(t *testing.T) {
	dir := Dir(t, "v0.5")
	facts := Expected(t, "v0.5")
	got := LTX{}
	for _, level := range []int{0, 1, 2, 9} {
		levelDir := filepath.Join(dir, "ltx", fmt.Sprint(level))
		l := Level{Level: level}
		for _, name := range objects(t, levelDir, ".ltx") {
			l.Files++
			l.Bytes += size(t, filepath.Join(levelDir, name))
			got.MaxTXID = max(got.MaxTXID, name[17:33])
		}
		got.Levels = append(got.Levels, l)
	}
	if diff := cmp.Diff(*facts.LTX, got); diff != "" {
		t.Errorf("expected.json (-) and the files (+) differ:\n%s", diff)
	}
	if got, want := len(objects(t, dir, "")), len(objects(t, dir, ".ltx")); got != want {
		t.Errorf("%d files, %d of them LTX files", got, want)
	}
	if got, want := facts.Version, "v0.5.18"; got != want {
		t.Errorf("got version %s, want %s", got, want)
	}
}

func TestV3Facts(t *testing.T) {
	dir := filepath.Join(Dir(t, "v0.3"), "generations")
	facts := Expected(t, "v0.3")
	var got []Generation
	for _, want := range facts.Generations {
		g := Generation{Generation: want.Generation, State: want.State}
		g.Snapshots = len(objects(t, filepath.Join(dir, g.Generation), ".snapshot.lz4"))
		indexes := make(map[string]bool)
		for _, name := range objects(t, filepath.Join(dir, g.Generation), ".wal.lz4") {
			g.WALSegments++
			indexes[filepath.Base(name)[:8]] = true
		}
		g.WALIndexes = len(indexes)
		got = append(got, g)
	}
	if diff := cmp.Diff(facts.Generations, got); diff != "" {
		t.Errorf("expected.json (-) and the files (+) differ:\n%s", diff)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != len(got) {
		t.Errorf("%d generations in the replica, %d in expected.json (%v)", len(entries), len(got), err)
	}
	if got, want := facts.Version, "v0.3.13"; got != want {
		t.Errorf("got version %s, want %s", got, want)
	}
}

// SHA256SUMS has every object, and every object is as Litestream wrote it.
func TestChecksums(t *testing.T) {
	for _, name := range []string{"v0.5", "v0.3"} {
		dir := filepath.Dir(Dir(t, name))
		want, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
		if err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		for _, object := range objects(t, filepath.Join(dir, "replica"), "") {
			data, err := os.ReadFile(filepath.Join(dir, "replica", object))
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&got, "%x  replica/%s\n", sha256.Sum256(data), object)
		}
		if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got.String(), "\n")); diff != "" {
			t.Errorf("%s: SHA256SUMS (-) and the files (+) differ:\n%s", name, diff)
		}
	}
}

// Both replicas are to have something to find for every recorded instant, and
// to change between any two.
func TestInstants(t *testing.T) {
	for _, name := range []string{"v0.5", "v0.3"} {
		facts := Expected(t, name)
		if len(facts.Instants) < 4 {
			t.Errorf("%s: %d instants", name, len(facts.Instants))
		}
		states := map[string]bool{facts.DBSHA256: true}
		var last time.Time
		for _, instant := range facts.Instants {
			if states[instant.DBSHA256] {
				t.Errorf("%s: the state at %v is not new", name, instant.At)
			}
			if !instant.At.After(last) {
				t.Errorf("%s: %v is not after %v", name, instant.At, last)
			}
			if !instant.Exact || instant.Rows["note"] == 0 {
				t.Errorf("%s: %v is of little use: %+v", name, instant.At, instant.State)
			}
			states[instant.DBSHA256] = true
			last = instant.At
		}
	}
}

func TestTimesAreComplete(t *testing.T) {
	for _, path := range objects(t, Dir(t, "v0.3"), "times.json") {
		dir := filepath.Join(Dir(t, "v0.3"), filepath.Dir(path))
		times, err := readTimes(filepath.Join(dir, "times.json"))
		if err != nil {
			t.Fatal(err)
		}
		names := objects(t, dir, ".lz4")
		if len(names) != len(times) {
			t.Errorf("%s: %d objects, %d times", path, len(names), len(times))
		}
		for _, name := range names {
			if times[name].IsZero() {
				t.Errorf("%s: no time for %s", path, name)
			}
		}
	}
}

func TestCopySetsHeaderTimes(t *testing.T) {
	dir := Copy(t, "v0.5")
	for _, name := range objects(t, dir, ".ltx") {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		want := time.UnixMilli(int64(binary.BigEndian.Uint64(data[32:40])))
		if got := modTime(t, filepath.Join(dir, name)); !got.Equal(want) {
			t.Errorf("%s: time %v, want %v", name, got, want)
		}
	}
}

func TestCopySetsListedTimes(t *testing.T) {
	dir := Copy(t, "v0.3")
	for _, g := range Expected(t, "v0.3").Generations {
		g := filepath.Join(dir, "generations", g.Generation)
		times, err := readTimes(filepath.Join(g, "times.json"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range objects(t, g, ".lz4") {
			if got := modTime(t, filepath.Join(g, name)); !got.Equal(times[name]) {
				t.Errorf("%s: time %v, want %v", name, got, times[name])
			}
		}
	}
}

func TestSize(t *testing.T) {
	const limit = 1 << 20
	for _, name := range []string{"v0.5", "v0.3"} {
		dir := Dir(t, name)
		total := int64(0)
		for _, object := range objects(t, dir, "") {
			total += size(t, filepath.Join(dir, object))
		}
		if total == 0 || total > limit {
			t.Errorf("%s: %d bytes, want 1 to %d", name, total, limit)
		}
	}
}
