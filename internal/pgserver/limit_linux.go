//go:build realservers

package pgserver

import (
	"os/exec"
	"strconv"
	"testing"
)

// LimitFiles lets no file of the server grow beyond so many bytes, as a full disk does; a
// negative number ends that. New processes of the server have the limit, too. A segment of the
// log has 16 MiB: with that limit the tables are full and the log is not. Less stops the log,
// and with it the server. It needs prlimit, which runs as the server's user: root may not do
// without a right that containers lack.
func (s *Server) LimitFiles(t testing.TB, bytes int) {
	t.Helper()
	soft := "unlimited:"
	if bytes >= 0 {
		soft = strconv.Itoa(bytes) + ":"
	}
	pid := s.postgres.Process.Pid
	for _, pid := range append([]int{pid}, children(pid)...) {
		cmd := exec.Command(program(t, "prlimit"), "--fsize="+soft, "--pid", strconv.Itoa(pid))
		cmd.SysProcAttr, cmd.Dir = s.user, s.Dir
		if out, err := cmd.CombinedOutput(); err != nil && alive(pid) {
			t.Fatalf("%v: %s", err, out)
		}
	}
}

// Running reports whether the server has not ended.
func (s *Server) Running() bool { return s.postgres != nil && alive(s.postgres.Process.Pid) }
