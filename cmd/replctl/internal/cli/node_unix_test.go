//go:build unix

package cli

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestNodeProcess: a node says what it waits for, ends with 0 on SIGTERM and SIGINT, and goes on where it was.
func TestNodeProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lone := startReplctl(t, nil, "node", "run", "--data", filepath.Join(dir, "lone"), "--id", "lone",
		"--listen", "127.0.0.1:0", "--join", "127.0.0.1:1")
	lone.await("waiting for the cluster: for its leader")
	lone.send(syscall.SIGTERM)
	lone.ends(exitOK)

	data := filepath.Join(dir, "a")
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		p := startReplctl(t, nil, "node", "run", "--data", data, "--id", "a", "--listen", "127.0.0.1:0", "--bootstrap",
			"--http", "127.0.0.1:0")
		p.await("metrics are at")
		p.await(" is ready")
		_, after, _ := strings.Cut(strings.Join(p.said, "\n"), " listens on ")
		address, _, _ := strings.Cut(after, "\n")
		url := "raft://" + address + "/app"
		if _, stdout, _ := replctl(t, "kv", "get", url, "k"); sig == syscall.SIGINT && stdout != "v" {
			t.Errorf("after a restart the record is %q", stdout)
		}
		if code, _, stderr := replctl(t, "kv", "put", url, "k", "v"); code != exitOK {
			t.Error(stderr)
		}
		p.send(sig)
		p.ends(exitOK)
	}
}
