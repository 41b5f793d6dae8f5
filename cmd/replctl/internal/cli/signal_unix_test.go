//go:build unix

package cli

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/internal/testreplica"
)

// Every command that a signal ends has the signal's exit code, as in a shell: none says
// that nothing is there, or that all is well.
func TestSignals(t *testing.T) {
	local, backup := testreplica.Copy(t, "v0.5"), testreplica.Copy(t, "v0.3")
	for _, args := range [][]string{
		{"ls", "URL"}, {"drill", "URL"},
		{"inspect", "URL"}, {"generations", "URL"}, {"snapshots", "URL"}, {"wal", "URL"}, {"ltx", "URL"}, {"plan", "URL"},
		{"check", "URL"}, {"check", "--deep", "URL"}, {"restore", "URL", "-o", "OUT"},
		{"restore", "URL", "-o", "OUT", "--if-replica-exists"}, {"restore", "URL", "-o", "-"},
		{"cp", "URL", "OUT"}, {"cp", local, "URL", "--lease"}, {"migrate", backup, "URL"}, {"migrate", "URL", "OUT"},
		{"prune", "URL", "--keep-within", "1d"}, {"prune", "URL", "--keep-within", "1d", "--yes"},
		{"lease", "show", "URL"}, {"lease", "watch", "URL"}, {"lease", "acquire", "URL"},
		{"lease", "acquire", "--wait", "1h", "URL"},
		{"lease", "break", "--generation", "1", "URL"},
		{"kv", "get", "URL", "k"}, {"kv", "ls", "URL"}, {"kv", "put", "URL", "k", "v"}, {"kv", "rm", "URL", "k"},
		{"kv", "watch", "URL", "k"},
		{"probe", "URL"},
	} {
		for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
			signalDuringRequest(t, sig, args)
		}
	}
}

// signalDuringRequest sends a command a signal while the store does not answer.
func signalDuringRequest(t *testing.T, sig syscall.Signal, args []string) {
	t.Helper()
	srv := fakes3.New(t)
	asked := make(chan struct{}, 100)
	srv.Fail(fakes3.Rule{Times: -1, Fault: fakes3.Hang(), Match: func(fakes3.Request) bool {
		select {
		case asked <- struct{}{}:
		default:
		}
		return true
	}})
	out := filepath.Join(t.TempDir(), "out")
	var filled []string
	for _, arg := range args {
		switch arg {
		case "URL":
			arg = bucketURL(srv.URL)
		case "OUT":
			arg = out
		}
		filled = append(filled, arg)
	}
	p := startReplctl(t, bucketEnv, filled...)
	<-asked
	p.send(sig)
	p.ends(exitSignal + int(sig))
	if t.Failed() {
		t.Fatalf("of %q", args)
	}
	if _, err := os.Stat(out); args[0] == "restore" && !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%q: there is something: %v", args, err)
	}
}
