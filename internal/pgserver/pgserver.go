//go:build realservers

package pgserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Server is a PostgreSQL server that listens on the loopback interface.
type Server struct {
	Dir  string // of the cluster
	Port int

	settings []string
	user     *syscall.SysProcAttr
	postgres *exec.Cmd
	log      bytes.Buffer
}

// Start makes a cluster and starts a server, which is stopped when the test ends. Settings
// are as in postgresql.conf: "synchronous_commit=off".
func Start(t testing.TB, settings ...string) *Server {
	t.Helper()
	s := New(t, settings...)
	s.Run(t)
	return s
}

// New makes a cluster. Its default collation is not that of bytes.
func New(t testing.TB, settings ...string) *Server {
	t.Helper()
	dir, err := os.MkdirTemp("", "pgserver")
	if err != nil {
		t.Fatal(err)
	}
	return NewIn(t, dir, settings...)
}

// NewIn is New in an empty directory, which is removed when the test ends.
func NewIn(t testing.TB, dir string, settings ...string) *Server {
	t.Helper()
	s := &Server{Dir: filepath.Join(dir, "data"), Port: freePort(t), settings: settings, user: other(t, dir)}
	t.Cleanup(func() {
		s.Kill(t)
		if t.Failed() {
			t.Logf("the server's log ends in:\n%s", tail(s.log.String()))
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	initdb := exec.Command(program(t, "initdb"), "-D", s.Dir, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync",
		"--locale=C", "--locale-provider=icu", "--icu-locale=en-US")
	initdb.SysProcAttr, initdb.Dir = s.user, dir
	if out, err := initdb.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	return s
}

// other is who runs the server: root may not, and gives the directory to the user postgres.
func other(t testing.TB, dir string) *syscall.SysProcAttr {
	t.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	if err := os.Chown(dir, uid, gid); err != nil {
		t.Fatal(err)
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}

func program(t testing.TB, name string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if len(found) == 0 {
		t.Fatalf("there is no %s: install postgresql", name)
	}
	return found[len(found)-1]
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// Run starts the server again, after Kill or Stop, and waits until it takes connections.
func (s *Server) Run(t testing.TB) {
	t.Helper()
	args := []string{"-D", s.Dir, "-k", s.Dir, "-p", strconv.Itoa(s.Port), "-c", "listen_addresses=127.0.0.1"}
	for _, setting := range s.settings {
		args = append(args, "-c", setting)
	}
	s.postgres = exec.Command(program(t, "postgres"), args...)
	s.postgres.SysProcAttr, s.postgres.Dir = s.user, s.Dir
	s.postgres.Stdout, s.postgres.Stderr = &s.log, &s.log
	s.postgres.WaitDelay = time.Second
	if err := s.postgres.Start(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		conn, err := pgx.Connect(context.Background(), s.URL(""))
		if err == nil {
			_ = conn.Close(context.Background())
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the server does not start: %v\n%s", err, tail(s.log.String()))
		}
	}
}

func tail(log string) string { return log[max(0, len(log)-4000):] }

// Kill kills all processes of the server at once, as a crash does, and waits for their end.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	if s.postgres == nil || s.postgres.Process == nil {
		return
	}
	pid := s.postgres.Process.Pid
	_ = syscall.Kill(pid, syscall.SIGSTOP) // it starts no more of them
	all := append(children(pid), pid)
	for _, pid := range all {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	_ = s.postgres.Wait()
	s.postgres = nil
	for end := time.Now().Add(10 * time.Second); slices.ContainsFunc(all, alive); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("a process of the server does not end")
		}
	}
}

// Stop shuts the server down.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	if err := s.postgres.Process.Signal(syscall.SIGINT); err != nil {
		t.Error(err)
	}
	_ = s.postgres.Wait()
	s.postgres = nil
}

// alive is false for a process that is a zombie, too: nobody may be there to wait for it.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return false
	}
	return !strings.Contains(string(stat), ") Z ")
}

func children(parent int) (pids []int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range stats {
		stat, _ := os.ReadFile(name)
		_, rest, ok := strings.Cut(string(stat), ") ")
		if fields := strings.Fields(rest); ok && len(fields) > 1 && fields[1] == strconv.Itoa(parent) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
			pids = append(pids, pid)
		}
	}
	return pids
}

// URL is that of the database postgres, with more parameters: "application_name=x".
func (s *Server) URL(params string) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable&%s", s.Port, params)
}

// Exec runs a statement as an operator would.
func (s *Server) Exec(t testing.TB, statement string, args ...any) {
	t.Helper()
	if err := s.TryExec(statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// TryExec is Exec that may fail.
func (s *Server) TryExec(statement string, args ...any) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.URL("application_name=operator"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, statement, args...)
	return err
}

// Standby makes the cluster a standby, of no primary, from the next Run on.
func (s *Server) Standby(t testing.TB) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.Dir, "standby.signal"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
}
