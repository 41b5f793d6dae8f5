package cli

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
)

// keys is what a person types, for a term.Terminal. That takes Ctrl-C for the end of the input; here
// it discards the line: it becomes Ctrl-E, Ctrl-U and Enter.
type keys struct {
	in     io.Reader
	typed  []byte
	ctrlC  atomic.Bool
	failed error
}

const ctrlC = 3

func (k *keys) Read(p []byte) (int, error) {
	if len(k.typed) == 0 && k.failed == nil {
		buf := make([]byte, 256)
		n, err := k.in.Read(buf)
		k.failed = err
		for _, b := range buf[:n] {
			if b == ctrlC {
				k.ctrlC.Store(true)
				k.typed = append(k.typed[:0], "\x05\x15\r"...) // with what was typed before it
			} else {
				k.typed = append(k.typed, b)
			}
		}
	}
	n := copy(p, k.typed)
	k.typed = k.typed[n:]
	if n == 0 {
		return 0, k.failed
	}
	return n, nil
}

// interrupted reports whether Ctrl-C has discarded the line that was read.
func (k *keys) interrupted() bool { return k.ctrlC.Swap(false) }

// typed is the lines that were typed, the newest last, in a file if there is one. It implements
// term.History.
type typed struct {
	lines []string
	file  string // "" is none
}

const (
	historyLines = 1000
	historyFull  = 4 * historyLines // lines of the file, above which the oldest are dropped
)

// newHistory reads the history from the file that REPLCTL_HISTORY names (none if it is empty), or
// from replctl/history in the directory for the state of programs. Without the file it is empty.
func newHistory() *typed {
	h := &typed{file: historyFile()}
	content, err := os.ReadFile(h.file)
	if h.file == "" || err != nil {
		return h
	}
	lines := strings.Split(strings.TrimSuffix(string(content), "\n"), "\n")
	h.lines = slices.Clone(lines[max(len(lines)-historyLines, 0):])
	if len(lines) > historyFull {
		_ = os.WriteFile(h.file, []byte(strings.Join(h.lines, "\n")+"\n"), 0o600)
	}
	return h
}

func historyFile() string {
	if file, set := os.LookupEnv("REPLCTL_HISTORY"); set {
		return file
	}
	dir := os.Getenv("XDG_STATE_HOME")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return ""
		}
		dir = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(dir, "replctl", "history")
}

// Add implements term.History. A file that cannot be written is no reason to stop.
func (h *typed) Add(line string) {
	if strings.TrimSpace(line) == "" || len(h.lines) > 0 && h.lines[len(h.lines)-1] == line {
		return
	}
	h.lines = append(h.lines, line)
	if h.file == "" {
		return
	}
	if err := os.MkdirAll(filepath.Dir(h.file), 0o700); err != nil {
		return
	}
	f, err := os.OpenFile(h.file, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return
	}
	defer f.Close()
	_, _ = f.WriteString(line + "\n")
}

// Len implements term.History.
func (h *typed) Len() int { return len(h.lines) }

// At implements term.History: 0 is the newest line.
func (h *typed) At(i int) string { return h.lines[len(h.lines)-1-i] }
