package cli

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// terminalSession is a program that has a terminal of its own.
type terminalSession struct {
	*exec.Cmd
	t      *testing.T
	keys   io.Writer
	screen *bufio.Reader
	seen   strings.Builder
}

func startOnTerminal(t *testing.T, name string, args ...string) *terminalSession {
	t.Helper()
	master, terminal := openPTY(t, 80)
	s := &terminalSession{Cmd: exec.Command(name, args...), t: t, keys: master, screen: bufio.NewReader(master)}
	s.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	s.Stdin, s.Stdout, s.Stderr = terminal, terminal, terminal
	s.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	_ = terminal.Close()
	watchdog := time.AfterFunc(patience, func() { _ = s.Process.Kill() }) // and so ends every read
	t.Cleanup(func() {
		watchdog.Stop()
		_ = s.Process.Kill()
		_ = s.Wait()
	})
	return s
}

// until reads until the screen shows something.
func (s *terminalSession) until(what string) {
	s.t.Helper()
	for shown := ""; !strings.Contains(shown, what); {
		b, err := s.screen.ReadByte()
		if err != nil {
			s.t.Fatalf("no %q: %v\n%s", what, err, s.seen.String())
		}
		shown += string(b)
		s.seen.WriteByte(b)
	}
}

func (s *terminalSession) press(keys string) {
	s.t.Helper()
	if _, err := io.WriteString(s.keys, keys); err != nil {
		s.t.Fatal(err)
	}
}

func (s *terminalSession) ends(want int) {
	s.t.Helper()
	_, _ = io.Copy(&s.seen, s.screen)
	_ = s.Wait()
	if got := s.ProcessState.ExitCode(); got != want {
		s.t.Errorf("got %v, want exit code %d:\n%s", s.ProcessState, want, s.seen.String())
	}
}

// A command on a terminal can ask, and so can what comes after it.
func TestExecOnTerminal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := startOnTerminal(t, "sh", "-c",
		`replctl lease exec "$0" -- sh -c 'echo who; read x; echo hello $x'; echo and; read y; echo bye $y; exit 3`, dir)
	s.until("who")
	s.press("you\n")
	s.until("hello you")
	s.until("and")
	s.press("all\n")
	s.until("bye all")
	s.ends(3)
}

// Ctrl-C is for the command, and Ctrl-Z, which would let it outlast its lease, for
// nobody.
func TestExecKeys(t *testing.T) {
	t.Parallel()
	s := startOnTerminal(t, "replctl", "lease", "exec", t.TempDir(), "--", "sh", "-c",
		`trap 'echo interrupted; exit 9' INT; echo ready; while :; do read x; echo got $x; done`)
	s.until("ready")
	s.press("\x1a")
	s.press("on\n")
	s.until("got on")
	s.press("\x03")
	s.until("interrupted")
	s.ends(9)
}

// In the background of a terminal the command is refused what is typed, and not
// stopped while its lease is renewed.
func TestExecInBackground(t *testing.T) {
	t.Parallel()
	s := startOnTerminal(t, "sh", "-c",
		`replctl lease exec "$0" -- sh -c 'read x; echo read: $?; exit 4' | cat; echo done`, t.TempDir())
	s.until("read: 1")
	s.until("done")
	s.ends(0)
}
