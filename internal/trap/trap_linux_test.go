package trap

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	if Awaited() {
		if err := Enter(); err != nil {
			panic(err)
		}
		child(os.Args[1])
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child makes some calls, and says what came of them.
func child(dir string) {
	say := func(what string, err error) { fmt.Println(what, errors.Is(err, nil), err) }
	f, err := os.Create(filepath.Join(dir, "a"))
	say("create", err)
	if f == nil {
		return
	}
	n, err := f.Write([]byte("0123456789"))
	say(fmt.Sprint("write ", n), err)
	say("sync", f.Sync())
	locked := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	say("lock", locked)
	say("close", f.Close())
	say("rename", os.Rename(filepath.Join(dir, "a"), filepath.Join(dir, "b")))
	content, err := os.ReadFile(filepath.Join(dir, "b"))
	say("read "+string(content), err)
	root, err := os.OpenRoot(dir)
	if err != nil {
		panic(err)
	}
	say("mkdir", root.Mkdir("d", 0o700))
	entries, err := os.ReadDir(dir)
	say(fmt.Sprint("list ", len(entries)), err)
	say("link", root.Link("b", "c"))
	say("remove", root.Remove("c"))
}

// run runs the child, and decides its calls of one name, or all if that is empty.
func run(t *testing.T, name string, decide func(*Call)) (dir, out string, calls []string, err error) {
	t.Helper()
	dir, err = filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd := exec.Command(os.Args[0], dir)
	cmd.Stdout, cmd.Stderr = &said, &said
	err = Run(cmd, dir, func(c *Call) {
		calls = append(calls, c.Name+" "+c.Path)
		if decide != nil && (name == "" || c.Name == name) {
			decide(c)
		}
	})
	return dir, said.String(), calls, err
}

func TestCallsAreSeen(t *testing.T) {
	_, out, calls, err := run(t, "", nil)
	if err != nil || strings.Contains(out, "false") {
		t.Fatal(err, out)
	}
	got := strings.Join(calls, ",")
	for _, want := range []string{"create a", "write a", "fsync a", "lock a", "close a", "rename b", "open b", "read b",
		"mkdir d", "readdir .", "link c", "unlink c"} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not among the calls: %s", want, got)
		}
	}
}

func TestCallsFail(t *testing.T) {
	for name, want := range map[string]string{
		"create": "create false", "write": "write 0 false", "fsync": "sync false", "lock": "lock false",
		"close": "close false", "rename": "rename false", "read": "read  false", "mkdir": "mkdir false",
		"readdir": "list 0 false",
		"link":    "link false", "unlink": "remove false",
	} {
		_, out, _, err := run(t, name, func(c *Call) { c.Fail(unix.EIO) })
		if err != nil || !strings.Contains(out, want) || !strings.Contains(out, "input/output error") {
			t.Errorf("%s fails: %v, said\n%s", name, err, out)
		}
	}
}

func TestAnswersGetLost(t *testing.T) {
	for _, name := range []string{"create", "rename", "mkdir", "link", "unlink", "write", "fsync"} {
		kept := true
		_, out, calls, err := run(t, name, func(c *Call) {
			if err := c.FailAfter(unix.EIO); err != nil {
				t.Error(err)
			}
			_, err := os.Stat(filepath.Join(c.s.root, c.Path))
			kept = err == nil
		})
		if err != nil || !strings.Contains(out, "false") {
			t.Errorf("%s: %v, said\n%s", name, err, out)
		}
		if kept != (name != "unlink") {
			t.Errorf("%s has not been made: %v, of %v", name, kept, calls)
		}
	}
}

// TestShort: what the child repeats or asks for on its own makes the whole.
func TestShort(t *testing.T) {
	for _, name := range []string{"read", "write"} {
		shortened := 0
		_, out, _, err := run(t, name, func(c *Call) {
			if shortened++; shortened > 1 {
				return
			}
			if err := c.Short(); err != nil {
				t.Error(err)
			}
		})
		if err != nil || strings.Contains(out, "false") || !strings.Contains(out, "read 0123456789 true") || shortened < 2 {
			t.Errorf("%s, %d calls: %v, said\n%s", name, shortened, err, out)
		}
	}
}

// TestClosed: a descriptor whose close fails is closed, and its lock free when the child goes on.
func TestClosed(t *testing.T) {
	closed := false
	dir, out, _, err := run(t, "", func(c *Call) {
		switch c.Name {
		case "close":
			closed = true
			c.Fail(unix.EIO)
		case "rename":
			f, err := os.Open(filepath.Join(c.s.root, "a"))
			if err != nil {
				t.Error(err)
				return
			}
			defer f.Close()
			if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
				t.Errorf("it is locked after close: %v", err)
			}
		}
	})
	if err != nil || !closed {
		t.Error(dir, closed, err, out)
	}
}

func TestKilled(t *testing.T) {
	dir, out, _, err := run(t, "rename", func(c *Call) { c.Signal(unix.SIGKILL) })
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.Exited() {
		t.Errorf("%v, said\n%s", err, out)
	}
	if _, err := os.Stat(filepath.Join(dir, "b")); !os.IsNotExist(err) {
		t.Errorf("the call that it was killed at was made: %v", err)
	}
}
