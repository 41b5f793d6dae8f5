//go:build faults

package cli

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/replctl/replicate/cmd/replctl/internal/supervise"
	"github.com/replctl/replicate/internal/faults"
)

// runner runs one command line. It calls printed after each write to standard output.
type runner func(ctx context.Context, t *testing.T, args []string, printed func()) (code int, stdout, stderr string)

// inProcess is a runner. If ctx ends, the command does as after SIGINT.
func inProcess(ctx context.Context, _ *testing.T, args []string, printed func()) (code int, stdout, stderr string) {
	return withClients(ctx, nil, args, printed)
}

// inProcessQuickly is inProcess with clients of short timeouts.
func inProcessQuickly(stall time.Duration) runner {
	return func(ctx context.Context, _ *testing.T, args []string, printed func()) (code int, stdout, stderr string) {
		return withClients(ctx, quick(stall), args, printed)
	}
}

// stalls are the timeouts of a command: the second one for a run in which the machine was too
// busy for the first, so that a request failed that was not to fail.
var stalls = []time.Duration{500 * time.Millisecond, 8 * time.Second}

// strained matches what a command says of requests that were answered too late.
var strained = regexp.MustCompile(`no answer in time|stalled|deadline exceeded`)

func withClients(ctx context.Context, tune func(any), args []string, printed func()) (code int, stdout, stderr string) {
	own, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	defer context.AfterFunc(ctx, func() { cancel(interrupted{os.Interrupt}) })()
	var talk bytes.Buffer
	data := observed{printed: printed}
	a := &app{stdout: &data, stderr: &talk, tune: tune}
	root := newRootCommand(a)
	root.SetArgs(args)
	code = a.exitCode(bySignal(own, root.ExecuteContext(own)))
	return code, data.String(), talk.String()
}

// observed is standard output of a command that somebody watches.
type observed struct {
	bytes.Buffer
	printed func()
}

func (o *observed) Write(p []byte) (int, error) {
	n, err := o.Buffer.Write(p)
	o.printed()
	return n, err
}

// trial is one run of a command, with what the words in its command lines stand for.
type trial struct {
	t     *testing.T
	cmd   faults.Command
	run   runner // of the command, and of what is beside it
	words map[string]string
}

// line runs one command line, and puts its output into a file if it says so.
func (tr *trial) line(ctx context.Context, line []string, run runner, printed func(),
) (code int, stdout, stderr string) {
	tr.t.Helper()
	if len(line) == 1 {
		return exitOK, contentOf(tr.t, tr.words[line[0]]), ""
	}
	args := slices.Clone(line)
	for i, arg := range args {
		if word, ok := tr.words[arg]; ok {
			args[i] = word
		}
	}
	to := slices.Index(args, ">")
	if to < 0 {
		return run(ctx, tr.t, args, printed)
	}
	code, stdout, stderr = run(ctx, tr.t, args[:to], printed)
	if err := os.WriteFile(args[to+1], []byte(stdout), 0o644); err != nil {
		tr.t.Fatal(err)
	}
	return code, stdout, stderr
}

// aside runs a command line in which nothing fails.
func (tr *trial) aside(line []string) (code int, stdout, stderr string) {
	tr.t.Helper()
	return tr.line(tr.t.Context(), line, tr.run, func() {})
}

// prepare runs what has to run before the command.
func (tr *trial) prepare() {
	tr.t.Helper()
	for _, line := range tr.cmd.Prepare {
		if code, _, stderr := tr.aside(line); code != exitOK {
			tr.t.Fatalf("%s: prepare %v: exit code %d: %s", tr.cmd.Name, line, code, stderr)
		}
	}
}

// state is what a fresh reader sees of the command's effect.
func (tr *trial) state() string {
	tr.t.Helper()
	var b strings.Builder
	tr.words["SHOWN"] = filepath.Join(tr.t.TempDir(), "shown")
	for _, line := range tr.cmd.Effect {
		code, seen, _ := tr.aside(line)
		if code != exitOK {
			fmt.Fprintf(&b, "exit code %d ", code)
		}
		if line[0] != "restore" { // says how long it took
			b.WriteString(tr.outcome(line, seen))
		}
	}
	return b.String()
}

// command runs the command itself; run is how. ctx ends it.
func (tr *trial) command(ctx context.Context, run runner) (r faults.Result, code int) {
	tr.t.Helper()
	ctx, stop := context.WithTimeout(ctx, 2*faults.Bound)
	defer stop()
	saidAll, printed := false, func() {}
	if tr.cmd.GoesOn {
		printed = func() { saidAll = true; stop() }
	}
	began := time.Now()
	code, stdout, stderr := tr.line(ctx, tr.cmd.Args, run, printed)
	r.Took = time.Since(began)
	if saidAll && (code == supervise.SignalCode(os.Interrupt) || code == supervise.SignalCode(syscall.SIGTERM)) {
		code = exitOK
	}
	r.Unknown = ctx.Err() != nil && !saidAll || unknown.MatchString(stderr)
	r.Absence, r.Failed = code == exitNothing, code != exitOK
	switch {
	case r.Failed:
		r.Said = strings.TrimSpace(stderr + "\n" + stdout)
	case tr.cmd.Effect == nil:
		r.Said, r.Seen = stderr, tr.outcome(tr.cmd.Args, stdout)
	default:
		r.Said = stderr
	}
	return r, code
}

// unknown is what a command says of a write that may have been done.
var unknown = regexp.MustCompile(`outcome of (?:the )?write (?:is )?unknown|may have been`)

// volatile is what differs between two runs that did the same: ages, moments of now, and the
// process that broke a lease.
var volatile = regexp.MustCompile(`place\d+|"(?:now|lease|expires_at|acquired_at|etag|age_seconds|since)": ?[^\n,}]*` +
	`|"owner": ?"[^"]*:\d+"` +
	`|until \S+ \S+|\([^)]* (?:ago|left|from now)\)|\d+ (?:ms|s) left|probe-[0-9a-z]+|\d[0-9.]*m?s\b`)

// dated is a time; those of the last day are when a trial put its objects there.
var dated = regexp.MustCompile(`\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?Z`)

func ofTrial(stamp string) string {
	at, err := time.Parse(time.RFC3339Nano, strings.Replace(stamp, " ", "T", 1))
	if err != nil || time.Since(at) > 24*time.Hour {
		return stamp
	}
	return "_"
}

// planned is what a plan comes to: the way to a state may be another one.
var planned = regexp.MustCompile(`"state": \{[^}]*\}`)

// outcome leaves out of an output what two runs with one result may differ in.
func (tr *trial) outcome(line []string, seen string) string {
	for _, word := range []string{"OUT", "URL"} {
		seen = strings.ReplaceAll(seen, filepath.Dir(tr.words[word]), "_")
	}
	switch state := planned.FindString(seen); {
	case line[0] == "plan" && state != "":
		return state
	case line[0] == "probe":
		_, seen, _ = strings.Cut(seen, "conformant  ") // the verdict; what is before it is evidence
	case line[0] == "restore" && slices.Contains(line, "-") && seen != "":
		return fmt.Sprintf("%x", sha256.Sum256([]byte(seen)))
	}
	return volatile.ReplaceAllString(dated.ReplaceAllStringFunc(seen, ofTrial), "_")
}

// again runs the command once more, in which nothing fails: it has to come to what it does
// without a failure before, unless the failed run has already done it. It says whether there was
// something left to write.
func (tr *trial) again(base, failed faults.Result) (wrote bool, broken []string) {
	tr.t.Helper()
	r, code := tr.command(tr.t.Context(), tr.run)
	if code == exitNotAcquired {
		tr.breakLease()
		r, code = tr.command(tr.t.Context(), tr.run)
	}
	state := tr.state()
	switch {
	case code == exitNotAcquired && (failed.Unknown || strings.Contains(failed.Said, faults.NotReleased)):
		return false, nil // it said that it may hold the lock, which ends by its TTL
	case code != exitOK && (tr.cmd.Effect == nil || failed.State != base.State):
		return false, []string{fmt.Sprintf("the next run fails: exit code %d: %s\nafter %s", code, r.Said, failed.Said)}
	case r.Seen != base.Seen && code == exitOK, uncounted(state) != uncounted(base.State):
		return false, []string{fmt.Sprintf("the next run ends in\n%s%s\nand not in\n%s%s\nafter %s",
			r.Seen, state, base.Seen, base.State, failed.Said)}
	}
	return code == exitOK && failed.State != base.State, nil
}

// counters are what another run counts up.
var counters = regexp.MustCompile(`"(?:generation|version)": ?\d+`)

func uncounted(state string) string { return counters.ReplaceAllString(state, "") }

// breakLease does what an operator does about the lease of a command that is dead.
func (tr *trial) breakLease() {
	tr.t.Helper()
	_, shown, _ := tr.aside([]string{"lease", "show", "URL", "--json"})
	if m := regexp.MustCompile(`"generation": ?(\d+)`).FindStringSubmatch(shown); m != nil {
		_, _, _ = tr.aside([]string{"lease", "break", "URL", "--generation", m[1]})
	}
}

// left are the temporary files beside and in what the command writes.
func (tr *trial) left() (names []string) {
	tr.t.Helper()
	for _, name := range paths(tr.t, filepath.Dir(tr.words["OUT"])) {
		if strings.HasPrefix(filepath.Base(name), ".replicate-") || strings.HasSuffix(name, ".tmp") {
			names = append(names, name)
		}
	}
	return names
}

// contentOf describes what is at a path: a file, or a tree of them.
func contentOf(t *testing.T, root string) string {
	t.Helper()
	var b strings.Builder
	for _, name := range paths(t, root) {
		content, err := os.ReadFile(filepath.Join(root, name))
		if errors.Is(err, syscall.EISDIR) {
			continue
		} else if err != nil {
			t.Fatal(err)
		}
		if filepath.Base(name) == "times.json" {
			content = nil // it has the times of the objects at the source
		}
		fmt.Fprintf(&b, "%s %x\n", name, sha256.Sum256(content))
	}
	return b.String()
}

// paths are the names below a directory, "." included; none if it does not exist.
func paths(t *testing.T, root string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(name string, _ fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		rel, _ := filepath.Rel(root, name)
		names = append(names, rel)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
