//go:build unix

package cli

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// A reader that stops (replctl ... | head) ends the command as it ends others: by SIGPIPE,
// without a word.
func TestClosedPipe(t *testing.T) {
	dir := testdata(t)
	for _, args := range [][]string{
		{"inspect", filepath.Join(dir, "v0.5", "replica")},
		{"inspect", "--json", filepath.Join(dir, "damaged", "ltx-gap", "replica")},
		{"generations", filepath.Join(dir, "v0.3", "replica")},
		{"snapshots", filepath.Join(dir, "v0.3", "replica")},
		{"wal", filepath.Join(dir, "v0.3", "replica")},
		{"ltx", "--json", filepath.Join(dir, "v0.5", "replica")},
		{"version"}, {"help"}, {"completion", "zsh"},
	} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		_ = r.Close()
		var stderr bytes.Buffer
		cmd := exec.Command("replctl", args...)
		cmd.Stdout, cmd.Stderr = w, &stderr
		err = cmd.Run()
		_ = w.Close()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGPIPE || stderr.Len() > 0 {
			t.Errorf("%q: %v, want SIGPIPE\n%s", args, err, stderr.String())
		}
	}
}
