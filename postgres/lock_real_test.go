//go:build realservers

package postgres_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/cas/castest"
	"github.com/replctl/replicate/internal/pgserver"
	"github.com/replctl/replicate/lease"
	"github.com/replctl/replicate/postgres"
	"github.com/replctl/replicate/store/config"
	"github.com/replctl/replicate/store/config/configtest"
)

// leaseTTL is that of the lease locker in the test of both.
const leaseTTL = 3 * time.Second

// configured is a config store with one of the two lockers.
func configured(s *postgres.Store, advisory bool) *config.Store {
	opts := config.Options{LockTTL: leaseTTL}
	if advisory {
		opts.Locker = postgres.NewAdvisoryLocker(s)
	}
	return config.New(s, opts)
}

// TestConfig: the whole suite of config with advisory locks.
func TestConfig(t *testing.T) {
	pool := pgserver.Start(t, "max_connections=300").Pool(t, "pool_max_conns=16")
	configtest.Run(t, configtest.Harness{Slow: true, New: func(t *testing.T) func() config.Storage {
		opts := pgserver.Fresh()
		return func() config.Storage { return configured(pgserver.Store(t, pool, opts), true) }
	}})
}

func tryLock(t *testing.T, l config.Locker, key int64) config.HeldLock {
	t.Helper()
	lock, err := l.TryLock(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return lock
}

func wantEnds(t *testing.T, lock config.HeldLock, cause error) {
	t.Helper()
	select {
	case <-lock.Context().Done():
		if err := context.Cause(lock.Context()); !errors.Is(err, cause) {
			t.Errorf("the lock's context ends with %v, want %v", err, cause)
		}
	case <-time.After(time.Minute):
		t.Fatal("the lock's context does not end")
	}
}

func TestAdvisoryLock(t *testing.T) {
	server := pgserver.Start(t)
	pool := server.Pool(t, "")
	opts := pgserver.Fresh()
	one := postgres.NewAdvisoryLocker(pgserver.Store(t, pool, opts))
	two := postgres.NewAdvisoryLocker(pgserver.Store(t, pool, opts))
	first := tryLock(t, one, 7)
	for name, l := range map[string]config.Locker{"the holder": one, "another": two} {
		if _, err := l.TryLock(t.Context(), 7); !errors.Is(err, config.ErrLockNotAcquired) {
			t.Errorf("%s takes a lock that is held: %v", name, err)
		}
	}
	elsewhere := postgres.NewAdvisoryLocker(pgserver.Store(t, pool, pgserver.Fresh()))
	for _, other := range []config.HeldLock{tryLock(t, one, 8), tryLock(t, elsewhere, 7)} {
		if err := other.Release(t.Context()); err != nil {
			t.Error(err)
		}
		wantEnds(t, other, lease.ErrReleased)
	}
	// The server ends the connection: the holder is told, and the number grows.
	server.Exec(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'replicate lock 7'")
	wantEnds(t, first, lease.ErrLost)
	if err := first.Release(t.Context()); !errors.Is(err, lease.ErrLost) {
		t.Errorf("releasing a lost lock: %v", err)
	}
	second := tryLock(t, two, 7)
	if second.Fence() <= first.Fence() {
		t.Errorf("the fencing number is %d after %d", second.Fence(), first.Fence())
	}
	if err := errors.Join(second.Release(t.Context()), second.Release(t.Context())); err != nil {
		t.Error(err)
	}
	// Leases go on where advisory locks have left off, and the other way round.
	s := pgserver.Store(t, pool, opts)
	session, err := configured(s, false).AcquireSession(t.Context(), 7)
	if err != nil || session.Generation() != second.Fence()+1 {
		t.Fatalf("a lease after lock %d: %d, %v", second.Fence(), session.Generation(), err)
	}
	if _, err := one.TryLock(t.Context(), 7); !errors.Is(err, config.ErrLockNotAcquired) {
		t.Errorf("the lock is taken while a lease is held: %v", err)
	}
	if err := session.Release(t.Context()); err != nil {
		t.Error(err)
	}
	third := tryLock(t, one, 7)
	if third.Fence() != second.Fence()+2 {
		t.Errorf("the fencing number is %d after a lease with %d", third.Fence(), second.Fence()+1)
	}
	if err := third.Release(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestAdvisoryRace: of many one has the lock, and the numbers of the holders grow.
func TestAdvisoryRace(t *testing.T) {
	pool := pgserver.Start(t).Pool(t, "")
	opts := pgserver.Fresh()
	last := int64(0)
	for range 5 {
		var held []config.HeldLock
		for _, lock := range castest.Results(8, func(int) config.HeldLock {
			lock, err := postgres.NewAdvisoryLocker(pgserver.Store(t, pool, opts)).TryLock(t.Context(), 1)
			if err != nil && !errors.Is(err, config.ErrLockNotAcquired) {
				t.Error(err)
			}
			return lock
		}) {
			if lock != nil {
				held = append(held, lock)
			}
		}
		if len(held) != 1 || held[0].Fence() <= last {
			t.Fatalf("%d have the lock, after number %d", len(held), last)
		}
		last = held[0].Fence()
		if err := held[0].Release(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// leaderEnv makes the test binary a leader: URL, schema and locker.
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

// lead waits for the lock, says so with its number, and then changes the configuration until
// it is killed, or has lost the lock.
func lead(args []string) error {
	ctx := context.Background()
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
		return fmt.Errorf("number %d is there, mine is %d, %v", there, fence, err)
	}
	_, err = s.Write(ctx, "leader", fmt.Append(nil, fence), r.Token)
	return err
}

type leader struct {
	cmd   *exec.Cmd
	lines *bufio.Scanner
}

func startLeader(t *testing.T, url, schema, kind string) *leader {
	t.Helper()
	l := &leader{cmd: exec.Command(os.Args[0])}
	l.cmd.Env = append(os.Environ(), leaderEnv+"="+url+" "+schema+" "+kind)
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
func TestHandOver(t *testing.T) {
	server := pgserver.Start(t)
	for _, kind := range []string{"advisory", "lease"} {
		t.Run(kind, func(t *testing.T) {
			schema := pgserver.Fresh().Schema
			last := startLeader(t, server.URL(""), schema, kind)
			number := last.leads(t)
			var times []time.Duration
			for range 3 {
				next := startLeader(t, server.URL(""), schema, kind)
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
			t.Logf("handed over after %v", times)
		})
	}
	rows, err := server.Pool(t, "").Query(t.Context(),
		"SELECT name || '=' || setting || coalesce(unit, '') FROM pg_settings WHERE name LIKE 'tcp%' ORDER BY name")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var setting string
		if err := rows.Scan(&setting); err != nil {
			t.Fatal(err)
		}
		t.Log("the server's own setting:", setting)
	}
}
