//go:build realservers

package postgres_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/pgserver"
	"github.com/replctl/replicate/lease"
	"github.com/replctl/replicate/postgres"
	"github.com/replctl/replicate/store/config"
)

// leaderEnv makes the test binary a leader: URL, schema, locker and witness.
const leaderEnv = "REPLICATE_TEST_LEADER"

// TestMain is a leader if the environment says so.
func TestMain(m *testing.M) {
	if args := os.Getenv(leaderEnv); args != "" {
		if err := lead(strings.Fields(args)); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// lead waits for the lock, says so with its number, and then writes that into a record until it
// is killed, or has lost the lock. The witness is a file that the kernel locks for one process at
// a time: two leaders at once are an error. The kernel closes the files of a process that dies in
// the order of their numbers, so that the witness is free before the lock is.
func lead(args []string) error {
	ctx := context.Background()
	witness, err := os.Open(args[3])
	if err != nil {
		return err
	}
	s, err := postgres.Open(ctx, args[0], postgres.Options{Schema: args[1]})
	if err != nil {
		return err
	}
	store := configured(s, args[2] == "advisory")
	var lock config.HeldLock
	for lock == nil {
		lock, err = store.TryLock(ctx, 1)
		if err != nil && !errors.Is(err, config.ErrLockNotAcquired) {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err := unix.Flock(int(witness.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return fmt.Errorf("another leads at the same time: %w", err)
	}
	for i := 0; lock.Context().Err() == nil; i++ {
		// The record of a holder: nobody else may have one at the same time.
		if err := alone(lock.Context(), s, lock.Fence()); err != nil {
			return err
		}
		if i == 0 {
			fmt.Println("leads", lock.Fence())
		}
	}
	return context.Cause(lock.Context())
}

// alone writes the holder's number into a record. It is an error if a later one is there.
func alone(ctx context.Context, s cas.Store, fence int64) error {
	r, err := s.Read(ctx, "leader", "")
	if err != nil {
		return err
	}
	var there int64
	if _, err := fmt.Sscan(string(r.Value), &there); r.Exists() && (err != nil || there > fence) {
		return fmt.Errorf("number %q is there, mine is %d", r.Value, fence)
	}
	_, err = s.Write(ctx, "leader", fmt.Append(nil, fence), r.Token)
	return err
}

type leader struct {
	cmd   *exec.Cmd
	lines *bufio.Scanner
}

func startLeader(t *testing.T, args ...string) *leader {
	t.Helper()
	l := &leader{cmd: exec.Command(os.Args[0])}
	l.cmd.Env = append(os.Environ(), leaderEnv+"="+strings.Join(args, " "))
	l.cmd.Stderr = os.Stderr
	out, err := l.cmd.StdoutPipe()
	if err == nil {
		err = l.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	l.lines = bufio.NewScanner(out)
	t.Cleanup(func() { l.kill(); _ = l.cmd.Wait() })
	return l
}

func (l *leader) kill() { _ = l.cmd.Process.Kill() }

// leads waits until it leads, and returns its number.
func (l *leader) leads(t *testing.T) (fence int64) {
	t.Helper()
	if !l.lines.Scan() {
		t.Fatalf("the leader is gone: %v", l.lines.Err())
	}
	if _, err := fmt.Sscanf(l.lines.Text(), "leads %d", &fence); err != nil {
		t.Fatalf("the leader says %q", l.lines.Text())
	}
	return fence
}

// TestHandOver: one of two leaders is killed, and the other one takes over. With advisory
// locks that is when the server sees the connection close, with leases when the lease ends.
// At no time do both lead.
func TestHandOver(t *testing.T) {
	server := pgserver.Start(t)
	for _, kind := range []string{"advisory", "lease"} {
		t.Run(kind, func(t *testing.T) {
			witness := filepath.Join(t.TempDir(), "witness")
			if err := os.WriteFile(witness, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			args := []string{server.URL(""), pgserver.Fresh().Schema, kind, witness}
			last := startLeader(t, args...)
			number := last.leads(t)
			var times []time.Duration
			for range 5 {
				next := startLeader(t, args...)
				time.Sleep(500 * time.Millisecond) // it waits for the lock
				killed := time.Now()
				last.kill()
				fence := next.leads(t)
				times = append(times, time.Since(killed).Round(time.Millisecond))
				if fence <= number {
					t.Errorf("the fencing number is %d after %d", fence, number)
				}
				last, number = next, fence
			}
			slices.Sort(times)
			t.Logf("killed by kill -9, handed over after %v, median %v; the lease's TTL is %v",
				times, times[len(times)/2], leaseTTL)
		})
	}
}

// TestCutOff: the network between a holder and the server is cut, so that neither is told. The
// holder knows before the server gives the lock to another.
func TestCutOff(t *testing.T) {
	server := pgserver.Start(t)
	net := newNetwork(t, server.Port)
	opts := pgserver.Fresh()
	far, err := postgres.Open(t.Context(), net.url(server.URL(""), server.Port), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { far.Close() })
	near := open(t, server, opts)
	for name, setting := range postgres.Keepalives(t, near) {
		t.Logf("%s is %s for the session of a lock", name, setting)
		if setting == "0" {
			t.Errorf("%s is not set", name)
		}
	}
	lock := tryLock(t, postgres.NewAdvisoryLocker(far), 1)
	net.cut.Store(silent)
	cut := time.Now()
	wantEnds(t, lock, lease.ErrLost)
	t.Logf("the holder knows after %v", time.Since(cut).Round(time.Millisecond))
	if _, err := postgres.NewAdvisoryLocker(near).TryLock(t.Context(), 1); !errors.Is(err, config.ErrLockNotAcquired) {
		t.Errorf("another takes the lock of a session that the server has: %v", err)
	}
	net.hangUp() // the server sees it, as by keepalives
	var next config.HeldLock
	for next == nil {
		next, err = postgres.NewAdvisoryLocker(near).TryLock(t.Context(), 1)
		if err != nil && !errors.Is(err, config.ErrLockNotAcquired) {
			t.Fatal(err)
		}
	}
	if next.Fence() <= lock.Fence() {
		t.Errorf("the fencing number is %d after %d", next.Fence(), lock.Fence())
	}
	if err := next.Release(t.Context()); err != nil {
		t.Error(err)
	}
	net.cut.Store(whole)
}
