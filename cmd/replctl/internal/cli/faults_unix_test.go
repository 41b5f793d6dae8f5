//go:build unix

package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// nobody is who the commands run as where the tests run as root, whom no permission stops.
const nobody = 65534

// disk runs operations on directories, each command in a process of its own.
type disk struct {
	binary string
	dir    string // the replica
	db     string
}

func newDisk(t *testing.T) *disk {
	t.Helper()
	d := &disk{dir: filepath.Join(testdata(t), "damaged", "both-formats", "replica"),
		binary: filepath.Join(openDir(t), "replctl")}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(d.binary, content, 0o755); err != nil {
		t.Fatal(err)
	}
	d.db = filepath.Join(openDir(t), "db")
	if code, _, stderr := replctl(t, "restore", d.dir, "-o", d.db); code != exitOK {
		t.Fatal(stderr)
	}
	own(t, filepath.Dir(d.db))
	return d
}

// openDir is a temporary directory that other users can get to.
func openDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{filepath.Dir(dir), dir} {
		if err := os.Chmod(name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	own(t, dir)
	return dir
}

// own gives a tree to the user that the commands run as.
func own(t *testing.T, root string) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	err := filepath.WalkDir(root, func(name string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(name, nobody, nobody))
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (d *disk) run(t *testing.T, args []string, place, out string) (code int, stdout, stderr string) {
	t.Helper()
	if args[0] == "OUT" {
		return exitOK, contentOf(t, out), ""
	}
	args = slices.Clone(args)
	for i, arg := range args {
		args[i] = strings.NewReplacer("URL", place, "OUT", out, "DB", d.db).Replace(arg)
	}
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	cmd := exec.CommandContext(ctx, d.binary, args...)
	var data, talk bytes.Buffer
	cmd.Stdout, cmd.Stderr = &data, &talk
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	err := cmd.Run()
	if ctx.Err() != nil {
		t.Errorf("%v does not end", args)
	}
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), data.String(), talk.String()
}

// attempt runs an operation in a fresh place, after hurt has been there.
func (d *disk) attempt(t *testing.T, op operation, hurt func(place string)) result {
	t.Helper()
	place, out := filepath.Join(openDir(t), "replica"), filepath.Join(openDir(t), "out")
	if !op.empty {
		if err := os.CopyFS(place, os.DirFS(d.dir)); err != nil {
			t.Fatal(err)
		}
		keepTimes(t, d.dir, place)
		own(t, filepath.Dir(place))
	}
	for _, args := range op.prepare {
		if code, _, stderr := d.run(t, args, place, out); code != exitOK {
			t.Fatalf("%s: prepare %v: exit code %d: %s", op.name, args, code, stderr)
		}
	}
	var r result
	r.calls = append(r.calls, paths(t, place)...)
	hurt(place)
	began := time.Now()
	r.code, r.seen, r.said = d.run(t, op.args, place, out)
	r.took = time.Since(began)
	r.tempFilesAfter, _ = filepath.Glob(filepath.Join(filepath.Dir(out), ".replicate-*"))
	if r.code == exitOK && op.effect != nil {
		r.seen = ""
		for _, args := range op.effect {
			_, seen, _ := d.run(t, args, place, out)
			if args[0] != "restore" { // says how long it took
				r.seen += seen
			}
		}
	}
	for _, dir := range []string{filepath.Dir(place), filepath.Dir(out)} {
		r.seen = strings.ReplaceAll(r.seen, dir, "_")
	}
	r.seen = outcome(op, r.seen)
	return r
}

// keepTimes gives the copies the times of the files: those of a v0.3 backup are its
// moments.
func keepTimes(t *testing.T, from, to string) {
	t.Helper()
	for _, name := range paths(t, from) {
		fi, err := os.Stat(filepath.Join(from, name))
		if err == nil && !fi.IsDir() {
			err = os.Chtimes(filepath.Join(to, name), fi.ModTime(), fi.ModTime())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// paths are the names below a directory, "." included.
func paths(t *testing.T, root string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(name string, _ fs.DirEntry, err error) error {
		if os.IsNotExist(err) {
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

// harms are what can happen to a name; all but the first put something else in its place.
var harms = map[string]func(name string) error{
	"unreadable": func(name string) error { return os.Chmod(name, 0) },
	"a pipe":     func(name string) error { return inPlaceOf(name, syscall.Mkfifo(name+".new", 0o644)) },
	"a dangling link": func(name string) error {
		return inPlaceOf(name, os.Symlink("nowhere", name+".new"))
	},
	"a directory": func(name string) error { return inPlaceOf(name, os.Mkdir(name+".new", 0o755)) },
	"a file":      func(name string) error { return inPlaceOf(name, os.WriteFile(name+".new", []byte("<html>"), 0o644)) },
}

func inPlaceOf(name string, made error) error {
	return errors.Join(made, os.RemoveAll(name), os.Rename(name+".new", name))
}

// followsNames are the operations whose result follows the names that are there and
// their sizes, and why that is right.
var followsNames = map[string]string{
	"wal":       "it lists, and what is no file has no bytes",
	"prune":     "what it would delete depends on what can be restored, and what it keeps is proved",
	"prune yes": "as prune",
}

// noFault: what is put there is no fault of a store but what an operator did; an empty
// directory in place of one with files is a replica without them, and so an answer.
func noFault(op operation, harm, name, place string) bool {
	fi, err := os.Stat(filepath.Join(place, name))
	switch {
	case err != nil:
		return true
	case name == ".":
		return harm != "unreadable" // another URL, in effect
	}
	// An empty directory is no record: it may be left of others whose keys go on.
	return (fi.IsDir() || op.empty) && harm == "a directory" || !fi.IsDir() && strings.HasSuffix(name, ".lock")
}

// TestEveryPathFails is TestEveryCallFails on a directory: each name below a replica is
// unreadable once, and once each something else than it should be.
func TestEveryPathFails(t *testing.T) {
	d, rng, runs, recovered := newDisk(t), rand.New(rand.NewPCG(13, 2)), 0, 0
	for _, op := range operations {
		if only := os.Getenv("REPLCTL_FAULTS_OF"); only != "" && only != op.name {
			continue
		}
		base := d.attempt(t, op, func(string) {})
		if base.code != exitOK {
			t.Errorf("%s without a fault: exit code %d: %s", op.name, base.code, base.said)
			continue
		}
		for _, name := range samplePaths(rng, base.calls) {
			for _, harm := range sortedHarms(rng) {
				skip := false
				r := d.attempt(t, op, func(place string) {
					if skip = noFault(op, harm, name, place); skip {
						return
					}
					if err := harms[harm](filepath.Join(place, name)); err != nil {
						t.Fatal(err)
					}
					if harm != "unreadable" {
						own(t, filepath.Join(place, name))
					}
				})
				if skip {
					continue
				}
				runs++
				if r.code == exitOK {
					recovered++
				}
				if followsNames[op.name] != "" {
					r.seen = base.seen
				}
				judge(t, fmt.Sprintf("%s: %s is %s", op.name, name, harm), base, r)
			}
		}
	}
	t.Logf("%d operations, %d runs, %d with the same result in spite of the failure", len(operations), runs, recovered)
}

// sortedHarms is all harms, or in a sample the unreadable one and one of the others.
func sortedHarms(rng *rand.Rand) (names []string) {
	for name := range harms {
		names = append(names, name)
	}
	slices.Sort(names)
	if os.Getenv("REPLCTL_FAULTS") == "all" {
		return names
	}
	others := slices.DeleteFunc(names, func(name string) bool { return name == "unreadable" })
	return []string{"unreadable", others[rng.IntN(len(others))]}
}

func samplePaths(rng *rand.Rand, names []string) []string {
	if os.Getenv("REPLCTL_FAULTS") == "all" {
		return names
	}
	chosen := some(rng, names, 3)
	for _, root := range []string{"ltx", "ltx/0", "generations", "ltx/9", "generations/cc3d8cd75808a4ef/wal"} {
		if slices.Contains(names, root) && !slices.Contains(chosen, root) && rng.IntN(2) == 0 {
			chosen = append(chosen, root)
		}
	}
	return chosen
}
