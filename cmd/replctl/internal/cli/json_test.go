package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/replctl/replicate/internal/testreplica"
)

// unasked is what a command says on standard error, but not that it waits: machines may be slow.
func unasked(stderr string) string {
	var rest strings.Builder
	for line := range strings.Lines(stderr) {
		if !strings.HasPrefix(line, "replctl: waiting for the store: ") {
			rest.WriteString(line)
		}
	}
	return rest.String()
}

// ask runs a command that has to succeed, or to find damage, and decodes what it
// prints.
func ask[T any](t testing.TB, args ...string) T {
	t.Helper()
	code, stdout, stderr := replctl(t, append(args, "--json")...)
	if (code != exitOK && code != exitDamage) || unasked(stderr) != "" {
		t.Fatalf("%q: exit code %d\n%s", args, code, stderr)
	}
	return decode[T](t, args[0]+" --json", stdout)
}

// Whatever is wrong with a replica, the shapes are those of the contract.
func TestJSONShapes(t *testing.T) {
	dir := testdata(t)
	damaged, err := filepath.Glob(filepath.Join(dir, "damaged", "*", "replica"))
	if err != nil || len(damaged) == 0 {
		t.Fatalf("no damaged replicas: %v", err)
	}
	for _, replica := range append(damaged, filepath.Join(dir, "v0.5", "replica"), filepath.Join(dir, "v0.3", "replica")) {
		ask[inspectDoc](t, "inspect", replica)
		ask[inspectDoc](t, "inspect", replica, "--read", "none")
		ask[checkDocument](t, "check", replica)
		ask[[]databaseDoc](t, "ls", replica)
		ask[[]drillDoc](t, "drill", replica, "--seed", "1")
		ask[[]databaseDoc](t, "ls", replica, "--sizes")
		ask[logDocument](t, "log", replica, "--limit", "3")
		ask[[]generationDoc](t, "generations", replica, "--read", "none")
		ask[[]snapshotDoc](t, "snapshots", replica)
		ask[[]walDoc](t, "wal", replica)
		ask[[]ltxDoc](t, "ltx", replica, "--fast")
	}
	for _, format := range []string{"v0.5", "v0.3"} {
		replica := filepath.Join(dir, format, "replica")
		ask[planDocument](t, "plan", replica)
		ask[queryDocument](t, "query", replica, "select 1 as a, 'x' as b; select 2 where 0")
		ask[queryDocument](t, "query", replica, "select 1", "--timestamp", "now")
		ask[tablesDocument](t, "tables", replica)
		ask[tablesDocument](t, "tables", replica, "--count", "--bytes")
		first := map[string]string{"v0.5": "0000000000000009", "v0.3": "2026-11-21T04:06:58Z"}[format]
		ask[diffDocument](t, "diff", replica, "--from", first)
		ask[diffDocument](t, "diff", replica, "--from", first, "--rows")
		ask[bisectDocument](t, "bisect", replica, "select count(*) > 100 from note")
		ask[logDocument](t, "log", replica)
		ask[logDocument](t, "log", replica, "--rows", "--limit", "3")
		ask[rowHistoryDocument](t, "log", replica, "--table", "note", "--key", "165")
		ask[bisectDocument](t, "bisect", replica, "select 1", "--while", "value = 1")
		ask[copyDocument](t, "cp", replica, t.TempDir())
		ask[pruneDocument](t, "prune", replica, "--keep-snapshots", "1")
		db := filepath.Join(t.TempDir(), "db")
		ask[restoreDocument](t, "restore", replica, "-o", db)
		if d := ask[checkDocument](t, "check", replica, "--against", db); d.Against == nil || !d.Against.Identical {
			t.Errorf("%s: what was restored is another one: %+v", format, d.Against)
		}
		ask[snapshotFileDocument](t, "snapshot", db, t.TempDir())
	}
	ask[[]checkDocument](t, "check", "--all", dir)
	ask[[]restoreDocument](t, "restore", "--all", filepath.Join(dir, "v0.5"), "-o", t.TempDir())
	ask[[]restoreDocument](t, "restore", "--all", filepath.Join(dir, "damaged", "ltx-gap"), "-o", t.TempDir())
	ask[migrationDoc](t, "migrate", filepath.Join(dir, "v0.3", "replica"), t.TempDir())
	ask[versionDoc](t, "version")
}

func TestInspectJSONOfLTX(t *testing.T) {
	replica := testreplica.Copy(t, "v0.5")
	facts := testreplica.Expected(t, "v0.5").LTX
	got := ask[inspectDoc](t, "inspect", replica)
	var levels []testreplica.Level
	var objects int
	var bytes int64
	for _, l := range got.LTX.Levels {
		levels = append(levels, testreplica.Level{Level: l.Level, Files: l.Files, Bytes: l.Bytes})
		objects += l.Files
		bytes += l.Bytes
		if l.Oldest == nil || l.Newest == nil || l.Newest.Before(*l.Oldest) || l.MaxTXID < l.MinTXID {
			t.Errorf("level %d spans %v to %v, %s to %s", l.Level, l.Oldest, l.Newest, l.MinTXID, l.MaxTXID)
		}
	}
	if diff := cmp.Diff(facts.Levels, levels); diff != "" {
		t.Errorf("expected.json (-) and inspect (+) differ:\n%s", diff)
	}
	want := inspectDoc{
		URL: replica, Formats: []string{"ltx"}, Generations: []generationDoc{}, Problems: []problemDoc{},
		Objects: objects, Bytes: bytes, Verified: objects,
		LTX: &ltxReportDoc{Layout: got.LTX.Layout, Levels: got.LTX.Levels, MaxTXID: facts.MaxTXID,
			RestorableTXID: &facts.MaxTXID, RestorableAt: got.LTX.Levels[0].Newest},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want (-) and inspect (+) differ:\n%s", diff)
	}
}

func TestGapsInJSON(t *testing.T) {
	replica := testreplica.Copy(t, "damaged/ltx-gap")
	report := ask[inspectDoc](t, "inspect", replica).LTX
	i := slices.IndexFunc(report.Levels, func(l levelDoc) bool { return len(l.Gaps) > 0 })
	if i < 0 || len(report.Levels[i].Gaps) != 1 {
		t.Fatalf("want one gap in one level: %+v", report.Levels)
	}
	gap := report.Levels[i].Gaps[0]
	if *report.RestorableTXID != gap.After || gap.Before != report.MaxTXID {
		t.Errorf("gap from %s to %s, restorable up to %s of %s", gap.After, gap.Before, *report.RestorableTXID,
			report.MaxTXID)
	}
	none := ask[inspectDoc](t, "inspect", testreplica.Copy(t, "damaged/ltx-no-snapshot"))
	if none.LTX.RestorableTXID != nil || none.LTX.RestorableAt != nil {
		t.Errorf("restorable without a snapshot: %+v", none.LTX)
	}
}

func TestListingsJSONOfV3(t *testing.T) {
	replica := testreplica.Copy(t, "v0.3")
	generations := ask[[]generationDoc](t, "generations", replica)
	facts := testreplica.Expected(t, "v0.3").Generations
	if len(generations) != len(facts) {
		t.Fatalf("got %d generations, want %d", len(generations), len(facts))
	}
	var segments, snapshots int
	for i, want := range facts {
		got := generations[i]
		if got.Generation != want.Generation || got.Snapshots != want.Snapshots || got.WALSegments != want.WALSegments ||
			got.CreatedAt.After(*got.UpdatedAt) {
			t.Errorf("got %+v, want %+v", got, want)
		}
		if len(got.Restorable) != 1 || !got.Restorable[0].To.Equal(*got.UpdatedAt) {
			t.Errorf("generation %s: restorable %+v, want up to its end", want.Generation, got.Restorable)
		}
		var bytes int64
		for _, s := range ask[[]snapshotDoc](t, "snapshots", replica, "--generation", want.Generation) {
			snapshots++
			bytes += s.Size
			if s.Format != "v0.3" || *s.Generation != want.Generation || s.Index == nil || s.MinTXID != nil ||
				s.MaxTXID != nil || s.CreatedAt.IsZero() {
				t.Errorf("snapshot %+v", s)
			}
		}
		for _, s := range ask[[]walDoc](t, "wal", replica, "--generation", want.Generation) {
			segments++
			bytes += s.Size
			if s.Generation != want.Generation || s.CreatedAt.Before(*got.CreatedAt) || s.CreatedAt.After(*got.UpdatedAt) {
				t.Errorf("segment %+v", s)
			}
		}
		if got.Bytes != bytes {
			t.Errorf("generation %s: got %d bytes, want %d", want.Generation, got.Bytes, bytes)
		}
	}
	if all := ask[[]walDoc](t, "wal", replica); len(all) != segments {
		t.Errorf("%d segments, %d of them in a generation", len(all), segments)
	}
	if all := ask[[]snapshotDoc](t, "snapshots", replica); len(all) != snapshots {
		t.Errorf("%d snapshots, %d of them in a generation", len(all), snapshots)
	}
}

// The listing is that of the directory.
func TestLTXJSON(t *testing.T) {
	replica := testreplica.Copy(t, "v0.5")
	for _, level := range []string{"0", "1", "2", "9"} {
		entries, err := os.ReadDir(filepath.Join(replica, "ltx", level))
		if err != nil {
			t.Fatal(err)
		}
		files := ask[[]ltxDoc](t, "ltx", replica, "--level", level)
		if len(files) != len(entries) {
			t.Fatalf("level %s: got %d files, want %d", level, len(files), len(entries))
		}
		for i, f := range files {
			fi, err := entries[i].Info()
			if err != nil {
				t.Fatal(err)
			}
			if f.MinTXID+"-"+f.MaxTXID+".ltx" != fi.Name() || f.Size != fi.Size() || !f.CreatedAt.Equal(fi.ModTime()) ||
				f.CreatedAt.Unix() != f.Timestamp.Unix() {
				t.Errorf("got %+v, want %s of %d bytes at %v", f, fi.Name(), fi.Size(), fi.ModTime())
			}
		}
	}
	for _, s := range ask[[]snapshotDoc](t, "snapshots", replica) {
		if s.Format != "ltx" || *s.MinTXID != "0000000000000001" || s.MaxTXID == nil || s.Generation != nil ||
			s.Index != nil {
			t.Errorf("snapshot %+v", s)
		}
	}
}

// since and until share the listing between them, for each moment.
func TestLTXSinceUntil(t *testing.T) {
	replica := testreplica.Copy(t, "v0.5")
	all := ask[[]ltxDoc](t, "ltx", replica)
	for _, instant := range testreplica.Expected(t, "v0.5").Instants {
		at := instant.At.Format("2006-01-02T15:04:05.000000000Z07:00")
		before, after := ask[[]ltxDoc](t, "ltx", replica, "--until", at), ask[[]ltxDoc](t, "ltx", replica, "--since", at)
		if len(before) == 0 || len(after) == 0 || len(before)+len(after) != len(all) {
			t.Errorf("%s: %d files before and %d after, of %d", at, len(before), len(after), len(all))
		}
		for _, f := range before {
			if f.CreatedAt.After(instant.At) {
				t.Errorf("--until %s shows %v", at, f.CreatedAt)
			}
		}
	}
	// Both ends belong to it.
	one := all[0].CreatedAt.Format("2006-01-02T15:04:05.000Z07:00")
	for _, f := range ask[[]ltxDoc](t, "ltx", replica, "--since", one, "--until", one) {
		if !f.CreatedAt.Equal(all[0].CreatedAt) {
			t.Errorf("at %s: %+v", one, f)
		}
	}
	if got := ask[[]ltxDoc](t, "ltx", replica, "--since", one, "--until", one); len(got) == 0 {
		t.Errorf("nothing at %s, the time of %+v", one, all[0])
	}
}

var (
	section = regexp.MustCompile("(?m)^## `replctl ([a-z ]+) --json`$")
	example = regexp.MustCompile("(?ms)^```json\n(.*?)^```$")
)

// decodeLog decodes either document of log.
func decodeLog(t *testing.T, doc string) {
	t.Helper()
	if strings.Contains(doc, `"states"`) {
		decode[rowHistoryDocument](t, "example of log --key", doc)
	} else {
		decode[logDocument](t, "example of log", doc)
	}
}

// The examples in the documentation are of the shapes that it describes.
func TestDocumentedExamples(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "docs", "json.md"))
	if err != nil {
		t.Fatal(err)
	}
	decoders := map[string]func(doc string){
		"inspect":       func(doc string) { decode[inspectDoc](t, "example of inspect", doc) },
		"ls":            func(doc string) { decode[[]databaseDoc](t, "example of ls", doc) },
		"drill":         func(doc string) { decode[[]drillDoc](t, "example of drill", doc) },
		"generations":   func(doc string) { decode[[]generationDoc](t, "example of generations", doc) },
		"snapshots":     func(doc string) { decode[[]snapshotDoc](t, "example of snapshots", doc) },
		"wal":           func(doc string) { decode[[]walDoc](t, "example of wal", doc) },
		"ltx":           func(doc string) { decode[[]ltxDoc](t, "example of ltx", doc) },
		"lease show":    func(doc string) { decode[leaseShowDoc](t, "example of lease show", doc) },
		"lease acquire": func(doc string) { decode[leaseGrantDoc](t, "example of lease acquire", doc) },
		"plan":          func(doc string) { decode[planDocument](t, "example of plan", doc) },
		"query":         func(doc string) { decode[queryDocument](t, "example of query", doc) },
		"tables":        func(doc string) { decode[tablesDocument](t, "example of tables", doc) },
		"diff":          func(doc string) { decode[diffDocument](t, "example of diff", doc) },
		"log":           func(doc string) { decodeLog(t, doc) },
		"bisect":        func(doc string) { decode[bisectDocument](t, "example of bisect", doc) },
		"restore":       func(doc string) { decode[restoreDocument](t, "example of restore", doc) },
		"check":         func(doc string) { decode[checkDocument](t, "example of check", doc) },
		"snapshot":      func(doc string) { decode[snapshotFileDocument](t, "example of snapshot", doc) },
		"migrate":       func(doc string) { decode[migrationDoc](t, "example of migrate", doc) },
		"cp":            func(doc string) { decode[copyDocument](t, "example of cp", doc) },
		"prune":         func(doc string) { decode[pruneDocument](t, "example of prune", doc) },
		"probe":         func(doc string) { decode[probeDoc](t, "example of probe", doc) },
		"kv get":        func(doc string) { decode[recordDoc](t, "example of kv get", doc) },
		"kv ls":         func(doc string) { decode[[]recordDoc](t, "example of kv ls", doc) },
		"kv watch":      func(doc string) { decode[changeDoc](t, "example of kv watch", doc) },
		"config ls":     func(doc string) { decode[[]snapshotInfoDoc](t, "example of config ls", doc) },
		"config get":    func(doc string) { decode[snapshotContentDoc](t, "example of config get", doc) },
		"config save":   func(doc string) { decode[configChangeDoc](t, "example of config save", doc) },
		"config watch":  func(doc string) { decode[activeDoc](t, "example of config watch", doc) },
		"config gc":     func(doc string) { decode[configGCDoc](t, "example of config gc", doc) },
		"node status":   func(doc string) { decode[[]nodeDoc](t, "example of node status", doc) },
		"records ls":    func(doc string) { decode[[]recordInfoDoc](t, "example of records ls", doc) },
		"records cp":    func(doc string) { decode[recordsCopyDoc](t, "example of records cp", doc) },
		"version":       func(doc string) { decode[versionDoc](t, "example of version", doc) },
	}
	sections := section.FindAllStringSubmatchIndex(string(doc), -1)
	for i, at := range sections {
		text := string(doc[at[1]:])
		if i+1 < len(sections) {
			text = string(doc[at[1]:sections[i+1][0]])
		}
		cmd := string(doc[at[2]:at[3]])
		examples := example.FindAllStringSubmatch(text, -1)
		if len(examples) == 0 || decoders[cmd] == nil {
			t.Fatalf("%s: %d examples; is it a command?", cmd, len(examples))
		}
		for _, m := range examples {
			decoders[cmd](m[1])
		}
		delete(decoders, cmd)
	}
	for cmd := range decoders {
		t.Errorf("%s is not documented", cmd)
	}
}

// The example of the documentation is what the command prints.
func TestJSONExampleOfGenerations(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "docs", "json.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(strings.ReplaceAll(string(doc), "\r\n", "\n"), "\n## `replctl generations --json`\n")
	_, block, found := strings.Cut(section, "\n```json\n")
	block, _, ended := strings.Cut(block, "```\n")
	if !ok || !found || !ended {
		t.Fatal("docs/json.md has no example of generations")
	}
	_, stdout, _ := replctl(t, "generations", "--json", filepath.Join(testdata(t), "damaged", "v3-offset-gap", "replica"))
	if diff := cmp.Diff(stdout, block); diff != "" {
		t.Errorf("the command (-) and docs/json.md (+) differ:\n%s", diff)
	}
}
