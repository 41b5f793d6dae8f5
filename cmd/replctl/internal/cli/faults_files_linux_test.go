//go:build faults

package cli

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/replctl/replicate/internal/faults"
	"github.com/replctl/replicate/internal/trap"
)

func init() {
	processes["replctl-trapped"] = func() {
		if err := trap.Enter(); err != nil {
			panic(err)
		}
		os.Exit(Main(""))
	}
}

// folder is where the runs of one command on a directory are made.
type folder struct {
	t           *testing.T
	cmd         faults.Command
	replica, db string
	root        string // of the place, the output and what is temporary
	filled      bool
	base        faults.Result
	files       []string // one of which an error names
}

// fresh is a run in a place that the command can begin in. What a command only reads stays.
func (f *folder) fresh() *trial {
	f.t.Helper()
	place := filepath.Join(f.root, "replica")
	names := []string{"out", "tmp"}
	if f.cmd.Writes || !f.filled {
		names = append(names, "replica")
	}
	for _, name := range names {
		must(f.t, os.RemoveAll(filepath.Join(f.root, name)))
	}
	if slices.Contains(names, "replica") && !f.cmd.Empty {
		must(f.t, linkTree(place, f.replica))
	}
	f.filled = true
	must(f.t, errors.Join(os.Mkdir(filepath.Join(f.root, "out"), 0o755), os.Mkdir(filepath.Join(f.root, "tmp"), 0o755)))
	tr := &trial{t: f.t, cmd: f.cmd, run: inProcess, words: map[string]string{
		"URL": place, "OUT": filepath.Join(f.root, "out", "file"), "DB": f.db, "REPLICA": f.replica}}
	tr.prepare()
	return tr
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// linkTree makes a tree of links to files: nothing writes to a file that has a name.
func linkTree(to, from string) error {
	return filepath.WalkDir(from, func(name string, d fs.DirEntry, err error) error {
		switch target := filepath.Join(to, strings.TrimPrefix(name, from)); {
		case err != nil:
			return err
		case d.IsDir():
			return os.Mkdir(target, 0o755)
		default:
			return os.Link(name, target)
		}
	})
}

// attempt runs the command once, in a process; decide is asked about its calls.
func (f *folder) attempt(decide func(*trap.Call)) (tr *trial, r faults.Result, code int, before string) {
	f.t.Helper()
	tr = f.fresh()
	before = tr.state()
	r, code = tr.command(f.t.Context(), f.trapped(decide))
	r.Unknown = r.Unknown || code < 0 || code == 128+int(syscall.SIGTERM)
	r.Left = f.left()
	r.State = tr.state()
	return tr, r, code, before
}

// trapped is a runner, which starts a process.
func (f *folder) trapped(decide func(*trap.Call)) runner {
	return func(ctx context.Context, t *testing.T, args []string, printed func()) (code int, stdout, stderr string) {
		t.Helper()
		self, err := os.Executable()
		must(t, err)
		limit, stop := context.WithTimeout(context.WithoutCancel(ctx), faults.Bound)
		defer stop()
		cmd := exec.CommandContext(limit, self, args...)
		cmd.Args[0] = "replctl-trapped"
		cmd.Env = append(os.Environ(), "TMPDIR="+filepath.Join(f.root, "tmp"))
		data, talk := observed{printed: printed}, bytes.Buffer{}
		cmd.Stdout, cmd.Stderr = &data, &talk
		// SIGINT may be ignored: it is where a shell started the tests in the background.
		defer context.AfterFunc(ctx, func() { _ = cmd.Process.Signal(syscall.SIGTERM) })()
		err = trap.Run(cmd, f.root, decide)
		if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		if code = cmd.ProcessState.ExitCode(); code < 0 {
			talk.WriteString(cmd.ProcessState.String())
		}
		if limit.Err() != nil {
			t.Errorf("%v does not end", args)
		}
		return code, data.String(), talk.String()
	}
}

// left are the temporary files below the root.
func (f *folder) left() (found []string) {
	for _, name := range paths(f.t, f.root) {
		if base := filepath.Base(name); strings.HasPrefix(base, ".replicate-") || strings.HasPrefix(base, "replicate-") ||
			strings.HasPrefix(base, "etilqs_") {
			found = append(found, name)
		}
	}
	return found
}

// isScratch reports whether a file is in a directory for databases that are checked.
func isScratch(name string) bool { return strings.HasPrefix(name, "tmp/replicate-check-") }

// prepareBase runs the command without a failure, twice: it has to repeat itself.
func (f *folder) prepareBase() (calls []string) {
	f.t.Helper()
	_, first, code, _ := f.attempt(func(*trap.Call) {})
	if code != exitOK {
		f.t.Fatalf("without a failure: exit code %d: %s", code, first.Said)
	}
	n := faults.FileCalls{}
	_, f.base, _, _ = f.attempt(func(c *trap.Call) { calls = append(calls, n.Name(c)) })
	if f.base.Seen != first.Seen || f.base.State != first.State {
		f.t.Fatalf("it does not repeat itself:\n%s%s\nthen\n%s%s", first.Seen, first.State, f.base.Seen, f.base.State)
	}
	slices.Sort(calls)
	f.files = faults.FilesOf(calls)
	return someObjects(faults.DistinctFileCalls(calls))
}

// someObjects leaves out calls on objects between the first and the last of a directory: the
// library's test has them.
func someObjects(calls []string) (some []string) {
	bounds := map[string][2]string{} // of a directory
	isObject := func(file string) bool { return strings.HasSuffix(file, ".ltx") || strings.HasSuffix(file, ".lz4") }
	for _, call := range calls {
		_, file, _ := faults.FileCall(call)
		if b, ok := bounds[path.Dir(file)]; isObject(file) {
			if !ok {
				b = [2]string{file, file}
			}
			bounds[path.Dir(file)] = [2]string{min(b[0], file), max(b[1], file)}
		}
	}
	for _, call := range calls {
		_, file, _ := faults.FileCall(call)
		if b := bounds[path.Dir(file)]; !isObject(file) || file == b[0] || file == b[1] {
			some = append(some, call)
		}
	}
	return some
}

// TestEveryFileCallFails runs each command on a directory, in a process of its own, again for
// each of its file-system calls and each kind of failure.
func TestEveryFileCallFails(t *testing.T) {
	replica, db := faults.SmallReplica(t), filepath.Join(t.TempDir(), "db")
	if code, _, stderr := replctl(t, "restore", replica, "-o", db); code != exitOK {
		t.Fatal(stderr)
	}
	for i, cmd := range faults.Commands {
		if !faults.Wanted(cmd.Op()) || !faults.Turn(i) {
			continue
		}
		t.Run(cmd.Name, func(t *testing.T) {
			t.Parallel()
			root, err := filepath.EvalSymlinks(t.TempDir())
			must(t, err)
			f := &folder{t: t, cmd: cmd, replica: replica, db: db, root: root}
			calls := f.prepareBase()
			chosen := faults.Sampler("file " + cmd.Op())
			runs, missed := 0, 0
			for _, call := range calls {
				for _, k := range faults.FileKinds {
					switch {
					case !faults.WantedKind(k.Name) || !k.FitsCall(call) || !chosen():
					case faults.ExemptFile(cmd.Args[0], cmd.Empty, k, call) != "":
					case f.fail(call, k):
						runs++
					default:
						missed++
					}
				}
			}
			t.Logf("%d calls, %d runs, %d calls were not made again", len(calls), runs, missed)
		})
	}
}

// fail runs the command with a failure of one call, and judges it. It is false if the call was
// not made this time.
func (f *folder) fail(call string, k faults.FileKind) (hit bool) {
	f.t.Helper()
	tr, r, code, before := f.attempt(k.Failing(call, &hit))
	if !hit {
		return false
	}
	name, file, _ := faults.FileCall(call)
	judged := r
	if code < 0 || name == "unlink" || strings.Contains(file, "-*") {
		judged.Left = nil // the next run sweeps
	}
	if k.Name == "EMFILE for good" { // without a descriptor no directory is removed
		judged.Left = slices.DeleteFunc(judged.Left, isScratch)
	}
	var cause []string
	if k.Cause != "" && k.Name != "ENOENT" { // that something is gone may have a meaning of its own
		cause = []string{k.Cause}
	}
	base := f.base
	if f.cmd.Args[0] == "lease" && r.State != before { // an acquisition that is repeated counts on
		judged.State, base.State = counters.ReplaceAllString(r.State, ""), counters.ReplaceAllString(base.State, "")
	}
	if f.cmd.Args[0] == "lease" && strings.Contains(r.Said, faults.NotReleased) {
		judged.State = base.State
	}
	broken := faults.Judge(base, judged, before, f.cmd.Steps, cause)
	if (code < 0) != (k.Name == "SIGKILL") {
		broken = append(broken, "it was killed: "+r.Said)
	}
	if r.Failed {
		wrote, wrong := tr.again(f.base, r)
		broken = append(broken, wrong...)
		if left := f.left(); f.cmd.Writes && wrote && len(left) > 0 { // who writes in a directory sweeps it
			broken = append(broken, "the next run leaves "+strings.Join(left, " "))
		}
	}
	faults.Log(f.t, faults.Line{Store: "file", Op: f.cmd.Op(), Call: call, Kind: k.Name, Exit: code}, r, broken)
	return true
}
