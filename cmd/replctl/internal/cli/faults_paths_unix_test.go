//go:build faults && unix

package cli

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/replctl/replicate/internal/faults"
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

// run is a runner of processes, which are those of a user whom permissions stop.
func (d *disk) run(ctx context.Context, t *testing.T, args []string, printed func()) (code int, stdout, stderr string) {
	t.Helper()
	cmd := exec.Command(d.binary, args...)
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	return runProcess(ctx, t, cmd, syscall.SIGTERM, printed) // SIGINT may be ignored
}

// attempt runs a command in a fresh place, after hurt has been there.
func (d *disk) attempt(t *testing.T, c faults.Command, hurt func(place string)) (r faults.Result, code int,
	before string, names []string,
) {
	t.Helper()
	place := filepath.Join(openDir(t), "replica")
	tr := &trial{t: t, cmd: c, run: d.run, words: map[string]string{"URL": place, "REPLICA": d.dir, "DB": d.db,
		"OUT": filepath.Join(openDir(t), "out")}}
	if !c.Empty {
		if err := os.CopyFS(place, os.DirFS(d.dir)); err != nil {
			t.Fatal(err)
		}
		keepTimes(t, d.dir, place)
		own(t, filepath.Dir(place))
	}
	tr.prepare()
	before = tr.state()
	names = paths(t, place)
	hurt(place)
	r, code = tr.command(t.Context(), d.run)
	r.Left, r.State = tr.left(), before
	if code == exitOK {
		r.State = tr.state()
	}
	return r, code, before, names
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

// followsNames are the commands whose result follows the names that are there and their sizes,
// and why that is right.
var followsNames = map[string]string{
	"wal":         "it lists, and what is no file has no bytes",
	"ltx --fast":  "it lists, and reads no headers",
	"prune":       "what it would delete depends on what can be restored, and what it keeps is proved",
	"prune --yes": "as prune",
}

// noFault: what is put there is no fault of a store but what an operator did; an empty
// directory in place of one with files is a replica without them, and so an answer.
func noFault(c faults.Command, harm, name, place string) bool {
	fi, err := os.Stat(filepath.Join(place, name))
	switch {
	case err != nil:
		return true
	case name == ".":
		return harm != "unreadable" // another URL, in effect
	}
	// An empty directory is no record: it may be left of others whose keys go on.
	return (fi.IsDir() || c.Empty) && harm == "a directory" || !fi.IsDir() && strings.HasSuffix(name, ".lock")
}

// TestEveryPathFails is TestEveryCallFails on a directory: each name below a replica is
// unreadable once, and once each something else than it should be.
func TestEveryPathFails(t *testing.T) {
	d := newDisk(t)
	for i, c := range faults.Commands {
		if !faults.Wanted(c.Op()) || !faults.Turn(i) {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			base, code, _, names := d.attempt(t, c, func(string) {})
			if code != exitOK {
				t.Fatalf("without a failure: exit code %d: %s", code, base.Said)
			}
			chosen := faults.Sampler("paths of " + c.Op())
			for _, name := range names {
				for _, harm := range slices.Sorted(maps.Keys(harms)) {
					if chosen() {
						d.fail(t, c, base, name, harm)
					}
				}
			}
		})
	}
}

// fail runs a command with one harm done to one name, and judges what comes of it.
func (d *disk) fail(t *testing.T, c faults.Command, base faults.Result, name, harm string) {
	t.Run("", func(t *testing.T) {
		skip := false
		r, code, before, _ := d.attempt(t, c, func(place string) {
			if skip = noFault(c, harm, name, place); skip {
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
			return
		}
		if followsNames[c.Name] != "" {
			r.Seen, r.State = base.Seen, base.State
		}
		faults.Log(t, faults.Line{Store: "file", Op: c.Op(), Call: "name " + name, Kind: harm, Exit: code}, r,
			faults.Judge(base, r, before, true, nil))
	})
}
