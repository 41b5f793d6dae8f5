package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/replctl/replicate/internal/rafttest"
)

// TestEngine is the commands of records in a directory, and in a file of SQLite.
func TestEngine(t *testing.T) {
	t.Run("file", func(t *testing.T) { scriptOn(t, func(work string) string { return filepath.Join(work, "dir") }) })
	t.Run("sqlite", func(t *testing.T) {
		scriptOn(t, func(work string) string { return "sqlite://" + filepath.ToSlash(filepath.Join(work, "state.db")) })
	})
	t.Run("raft", func(t *testing.T) {
		c := rafttest.Start(t, rafttest.Options{Nodes: 1})
		scriptOn(t, func(string) string { return "raft://127.0.0.1:1," + c.Node(0).Address() + "/app" })
	})
}

// scriptOn runs the scripts of testdata/engine on a place. It may be in the script's directory.
func scriptOn(t *testing.T, place func(work string) string) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "engine"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PLACE", place(env.WorkDir))
			env.Setenv("TZ", "UTC")
			env.Setenv("GORACE", "atexit_sleep_ms=0")
			for _, e := range os.Environ() { // the credentials of a bucket
				if name, value, _ := strings.Cut(e, "="); strings.HasPrefix(name, "AWS_") {
					env.Setenv(name, value)
				}
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exit": scriptExit},
	})
}
