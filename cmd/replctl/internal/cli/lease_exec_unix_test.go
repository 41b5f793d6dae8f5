//go:build unix

package cli

import (
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/lease"
)

// leaseExec starts a command under the lease of a place. The TTL, unless args have
// another, is one that does not end while a busy machine does something else.
func leaseExec(t *testing.T, url string, args ...string) *process {
	t.Helper()
	return startReplctl(t, nil, append([]string{"lease", "exec", url}, args...)...)
}

func TestExecTakesTurns(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := leaseExec(t, dir, "--owner", "first", "--ttl", "1h", "--max-ttl", "1h", "--", "sh", "-c", "read x; exit 7")
	first.await("acquired generation 1")

	hurried := leaseExec(t, dir, "--wait", "3s", "--max-ttl", "1h", "--", "echo", "runs")
	said := hurried.ends(exitNotAcquired)
	if !strings.Contains(said, `replctl: lease not acquired within 3s: held by "first" until 2`) || hurried.line() != "" {
		t.Errorf("exit code 75, and:\n%s", said)
	}

	second := leaseExec(t, dir, "--max-ttl", "1h", "--", "sh", "-c", "echo $REPLCTL_LEASE_GENERATION")
	second.await(`waiting, held by "first"`)
	_ = first.stdin.Close()
	first.ends(7)
	if got := second.line(); got != "2" { // long before the lease would have ended
		t.Errorf("got generation %s, want 2", got)
	}
	second.ends(exitOK)
	if _, state, err := file.NewLeaser(dir).ReadLease(t.Context()); err != nil || state != lease.Released {
		t.Errorf("afterwards: %s, %v", state, err)
	}
}

// What outlives the renewals would be a second writer.
func TestExecKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := leaseExec(t, dir, "--ttl", "6s", "--", "sh", "-c", "echo ready; exec cat")
	if got := first.line(); got != "ready" {
		t.Fatalf("got %q", got)
	}
	second := leaseExec(t, dir, "--", "sh", "-c", "echo $REPLCTL_LEASE_GENERATION")
	second.await("waiting")
	first.send(syscall.SIGKILL)
	if kernelEndsChildren {
		first.dead()
	}
	lease, _, err := file.NewLeaser(dir).ReadLease(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := second.line(); got != "2" {
		t.Errorf("got generation %s, want 2", got)
	}
	if now := time.Now(); lease.Generation == 1 && now.Before(lease.ExpiresAt) {
		t.Errorf("taken over at %v from a holder whose lease ended at %v", now, lease.ExpiresAt)
	}
	second.ends(exitOK)
	_ = first.stdin.Close()
}

// A command that ignores SIGTERM is ended, and so is what it has started.
func TestExecKillsGroup(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := leaseExec(t, dir, "--ttl", "6s", "--", "sh", "-c", `trap "" TERM; sleep 1000 & echo ready; wait`)
	p.await("acquired")
	if got := p.line(); got != "ready" {
		t.Fatalf("got %q", got)
	}
	if code, _, stderr := replctl(t, "lease", "break", dir, "--generation", "1"); code != exitOK {
		t.Fatal(stderr)
	}
	p.dead()
	if said := p.ends(exitLost); !strings.Contains(said, "replctl: lease: lost: ") ||
		!strings.Contains(said, "ended with exit code 137") {
		t.Errorf("said:\n%s", said)
	}
}

// waitsForGuard is what is said when some 3 s of the guard are left.
var waitsForGuard = regexp.MustCompile(`releasing in (3|2\.[5-9])`)

// What the command leaves behind ends before the lease is released. What was killed may
// have sent something: the release waits for the guard then.
func TestExecEndsWhatIsLeft(t *testing.T) {
	t.Parallel()
	for name, trap := range map[string]string{"gently": "", "by force": `trap "" TERM; `} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			p := leaseExec(t, dir, "--grace", "200ms", "--", "sh", "-c", trap+"sleep 1000 & exit 3")
			p.dead()
			if said := p.ends(3); !strings.Contains(said, "left processes") ||
				!strings.HasSuffix(said, "released generation 1") {
				t.Errorf("said:\n%s", said)
			}
			if said := strings.Join(p.said, "\n"); waitsForGuard.MatchString(said) != (trap != "") {
				t.Errorf("whether it waits for the guard: said:\n%s", said)
			}
		})
	}
}

func TestExecPassesSignals(t *testing.T) {
	t.Parallel()
	p := leaseExec(t, t.TempDir(), "--", "sh", "-c", `
		for s in INT TERM QUIT USR1 USR2; do trap "echo $s" $s; done
		trap "echo HUP; exit 9" HUP
		echo ready; while :; do sleep 0.02; done`)
	if got := p.line(); got != "ready" {
		t.Fatalf("got %q", got)
	}
	for _, s := range []struct {
		sig  syscall.Signal
		name string
	}{
		{syscall.SIGINT, "INT"}, {syscall.SIGINT, "INT"}, {syscall.SIGTERM, "TERM"}, {syscall.SIGQUIT, "QUIT"},
		{syscall.SIGUSR1, "USR1"}, {syscall.SIGUSR2, "USR2"}, {syscall.SIGHUP, "HUP"},
	} {
		p.send(s.sig)
		if got := p.line(); got != s.name {
			t.Errorf("got %q, want %s", got, s.name)
		}
	}
	p.ends(9)
}

func TestExecEndedBySignal(t *testing.T) {
	t.Parallel()
	p := leaseExec(t, t.TempDir(), "--", "sh", "-c", "echo ready; exec cat")
	if got := p.line(); got != "ready" {
		t.Fatalf("got %q", got)
	}
	p.send(syscall.SIGTERM)
	if said := p.ends(exitSignal + int(syscall.SIGTERM)); !strings.HasSuffix(said, "released generation 1") {
		t.Errorf("said:\n%s", said)
	}
}

// https://github.com/hashicorp/consul/issues/4439
func TestExecSignalWhileWaiting(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	holder := leaseExec(t, dir, "--ttl", "1h", "--max-ttl", "1h", "--", "cat")
	holder.await("acquired")
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
		p := leaseExec(t, dir, "--max-ttl", "1h", "--", "echo", "runs")
		p.await("waiting")
		p.send(syscall.SIGUSR1) // nobody to pass it to
		p.send(syscall.SIGUSR2)
		p.send(sig)
		if said := p.ends(exitSignal + int(sig)); !strings.Contains(said, "while waiting for the lease") || p.line() != "" {
			t.Errorf("%v:\n%s", sig, said)
		}
	}
	_ = holder.stdin.Close()
	holder.ends(exitOK)
}
