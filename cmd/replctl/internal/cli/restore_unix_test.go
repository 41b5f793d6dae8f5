//go:build unix

package cli

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/internal/testreplica"
)

// temps are the files of restores that are being written, or were.
func temps(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, ".replicate-*.tmp"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// A restore that is killed leaves nothing but a temporary file, which the next removes.
func TestRestoreKilled(t *testing.T) {
	for _, name := range []string{"v0.5", "v0.3"} {
		s := newSource(t, name)
		srv, _, url := bucketOf(t, s)
		data := func(r fakes3.Request) bool { // and not what only a plan reads
			return r.Op == "GetObject" && path.Base(r.Key) != "times.json" && r.Header.Get("Range") != "bytes=0-99"
		}
		srv.Fail(fakes3.Rule{Match: data, Times: -1, Fault: fakes3.StallBody(1000)})
		dir := t.TempDir()
		out := filepath.Join(dir, "db")
		p := startReplctl(t, nil, "restore", url, "-o", out)
		for late := time.Now().Add(patience); len(temps(t, dir)) == 0; time.Sleep(time.Millisecond) {
			if time.Now().After(late) {
				t.Fatalf("%s: no temporary file: %v", name, p.said)
			}
		}
		p.send(syscall.SIGKILL)
		p.ends(-1)
		if _, err := os.Stat(out); !errors.Is(err, os.ErrNotExist) || len(temps(t, dir)) != 1 {
			t.Errorf("%s: killed, and there is %v, beside %q", name, err, temps(t, dir))
		}
		srv.Reset()
		if code, _, stderr := replctl(t, "restore", url, "-o", out); code != exitOK || len(temps(t, dir)) != 0 {
			t.Errorf("%s: the next restore: exit code %d, leaves %q\n%s", name, code, temps(t, dir), stderr)
		}
	}
}

// Where a file may not become as large as the database, as on a full disk, the error
// says so, and everything is as it was.
func TestRestoreDoesNotFit(t *testing.T) {
	for _, name := range []string{"v0.5", "v0.3"} {
		for _, force := range []bool{false, true} {
			dir, url := t.TempDir(), testreplica.Copy(t, name)
			out := filepath.Join(dir, "db")
			args := []string{"-c", `ulimit -f 40 && exec replctl restore "$@"`, "sh", url, "-o", out}
			if force {
				args = append(args, "--force")
				if err := os.WriteFile(out, []byte("old"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			said, err := exec.Command("sh", args...).CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != exitFailure || !strings.Contains(string(said), "file too large") ||
				bytes.Count(said, []byte("\n")) > 2 {
				t.Errorf("%s: %v, want exit code 1 and why\n%s", name, err, said)
			}
			old, err := os.ReadFile(out)
			if force && string(old) != "old" || !force && !errors.Is(err, os.ErrNotExist) || len(temps(t, dir)) > 0 {
				t.Errorf("%s: in the place is %d bytes, %v, beside %q", name, len(old), err, temps(t, dir))
			}
		}
	}
}

// A reader that stops ends the command by SIGPIPE, and nothing is left where
// temporary files are.
func TestRestoreToClosedPipe(t *testing.T) {
	for _, name := range []string{"v0.5", "v0.3"} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		var stderr bytes.Buffer
		tmp := t.TempDir()
		cmd := exec.Command("replctl", "restore", testreplica.Copy(t, name), "-o", "-")
		cmd.Env = append(os.Environ(), "TMPDIR="+tmp)
		cmd.Stdout, cmd.Stderr = w, &stderr
		_ = r.Close()
		err = cmd.Run()
		_ = w.Close()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGPIPE || stderr.Len() > 0 {
			t.Errorf("%s: %v, want SIGPIPE\n%s", name, err, stderr.String())
		}
		if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
			t.Errorf("%s: left %v, %v", name, left, err)
		}
	}
}

// Whatever happens to the objects of a directory while they are read, what comes out
// is a state of the database or an error.
func TestRestoreOfChangingDirectory(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"v0.5", "v0.3"} {
		s, rng, codes := newSource(t, name), rand.New(rand.NewPCG(6, 1)), map[int]int{}
		s.restoreAll(t)
		for range 15 {
			c := s.change(rng)
			after, changed := time.Duration(rng.IntN(6000))*time.Microsecond, make(chan error, 1)
			go func() {
				time.Sleep(after)
				changed <- s.write(c)
			}()
			codes[s.check(t, c, s.dir)]++
			if err := <-changed; err != nil {
				t.Fatal(err)
			}
			codes[s.check(t, c, s.dir)]++ // and now it is changed for certain
			if err := s.write(change{key: c.key, content: s.files[c.key]}); err != nil {
				t.Fatal(err)
			}
		}
		t.Logf("%s: exit codes %v", name, codes)
	}
}

// write is not atomic, as by a tool that knows nothing of replicas.
func (s *source) write(c change) error {
	file := filepath.Join(s.dir, c.key)
	if c.content == nil {
		return os.Remove(file)
	}
	if err := os.WriteFile(file, c.content, 0o600); err != nil {
		return err
	}
	return os.Chtimes(file, s.times[c.key], s.times[c.key])
}
