package cli

import (
	"testing"
	"time"

	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/lease"
	"github.com/replctl/replicate/s3"
)

// --guard and --max-skew reach the session and the leaser.
func TestLeaseTimeFlags(t *testing.T) {
	flags := leaseFlags{maxTTL: time.Minute, ttl: 40 * time.Second, guard: 10 * time.Second, maxSkew: 5 * time.Second}
	a := &app{}
	for _, url := range []string{t.TempDir(), "s3://bucket/db"} {
		l, err := a.openLeaser(url, flags)
		if err != nil {
			t.Fatal(err)
		}
		var skew time.Duration
		switch l := l.(type) {
		case *file.Leaser:
			skew = l.MaxSkew
		case *s3.Leaser:
			skew = l.MaxSkew
		}
		if skew != flags.maxSkew {
			t.Errorf("%s: max skew %v, want %v", url, skew, flags.maxSkew)
		}
	}
	got := flags.sessionOptions(nil)
	if got.Guard != 10*time.Second || got.RenewEvery != 10*time.Second || got.TTL != 40*time.Second {
		t.Errorf("session: guard %v, renewals every %v, ttl %v", got.Guard, got.RenewEvery, got.TTL)
	}
	flags.guard, flags.ttl = 0, 0
	if got := flags.sessionOptions(nil); got.Guard != 0 || got.RenewEvery != 0 || got.TTL != 0 {
		t.Errorf("no flags: %+v, want the defaults of the session", got)
	}
	flags.guard = 6 * time.Second
	if got := flags.sessionOptions(nil); got.TTL != lease.DefaultTTL || got.RenewEvery != 8*time.Second {
		t.Errorf("guard alone: %+v", got)
	}
	e := execFlags{leaseFlags: leaseFlags{ttl: time.Minute, guard: 10 * time.Second}, grace: 5 * time.Second}
	if got := e.sessionOptions(nil); got.Guard != 15*time.Second || got.RenewEvery != 15*time.Second ||
		e.reserve() != 10*time.Second {
		t.Errorf("exec: guard %v, renewals every %v, reserve %v", got.Guard, got.RenewEvery, e.reserve())
	}
}

func TestRoundOf(t *testing.T) {
	now := time.Date(2026, 11, 28, 23, 59, 59, 0, time.UTC)
	if got, next := roundOf(now), roundOf(now.Add(24*time.Hour)); got != 20785 || next != got+1 {
		t.Errorf("got %d and %d", got, next)
	}
}
