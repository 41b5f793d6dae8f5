//go:build unix

package cli

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for what has to happen, on the busiest machine.
const patience = time.Minute

// heedSignals has the commands that are tested heed signals that this process was told
// to ignore, as by nohup, or by a shell that has put it into the background: what a
// process ignores, its children do too.
func heedSignals() {
	for _, sig := range []os.Signal{syscall.SIGINT, syscall.SIGHUP} {
		if signal.Ignored(sig) {
			signal.Notify(make(chan os.Signal, 1), sig) // a handler is not inherited
		}
	}
}

// process is a replctl that runs. Its standard input is open, and empty, until the test
// closes it.
type process struct {
	*exec.Cmd
	t      *testing.T
	stdin  io.WriteCloser
	stdout <-chan string // lines; closed when nobody has it open any more
	stderr <-chan string
	said   []string // of stderr
}

func startReplctl(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command("replctl", args...), t: t}
	p.Env = append(append(os.Environ(), "GORACE=atexit_sleep_ms=0"), env...)
	var err error
	if p.stdin, err = p.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	var out, talk *os.File
	p.stdout, out = pipe(t)
	p.stderr, talk = pipe(t)
	p.Stdout, p.Stderr = out, talk
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	_, _ = out.Close(), talk.Close()
	t.Cleanup(func() {
		_ = p.Process.Kill() // and nothing if it has ended
		_ = p.Wait()
	})
	return p
}

// pipe returns the lines that are written into a pipe.
func pipe(t *testing.T) (<-chan string, *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 1000)
	go func() {
		defer close(lines)
		defer r.Close()
		for s := bufio.NewScanner(r); s.Scan(); {
			lines <- s.Text()
		}
	}()
	return lines, w
}

// await returns when the process has said something on standard error.
func (p *process) await(what string) {
	p.t.Helper()
	for late := time.After(patience); ; {
		select {
		case line, ok := <-p.stderr:
			if p.said = append(p.said, line); ok && strings.Contains(line, what) {
				return
			} else if !ok {
				p.t.Fatalf("ended without %q:\n%s", what, strings.Join(p.said, "\n"))
			}
		case <-late:
			p.t.Fatalf("no %q:\n%s", what, strings.Join(p.said, "\n"))
		}
	}
}

// line is the next line on standard output.
func (p *process) line() string {
	p.t.Helper()
	select {
	case line := <-p.stdout:
		return line
	case <-time.After(patience):
		p.t.Fatal("nothing on standard output")
	}
	return ""
}

// dead returns when nobody has standard output open any more: neither replctl nor
// what it has started, nor what that has.
func (p *process) dead() {
	p.t.Helper()
	for late := time.After(patience); ; {
		select {
		case _, ok := <-p.stdout:
			if !ok {
				return
			}
		case <-late:
			p.t.Fatal("somebody lives on")
		}
	}
}

// ends checks the exit code, and returns what was said on standard error.
func (p *process) ends(want int) string {
	p.t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- p.Wait() }()
	select {
	case err := <-ended:
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			p.t.Fatal(err)
		}
	case <-time.After(patience):
		p.t.Fatalf("does not end:\n%s", strings.Join(p.said, "\n"))
	}
	for line := range p.stderr {
		p.said = append(p.said, line)
	}
	said := strings.Join(p.said, "\n")
	if got := p.ProcessState.ExitCode(); got != want {
		p.t.Errorf("got exit code %d (%v), want %d:\n%s", got, p.ProcessState, want, said)
	}
	return said
}

func (p *process) send(sig syscall.Signal) {
	p.t.Helper()
	if err := p.Process.Signal(sig); err != nil {
		p.t.Fatal(err)
	}
}
