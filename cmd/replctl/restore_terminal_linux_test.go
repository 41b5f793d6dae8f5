package main

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/replctl/replicate/internal/fakes3"
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
