package cli

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/replctl/replicate/internal/testreplica"
)

// openPTY opens a pseudo-terminal of a given width.
func openPTY(t *testing.T, columns int) (master, terminal *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = master.Close() })
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(int(terminal.Fd()), unix.TIOCSWINSZ,
		&unix.Winsize{Col: uint16(columns), Row: 40}); err != nil {
		t.Fatal(err)
	}
	return master, terminal
}

// onTerminal runs a command on a terminal and returns what it shows.
func onTerminal(t *testing.T, columns int, args ...string) string {
	t.Helper()
	master, terminal := openPTY(t, columns)
	shown := make(chan string)
	go func() {
		data, _ := io.ReadAll(master) // ends with EIO when the terminal is closed
		shown <- strings.ReplaceAll(string(data), "\r\n", "\n")
	}()
	a := &app{stdout: terminal, stderr: terminal}
	root := newRootCommand(a)
	root.SetArgs(args)
	_ = a.exitCode(root.ExecuteContext(t.Context()))
	if err := terminal.Close(); err != nil {
		t.Fatal(err)
	}
	return <-shown
}

// escape is what shows colours, and progress where the test is slow.
var escape = regexp.MustCompile("\r\x1b\\[K(reading [^\r\n]*)?|\x1b\\[[0-9;]*m")

// At the usual widths no line is longer than the terminal, and no value is cut:
// what is left out is whole columns, and they are named.
func TestTerminalWidths(t *testing.T) {
	t.Chdir(testdata(t))
	replicas, err := filepath.Glob(filepath.Join("damaged", "*", "replica"))
	if err != nil || len(replicas) == 0 {
		t.Fatalf("no replicas: %v", err)
	}
	for _, replica := range append(replicas, "v0.5/replica", "v0.3/replica") {
		for _, cmd := range []string{"inspect --read none", "generations --read none", "snapshots", "wal", "ltx --fast"} {
			args := append(strings.Fields(cmd), replica)
			checkWidth(t, onTerminal(t, 80, args...), 80, args)
			shown := onTerminal(t, 120, args...)
			checkWidth(t, shown, 120, args)
			if strings.Contains(shown, "no room") {
				t.Errorf("%q in 120 columns: something is left out:\n%s", args, shown)
			}
		}
	}
	for _, replica := range []string{"damaged/v3-index-gap/replica", "damaged/ltx-bad-crc/replica"} {
		for _, columns := range []int{80, 120} {
			checkWidth(t, onTerminal(t, columns, "inspect", replica), columns, []string{"inspect", replica})
		}
	}
	// A terminal that does not know its width is taken for one of 80.
	checkWidth(t, onTerminal(t, 0, "inspect", "v0.3/replica"), 80, nil)
}

func checkWidth(t *testing.T, shown string, columns int, args []string) {
	t.Helper()
	for line := range strings.Lines(escape.ReplaceAllString(shown, "")) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > columns {
			t.Errorf("%q in %d columns: a line of %d:\n%s", args, columns, n, line)
		}
	}
	if strings.ContainsAny(shown, "~…") || !strings.Contains(shown, "\n") {
		t.Errorf("%q in %d columns: nothing, or something cut:\n%s", args, columns, shown)
	}
}

func TestColours(t *testing.T) {
	sound, damaged := testreplica.Copy(t, "v0.5"), testreplica.Copy(t, "damaged/ltx-gap")
	t.Setenv("NO_COLOR", "")
	t.Setenv("TERM", "xterm")
	if shown := onTerminal(t, 120, "inspect", sound); !strings.Contains(shown, "\x1b[32mnone\x1b[0m") {
		t.Errorf("no problems, and not in green:\n%q", shown)
	}
	if shown := onTerminal(t, 120, "inspect", damaged); !strings.Contains(shown, "\x1b[31;1merror\x1b[0m") {
		t.Errorf("an error, and not in red:\n%q", shown)
	}
	if shown := onTerminal(t, 120, "inspect", "--json", damaged); strings.Contains(shown, "\x1b[") {
		t.Errorf("JSON in colours:\n%q", shown)
	}
	for _, env := range []string{"NO_COLOR=1", "TERM=dumb"} {
		t.Run(env, func(t *testing.T) {
			name, value, _ := strings.Cut(env, "=")
			t.Setenv(name, value)
			if shown := onTerminal(t, 120, "inspect", damaged); strings.Contains(shown, "\x1b[") ||
				!strings.Contains(shown, "error  ltx/") {
				t.Errorf("colours, or no error:\n%q", shown)
			}
		})
	}
}
