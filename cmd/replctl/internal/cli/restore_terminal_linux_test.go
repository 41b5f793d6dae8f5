package cli

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/internal/testreplica"
)

// On a terminal a restore that takes its time shows how far it is, and takes that away
// in the end.
func TestRestoreProgress(t *testing.T) {
	srv, _, url := bucketOf(t, newSource(t, "v0.5"))
	srv.Fail(fakes3.Rule{Match: fakes3.Op("GetObject"), Times: -1, Fault: fakes3.SlowBody(6, 150*time.Millisecond)})
	s := startOnTerminal(t, "replctl", "restore", url, "-o", filepath.Join(t.TempDir(), "db"))
	for _, what := range []string{"\r\x1b[Krestoring ", " KiB of ", " KiB, ", "/s", "\r\x1b[Krestored "} {
		s.until(what)
	}
}

// A database is not written to a terminal.
func TestRestoreToTerminal(t *testing.T) {
	shown := onTerminal(t, 80, "restore", testreplica.Copy(t, "v0.5"), "-o", "-")
	want := "replctl: restore: standard output is a terminal, and a database is no text\n" +
		"Try: -o db.sqlite, or a pipe\n"
	if shown != want {
		t.Errorf("got %q, want %q", shown, want)
	}
}

// A value from a store commands no terminal, and is as it is in a pipe.
func TestValueOnTerminal(t *testing.T) {
	dir := t.TempDir()
	const value = "one\x1b[2J\n\ttwo\u202e\n"
	if code, _, stderr := replctl(t, "kv", "put", dir, "k", value); code != exitOK {
		t.Fatal(stderr)
	}
	if shown, want := onTerminal(t, 80, "kv", "get", dir, "k"), "one\\x1b[2J\n\ttwo\\u202e\n"; shown != want {
		t.Errorf("on a terminal: got %q, want %q", shown, want)
	}
	if _, piped, _ := replctl(t, "kv", "get", dir, "k"); piped != value {
		t.Errorf("in a pipe: got %q, want %q", piped, value)
	}
}
