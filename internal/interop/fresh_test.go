//go:build realtools

package interop

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestFresh: a replica is fresh while Litestream writes, and stale when nothing was written for a while.
// Then the database tells whether it is idle, or Litestream dead. Litestream's own configuration
// file names the replica.
func TestFresh(t *testing.T) {
	r := buildReplctl(t)
	for name, of := range map[string]struct {
		binary string
		config func(db, replica string) string
	}{
		"v0.5": {litestream05(t), config05},
		"v0.3": {litestream03(t), configV3},
	} {
		t.Run(name, func(t *testing.T) {
			db, dir := openDatabase(t), filepath.Join(t.TempDir(), "replica")
			config := of.config(db.path, fmt.Sprintf("{type: file, path: %s, sync-interval: 50ms}", dir))
			yml := filepath.Join(t.TempDir(), "litestream.yml")
			must(t, os.WriteFile(yml, []byte(config), 0o600))
			const fresh, maxAge = 0, 6 * time.Second
			check := func(what string, want int, command string, args ...string) {
				t.Helper()
				args = append([]string{command, "--config", yml, "--max-age", maxAge.String()}, args...)
				out, err := exec.CommandContext(t.Context(), string(r), args...).CombinedOutput()
				if code := exitCodeOf(err); code != want {
					t.Errorf("%s: %q: exit code %d, want %d\n%s", what, args, code, want, out)
				}
			}
			against := []string{db.path, "--against", db.path}

			d := replicate(t, of.binary, config)
			until := time.Now().Add(2 * maxAge)
			writeUntil(t, db, "twelve seconds", func() bool { return time.Now().After(until) })
			for _, command := range []string{"ls", "check"} {
				check("live", fresh, command)
			}
			check("live", fresh, "check", against...)

			time.Sleep(maxAge + 2*time.Second)
			for _, command := range []string{"ls", "check", "drill"} {
				check("idle", exitStale, command)
			}
			check("idle", fresh, "check", against...)

			must(t, d.cmd.Process.Kill())
			d.wait()
			check("killed, and nothing was written since", fresh, "check", against...)
			db.insert()
			for _, args := range [][]string{nil, against} {
				check("dead", exitStale, "check", args...)
			}
		})
	}
}

const exitStale = 7

func exitCodeOf(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	return -1
}
