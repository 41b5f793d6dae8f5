//go:build faults && linux

package faults

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/replctl/replicate/internal/trap"
)

// yard is a directory with all that the runs of one operation read and write: the replica or
// the records, the output, and what is temporary.
type yard struct {
	t      *testing.T
	op     operation
	source string // the replica, where nothing fails
	root   string
	filled bool
	child  *child

	objects []string // names, one of which is in each error
	judge   *place   // has the run without a failure, and the rules of the run after one
}

func newYard(t *testing.T, op operation, source string) *yard {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return &yard{t: t, op: op, source: source, root: root}
}

func (y *yard) replica() string { return filepath.Join(y.root, "replica") }
func (y *yard) url() string {
	if y.op.sqlite {
		return "sqlite://" + y.replica() + "/state.db"
	}
	return "file://" + y.replica()
}
func (y *yard) out() string { return filepath.Join(y.root, "out", "file") }

// clear makes the yard as the operation finds it. What an operation only reads stays.
func (y *yard) clear() {
	y.t.Helper()
	readsOnly := y.op.state == nil && y.op.prepare == nil
	err := errors.Join(os.RemoveAll(filepath.Join(y.root, "out")), os.RemoveAll(filepath.Join(y.root, "tmp")))
	if !readsOnly || !y.filled {
		err = errors.Join(err, os.RemoveAll(y.replica()))
		if y.op.sqlite {
			err = errors.Join(err, os.Mkdir(y.replica(), 0o755))
		}
		if y.op.replica {
			err = errors.Join(err, linkTree(y.replica(), y.source))
		}
		y.filled = true
	}
	for _, name := range []string{"out", "tmp"} {
		err = errors.Join(err, os.Mkdir(filepath.Join(y.root, name), 0o755))
	}
	if err != nil {
		y.t.Fatal(err)
	}
}

// linkTree makes a tree of links to files: nothing writes to a file that has a name.
func linkTree(to, from string) error {
	return filepath.WalkDir(from, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(to, strings.TrimPrefix(name, from))
		if d.IsDir() {
			return os.Mkdir(target, 0o755)
		}
		return os.Link(name, target)
	})
}

// look is what a fresh reader sees.
func (y *yard) look() string {
	y.t.Helper()
	if y.op.state == nil {
		return ""
	}
	s, err := y.op.state(&env{ctx: y.t.Context(), url: y.url(), out: y.out()})
	if err != nil {
		return "unreadable: " + err.Error()
	}
	return s
}

var temporary = regexp.MustCompile(`^(\.replicate-|replicate-|etilqs_)`)

// left are the temporary files in the yard.
func (y *yard) left() (found []string) {
	y.t.Helper()
	err := filepath.WalkDir(y.root, func(name string, d fs.DirEntry, err error) error {
		if err == nil && temporary.MatchString(d.Name()) {
			rel, _ := filepath.Rel(y.root, name)
			found = append(found, rel)
		}
		return err
	})
	if err != nil {
		y.t.Fatal(err)
	}
	return found
}

// attempt runs the operation in a cleared yard, in a process that does nothing else, and again
// without a failure if it has failed, or if repeat is set. Decide is asked about each of the calls
// of the first run.
func (y *yard) attempt(decide func(*trap.Call), repeat bool) (a attempt, killed bool) {
	y.t.Helper()
	y.clear()
	kept := y.ready(order{})
	a.before = y.look()
	r := y.child.goOn(decide)
	if killed = r == nil; killed {
		r = &Result{Failed: true, Unknown: true, Said: "killed: " + y.child.end()}
	}
	if killed || r.Took > Bound {
		y.child.end()
		y.child = nil
	}
	a.Result = *r
	a.State, a.Left = y.look(), y.left()
	if !a.Failed && !repeat {
		return a, killed
	}
	if y.child == nil {
		y.ready(order{Prepared: true, Kept: kept})
	}
	if a.again = y.child.goOn(nil); a.again == nil {
		a.again = &Result{Failed: true, Said: y.child.end()}
	}
	a.again.State, a.again.Left = y.look(), y.left()
	return a, killed
}

// ready has a child prepare what is to be run, and returns what the preparation leaves.
func (y *yard) ready(o order) (kept []byte) {
	y.t.Helper()
	if y.child == nil {
		y.child = y.start()
	}
	o.Op, o.URL, o.Out, o.Source = y.op.name, y.url(), y.out(), y.source
	if err := json.NewEncoder(y.child.in).Encode(o); err != nil {
		y.t.Fatalf("%s: %v: %s", y.op.name, err, y.child.end())
	}
	r, ok := y.child.hear()
	if !ok {
		y.t.Fatalf("%s: the child ends before the operation: %s", y.op.name, y.child.end())
	}
	return r.Kept
}

// child is a process that runs operations.
type child struct {
	t      *testing.T
	in     io.WriteCloser
	out    *bufio.Reader
	cmd    *exec.Cmd
	decide atomic.Pointer[func(*trap.Call)] // is asked about each call, if it is set
	ended  chan error
	said   bytes.Buffer
}

func (y *yard) start() *child {
	y.t.Helper()
	c := &child{t: y.t, ended: make(chan error, 1)}
	c.cmd = exec.Command(os.Args[0])
	c.cmd.Env = append(os.Environ(), childVariable+"=1", "TMPDIR="+filepath.Join(y.root, "tmp"))
	c.cmd.Stderr = &c.said
	r, w, err := os.Pipe()
	if err != nil {
		y.t.Fatal(err)
	}
	c.cmd.Stdout = w
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		y.t.Fatal(err)
	}
	c.out = bufio.NewReader(r)
	go func() {
		err := trap.Run(c.cmd, y.root, func(call *trap.Call) {
			if decide := c.decide.Load(); decide != nil {
				(*decide)(call)
			}
		})
		_ = w.Close()
		c.ended <- err
	}()
	y.t.Cleanup(func() { c.end() })
	return c
}

// hear waits for a report. It is false if the child has ended.
func (c *child) hear() (r report, ok bool) {
	line, err := c.out.ReadBytes('\n')
	if err != nil {
		return r, false
	}
	if err := json.Unmarshal(line, &r); err != nil {
		c.t.Fatalf("%s: %v", line, err)
	}
	return r, true
}

// patience is how long an operation may take: without a failure it takes milliseconds.
const patience = 15 * time.Second

// goOn lets the child run the operation. The result is nil if it has ended meanwhile. A child
// that does not end is killed.
func (c *child) goOn(decide func(*trap.Call)) *Result {
	if decide != nil {
		c.decide.Store(&decide)
		defer c.decide.Store(nil)
	}
	late := atomic.Bool{}
	timer := time.AfterFunc(patience, func() { late.Store(true); _ = c.cmd.Process.Kill() })
	defer timer.Stop()
	_, _ = io.WriteString(c.in, "\n")
	r, _ := c.hear()
	if late.Load() {
		return &Result{Failed: true, Said: "it does not end", Took: 2 * Bound}
	}
	return r.Result
}

// end ends the child, and says how it has ended.
func (c *child) end() string {
	_ = c.in.Close()
	select {
	case err := <-c.ended:
		c.ended <- err // for whoever asks again
		return strings.TrimSpace(fmt.Sprintf("%v %s", err, c.said.String()))
	case <-time.After(3 * Bound):
		c.t.Fatal("the child does not end")
		return ""
	}
}
