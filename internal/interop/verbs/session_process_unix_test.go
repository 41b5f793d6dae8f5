//go:build unix

package verbs_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/lease"
)

// holdIn, in the environment, makes the test binary a process that holds the lease of
// that directory.
const holdIn = "REPLICATE_TEST_HOLD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(holdIn); dir != "" {
		if err := hold(dir); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func leaserIn(dir, owner string, ttl time.Duration) *file.Leaser {
	l := file.NewLeaser(dir)
	l.Owner, l.TTL = owner, ttl
	return l
}

// hold says with which generation it holds the lease, when its context ends, and, for
// each line on standard input, whether the session is valid.
func hold(dir string) error {
	var s *lease.Session
	err := lease.ErrLost
	for errors.Is(err, lease.ErrLost) || errors.Is(err, replicate.ErrLeaseNotHeld) {
		// On a busy machine the lease may be over by the time that it is there.
		s, err = lease.Acquire(context.Background(), leaserIn(dir, "stopped", 2*time.Second), lease.Options{})
	}
	if err != nil {
		return err
	}
	fmt.Println("held", s.Generation())
	ended := make(chan struct{})
	context.AfterFunc(s.Context(), func() {
		fmt.Println("lost", errors.Is(context.Cause(s.Context()), lease.ErrLost))
		close(ended)
	})
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		fmt.Println("valid", s.Valid())
	}
	<-ended
	fmt.Println("released", s.Release(context.Background()) == nil)
	return in.Err()
}

// TestStoppedProcess: a holder that is stopped until its lease is somebody else's knows
// it as soon as it goes on.
func TestStoppedProcess(t *testing.T) {
	dir := t.TempDir()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), holdIn+"="+dir)
	stdin, stdout := pipes(t, child)
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	lines.Scan()
	var held int64
	if _, err := fmt.Sscanf(lines.Text(), "held %d", &held); err != nil {
		t.Fatalf("the holder says %q, %v", lines.Text(), lines.Err())
	}
	signal(t, child, syscall.SIGSTOP)
	s, err := lease.Acquire(
		t.Context(),
		leaserIn(dir, "running", lease.DefaultTTL),
		lease.Options{PollEvery: 50 * time.Millisecond},
	)
	if err != nil {
		t.Fatal(err)
	}
	if s.Generation() != held+1 {
		t.Errorf("generation %d after %d", s.Generation(), held)
	}
	// The question is there before the holder goes on.
	if _, err := io.WriteString(stdin, "?\n"); err != nil {
		t.Fatal(err)
	}
	signal(t, child, syscall.SIGCONT)
	_ = stdin.Close()
	var said []string
	for lines.Scan() {
		said = append(said, lines.Text())
	}
	slices.Sort(said)
	if got, want := strings.Join(said, ", "), "lost true, released false, valid false"; got != want {
		t.Errorf("the stopped holder says %q, want %q", got, want)
	}
	if err := child.Wait(); err != nil {
		t.Errorf("the stopped holder: %v", err)
	}
	if !s.Valid() {
		t.Errorf("the new holder: %v", s.Err())
	}
	if err := s.Release(t.Context()); err != nil {
		t.Errorf("Release by the new holder: %v", err)
	}
}

func pipes(t *testing.T, cmd *exec.Cmd) (stdin io.WriteCloser, stdout io.Reader) {
	t.Helper()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err = cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	return stdin, stdout
}

func signal(t *testing.T, cmd *exec.Cmd, s syscall.Signal) {
	t.Helper()
	if err := cmd.Process.Signal(s); err != nil {
		t.Fatalf("signal %v: %v", s, err)
	}
}
