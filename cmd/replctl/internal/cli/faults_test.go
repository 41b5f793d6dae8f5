package cli

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/internal/testreplica"
	"github.com/replctl/replicate/s3"
)

// An operation is one run of a command on a bucket. "URL" in its arguments stands for
// the place, "OUT" for a path in a fresh directory, "DB" for a small database.
type operation struct {
	name string
	args []string

	prepare [][]string // commands that run before it, without faults
	effect  [][]string // commands that show what it did; without them its output counts
	empty   bool       // the place holds no replica at first
	writes  bool       // it changes the place, so that each run needs a place of its own
}

// The operations: each command that asks a store for something is in this table.
var operations = []operation{
	{name: "inspect", args: []string{"inspect", "URL", "--json"}},
	{name: "inspect all", args: []string{"inspect", "URL", "--read", "all", "--json"}},
	{name: "generations", args: []string{"generations", "URL", "--json"}},
	{name: "snapshots", args: []string{"snapshots", "URL", "--json"}},
	{name: "wal", args: []string{"wal", "URL", "--json"}},
	{name: "ltx", args: []string{"ltx", "URL", "--level", "all", "--json"}},
	{name: "plan", args: []string{"plan", "URL", "--json"}},
	{name: "plan timestamp", args: []string{"plan", "URL", "--json", "--timestamp", "2026-11-21T04:06:25Z"}},
	{name: "plan txid", args: []string{"plan", "URL", "--json", "--txid", "40"}},
	{name: "restore", args: []string{"restore", "URL", "-o", "OUT"}, effect: [][]string{{"OUT"}}},
	{name: "restore timestamp", effect: [][]string{{"OUT"}},
		args: []string{"restore", "URL", "-o", "OUT", "--timestamp", "2026-11-21T04:06:25Z"}},
	{name: "restore if exists", effect: [][]string{{"OUT"}},
		args: []string{"restore", "URL", "-o", "OUT", "--if-replica-exists"}},
	{name: "check", args: []string{"check", "URL", "--json"}},
	{name: "check deep", args: []string{"check", "URL", "--deep", "--json"}},
	{name: "cp", args: []string{"cp", "URL", "OUT"}, effect: [][]string{{"OUT"}}},
	{name: "migrate", args: []string{"migrate", "URL", "OUT"}, effect: [][]string{{"plan", "OUT", "--json"}}},
	{name: "prune", args: []string{"prune", "URL", "--keep-within", "1h", "--json"}},
	{name: "prune yes", writes: true, args: []string{"prune", "URL", "--keep-within", "1h", "--yes"},
		effect: [][]string{{"wal", "URL"}, {"ltx", "URL", "--level", "all"}}},
	{name: "snapshot", args: []string{"snapshot", "DB", "URL"}, empty: true, writes: true,
		effect: [][]string{{"restore", "URL", "-o", "OUT"}, {"OUT"}}},
	{name: "lease show", empty: true, writes: true, args: []string{"lease", "show", "URL"},
		prepare: [][]string{{"lease", "acquire", "URL", "--owner", "me"}}},
	{name: "lease acquire", empty: true, writes: true, args: []string{"lease", "acquire", "URL", "--owner", "me"},
		effect: [][]string{{"lease", "show", "URL"}}},
	{name: "lease break", empty: true, writes: true, args: []string{"lease", "break", "URL", "--generation", "1"},
		prepare: [][]string{{"lease", "acquire", "URL"}}, effect: [][]string{{"lease", "show", "URL"}}},
	{name: "kv get", empty: true, writes: true, args: []string{"kv", "get", "URL", "a/b"},
		prepare: [][]string{{"kv", "put", "URL", "a/b", "1"}}},
	{name: "kv ls", empty: true, writes: true, args: []string{"kv", "ls", "URL"},
		prepare: [][]string{{"kv", "put", "URL", "a/b", "1"}}},
	{name: "kv put", empty: true, writes: true, args: []string{"kv", "put", "URL", "a/b", "2"},
		prepare: [][]string{{"kv", "put", "URL", "a/b", "1"}},
		effect:  [][]string{{"kv", "get", "URL", "a/b"}}},
	{name: "kv rm", empty: true, writes: true, args: []string{"kv", "rm", "URL", "a/b"},
		prepare: [][]string{{"kv", "put", "URL", "a/b", "1"}},
		effect:  [][]string{{"kv", "ls", "URL"}}},
}

// Commands that are not in the table, and why.
var withoutFaults = map[string]string{
	"replctl version":       "asks no store",
	"replctl help":          "asks no store",
	"replctl completion":    "asks no store",
	"replctl lease":         "has commands of its own",
	"replctl kv":            "has commands of its own",
	"replctl lease watch":   "does not end; reads as lease show does",
	"replctl lease exec":    "acquires as lease acquire does; TestExec and the session's tests have its faults",
	"replctl lease renew":   "needs a grant of its own; writes as lease break does",
	"replctl lease release": "needs a grant of its own; writes as lease break does",
	"replctl kv watch":      "does not end; reads as kv get does",
	"replctl probe":         "its verdicts about a faulty store are its subject: package probe",
}

// TestOperationsAreComplete fails when a command is neither in the table nor excused.
func TestOperationsAreComplete(t *testing.T) {
	listed := map[string]bool{}
	for _, op := range operations {
		listed["replctl "+op.args[0]] = true
		listed["replctl "+op.args[0]+" "+op.args[1]] = true
	}
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		for _, sub := range cmd.Commands() {
			if name := sub.CommandPath(); !listed[name] && withoutFaults[name] == "" &&
				!strings.HasPrefix(name, "replctl completion ") {
				t.Errorf("%s has no line in the table of operations", name)
			}
			walk(sub)
		}
	}
	walk(newRootCommand(&app{stdout: io.Discard, stderr: io.Discard}))
}

// mishap is one way in which a call fails, each time it is made.
type mishap struct {
	name  string
	fault func(stop func()) fakes3.Fault

	// patience is when the test interrupts the command: a page of a store that has
	// answered as S3 before may be a proxy's, and is asked for again for minutes.
	patience time.Duration
}

var mishaps = []mishap{
	{"refused", func(func()) fakes3.Fault { return fakes3.Status(403, "AccessDenied") }, time.Minute},
	{"archived", func(func()) fakes3.Fault { return fakes3.Status(403, "InvalidObjectState") }, time.Minute},
	{"gone", func(func()) fakes3.Fault { return gone }, time.Minute},
	{"web page", func(func()) fakes3.Fault { return webPage }, 300 * time.Millisecond},
	{"signal", func(stop func()) fakes3.Fault {
		return func(w http.ResponseWriter, c *fakes3.Call) {
			stop()
			fakes3.Hang()(w, c)
		}
	}, time.Minute},
}

func gone(w http.ResponseWriter, c *fakes3.Call) {
	if c.Key == "" {
		fakes3.Status(404, "NoSuchBucket")(w, c)
		return
	}
	fakes3.Status(404, "NoSuchKey")(w, c)
}

func webPage(w http.ResponseWriter, _ *fakes3.Call) {
	w.Header().Set("Content-Type", "text/html")
	_, _ = io.WriteString(w, "<!DOCTYPE html><html><body><h1>Sign in</h1></body></html>")
}

// call names requests that are one to an operation: a place's own name is left out.
func call(r fakes3.Request, place string) string {
	what := r.Key
	if what == "" {
		what = r.Query.Get("prefix") + "?" + r.Query.Get("delimiter")
	}
	return r.Op + " " + strings.TrimPrefix(what, place+"/")
}

// world is what the runs of a test share.
type world struct {
	srv      *fakes3.Server
	places   int
	uploaded bool   // place0 has the replica
	dir      string // the replica
	db       string
}

// place is a place in the bucket: a fresh one for an operation that writes.
func (w *world) place(t *testing.T, op operation) (name, url string) {
	t.Helper()
	name = "place0"
	if op.writes {
		w.places++
		name = fmt.Sprintf("place%d", w.places)
	}
	if op.writes && !op.empty || !op.writes && !w.uploaded {
		upload(t, w.dir, s3.Config{Bucket: w.srv.Bucket, Path: name, Endpoint: w.srv.URL})
		w.uploaded = w.uploaded || !op.writes
	}
	return name, "s3://" + w.srv.Bucket + "/" + name + "?endpoint=" + w.srv.URL
}

// run is one command, with the time that it may take at the most.
func (w *world) run(ctx context.Context, t *testing.T, args []string, url, out string,
) (code int, stdout, stderr string) {
	t.Helper()
	if args[0] == "OUT" {
		return exitOK, contentOf(t, out), ""
	}
	args = slices.Clone(args)
	for i, arg := range args {
		args[i] = map[string]string{"URL": url, "OUT": out, "DB": w.db}[arg]
		if args[i] == "" {
			args[i] = arg
		}
	}
	var data, talk bytes.Buffer
	a := &app{stdout: &data, stderr: &talk}
	root := newRootCommand(a)
	root.SetArgs(args)
	code = a.exitCode(root.ExecuteContext(ctx))
	return code, data.String(), talk.String()
}

// contentOf describes what is at a path: a file, or a tree of them.
func contentOf(t *testing.T, root string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(root, func(name string, d os.DirEntry, err error) error {
		if os.IsNotExist(err) || err == nil && d.IsDir() {
			return nil
		} else if err != nil {
			return err
		}
		content, err := os.ReadFile(name)
		rel, _ := filepath.Rel(root, name)
		_, _ = fmt.Fprintf(&b, "%s %x\n", rel, sha256.Sum256(content))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// result is what can be seen of a run: its exit code, and its output or effect.
type result struct {
	code           int
	seen, said     string
	calls          []string
	took           time.Duration
	tempFilesAfter []string
}

// volatile is what differs between two runs that did the same: ages, and moments of now.
var volatile = regexp.MustCompile(`place\d+|"(?:now|expires_at|acquired_at|etag|age_seconds|since)": [^\n]*` +
	`|until \S+ \S+|\([^)]* (?:ago|left|from now)\)|\d+ (?:ms|s) left`)

// planned is what a plan comes to: the way to a state may be another one.
var planned = regexp.MustCompile(`"state": \{[^}]*\}`)

// outcome leaves out of an output what two runs with one result may differ in.
func outcome(op operation, seen string) string {
	if state := planned.FindString(seen); op.args[0] == "plan" && state != "" {
		return state
	}
	return volatile.ReplaceAllString(seen, "_")
}

// attempt runs an operation; fail chooses the calls that fail, and how.
func (w *world) attempt(t *testing.T, op operation, patience time.Duration,
	fail func(place string, stop func()) []fakes3.Rule,
) result {
	t.Helper()
	place, url := w.place(t, op)
	out := filepath.Join(t.TempDir(), "out")
	for _, args := range op.prepare {
		if code, _, stderr := w.run(t.Context(), t, args, url, out); code != exitOK {
			t.Fatalf("%s: prepare %v: exit code %d: %s", op.name, args, code, stderr)
		}
	}
	w.srv.Reset()
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	w.srv.Fail(fail(place, stop)...)
	var r result
	began := time.Now()
	r.code, r.seen, r.said = w.run(ctx, t, op.args, url, out)
	r.took = time.Since(began)
	for _, req := range w.srv.Requests() {
		if c := call(req, place); !slices.Contains(r.calls, c) {
			r.calls = append(r.calls, c)
		}
	}
	slices.Sort(r.calls) // they come in any order, and a sample is to be the same each time
	w.srv.Reset()
	r.tempFilesAfter, _ = filepath.Glob(filepath.Join(filepath.Dir(out), ".replicate-*"))
	if r.code == exitOK && op.effect != nil {
		r.seen = ""
		for _, args := range op.effect {
			_, seen, _ := w.run(t.Context(), t, args, url, out)
			if args[0] != "restore" { // says how long it took
				r.seen += seen
			}
		}
	}
	r.seen = outcome(op, strings.ReplaceAll(r.seen, filepath.Dir(out), "_"))
	return r
}

// honest reports whether a missing object is an answer and no fault: a record that
// does not exist, the times of a generation that has none.
func honest(f mishap, c string) bool {
	key, isGet := strings.CutPrefix(c, "GetObject ")
	base := path.Base(key)
	return f.name == "gone" && isGet && (base == "lock.json" || base == "times.json" || strings.HasPrefix(key, "kv/"))
}

// TestEveryCallFails runs each operation again for each of its calls and each kind of
// failure: none may take the failure for an absence (exit code 3), and none may
// succeed with another result than without it.
//
// Without REPLCTL_FAULTS=all it is a sample, with a fixed seed.
// REPLCTL_FAULTS_OF names one operation.
func TestEveryCallFails(t *testing.T) {
	w := &world{srv: fakes3.New(t), dir: testreplica.Copy(t, "damaged/both-formats")}
	t.Setenv("AWS_ACCESS_KEY_ID", fakes3.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", fakes3.SecretAccessKey)
	w.db = filepath.Join(t.TempDir(), "db")
	if code, _, stderr := w.run(t.Context(), t, []string{"restore", w.dir, "-o", w.db}, "", ""); code != exitOK {
		t.Fatal(stderr)
	}
	rng, runs, recovered := rand.New(rand.NewPCG(13, 4)), 0, 0
	for _, op := range operations {
		if only := os.Getenv("REPLCTL_FAULTS_OF"); only != "" && only != op.name {
			continue
		}
		none := func(string, func()) []fakes3.Rule { return nil }
		base := w.attempt(t, op, time.Minute, none)
		if base.code != exitOK {
			t.Errorf("%s without a fault: exit code %d: %s", op.name, base.code, base.said)
			continue
		}
		if again := w.attempt(t, op, time.Minute, none); again.seen != base.seen {
			t.Errorf("%s does not repeat itself:\n%s\nthen\n%s", op.name, base.seen, again.seen)
		}
		for _, c := range sample(rng, base.calls) {
			for _, f := range kinds(rng) {
				if honest(f, c) {
					continue
				}
				r := w.attempt(t, op, f.patience, func(place string, stop func()) []fakes3.Rule {
					match := func(r fakes3.Request) bool { return call(r, place) == c }
					return []fakes3.Rule{{Match: match, Times: -1, Fault: f.fault(stop)}}
				})
				runs++
				if r.code == exitOK {
					recovered++
				}
				judge(t, fmt.Sprintf("%s: %s %s", op.name, c, f.name), base, r)
			}
		}
	}
	t.Logf("%d operations, %d runs, %d with the same result in spite of the failure", len(operations), runs, recovered)
}

// sample is some of the calls: listings and writes first, which are few and of many kinds.
func sample(rng *rand.Rand, calls []string) []string {
	if os.Getenv("REPLCTL_FAULTS") == "all" {
		return calls
	}
	var reads, others []string
	for _, c := range calls {
		if strings.HasPrefix(c, "GetObject") || strings.HasPrefix(c, "HeadObject") {
			reads = append(reads, c)
		} else {
			others = append(others, c)
		}
	}
	return append(some(rng, others, 2), some(rng, reads, 1)...)
}

func some[T any](rng *rand.Rand, of []T, n int) []T {
	of = slices.Clone(of)
	rng.Shuffle(len(of), func(i, j int) { of[i], of[j] = of[j], of[i] })
	return of[:min(n, len(of))]
}

// kinds is the kinds of failure that a call gets: all, or some in a sample.
func kinds(rng *rand.Rand) []mishap {
	if os.Getenv("REPLCTL_FAULTS") == "all" {
		return mishaps
	}
	return some(rng, mishaps, 2)
}

func judge(t *testing.T, what string, base, r result) {
	t.Helper()
	switch {
	case r.code == exitNothing:
		t.Errorf("%s: taken for an absence: %s", what, r.said)
	case r.code == exitOK && r.seen != base.seen:
		t.Errorf("%s: exit code 0 with another result:\n%s\nand without the fault\n%s\nsaid %s", what, r.seen, base.seen,
			r.said)
	case r.code != exitOK && r.said == "" && r.seen == "":
		t.Errorf("%s: exit code %d without a word", what, r.code)
	case strings.Contains(r.said+r.seen, fakes3.SecretAccessKey):
		t.Errorf("%s: the secret is shown", what)
	case r.took > time.Minute:
		t.Errorf("%s: took %v", what, r.took)
	case len(r.tempFilesAfter) > 0:
		t.Errorf("%s: leaves %v", what, r.tempFilesAfter)
	}
}
