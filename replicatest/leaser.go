package replicatest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/lease"
)

// LeaserConfig is how a leaser under test is to be set up. Zero values mean the
// engine's defaults.
type LeaserConfig struct {
	Owner       string
	TTL, MaxTTL time.Duration
}

// Lock is one lease's place in an engine under test, without a record at first.
type Lock struct {
	// Open returns a new leaser for it, as another process would have.
	Open func(LeaserConfig) replicate.Leaser

	// Get returns the record (nil if there is none), Put replaces it, and Remove
	// deletes it, all behind the leasers' backs.
	Get    func() ([]byte, error)
	Put    func([]byte) error
	Remove func() error
}

// RunLeaser runs every test of the replicate.Leaser contract; fresh makes a Lock of
// its own for each. Leasers that have ReadLease and BreakLease, as every front of
// lease.Leaser has, are tested for these too.
func RunLeaser(t *testing.T, fresh func(t *testing.T) Lock) {
	for name, test := range map[string]func(*testing.T, Lock){
		"Acquire":        testAcquire,
		"Record":         testRecord,
		"Contended":      testContended,
		"AcquireRace":    testAcquireRace,
		"Renew":          testRenew,
		"RenewRace":      testRenewRace,
		"Release":        testRelease,
		"StaleRelease":   testStaleRelease,
		"Expire":         testExpire,
		"Lapsed":         testLapsed,
		"Gone":           testGone,
		"Generations":    testGenerations,
		"Arguments":      testArguments,
		"OtherOwner":     testOtherOwner,
		"MaxTTL":         testMaxTTL,
		"Corrupt":        testCorrupt,
		"Litestream":     testLitestream,
		"Break":          testBreak,
		"BreakCorrupt":   testBreakCorrupt,
		"CancelledLease": testCancelledLease,
	} {
		t.Run(name, func(t *testing.T) { test(t, fresh(t)) })
	}
}

// Times in these tests: long never ends within a test, short soon does.
const (
	long  = 30 * time.Second
	short = 300 * time.Millisecond
)

func (l Lock) named(owner string) replicate.Leaser { return l.Open(LeaserConfig{Owner: owner}) }

func acquire(t *testing.T, l replicate.Leaser) *replicate.Lease {
	t.Helper()
	lease, err := l.AcquireLease(t.Context())
	if err != nil {
		t.Fatalf("AcquireLease: %v", err)
	}
	return lease
}

// acquireShort acquires a lease that soon ends, and returns the leaser that has it. A
// store that is slower to answer than the lease lasts, as on a busy machine, is asked
// for a longer one, which has a later generation.
func acquireShort(t *testing.T, lock Lock, owner string) (replicate.Leaser, *replicate.Lease) {
	t.Helper()
	for ttl := short; ; time.Sleep(10 * time.Millisecond) {
		l := lock.Open(LeaserConfig{Owner: owner, TTL: ttl})
		lease, err := l.AcquireLease(t.Context())
		var before *replicate.LeaseExistsError // what was too late, and is there
		switch {
		case err == nil:
			return l, lease
		case errors.Is(err, replicate.ErrLeaseNotHeld) && ttl < long/2:
			ttl *= 2
		case ttl == short || !errors.As(err, &before):
			t.Fatalf("AcquireLease for %v: %v", ttl, err)
		}
	}
}

// acquireSoon acquires as soon as the lease in the way has ended.
func acquireSoon(t *testing.T, l replicate.Leaser) *replicate.Lease {
	t.Helper()
	s, err := lease.Acquire(t.Context(), l, lease.Options{PollEvery: 20 * time.Millisecond})
	if err != nil {
		t.Fatalf("Acquire: %v", err)
	}
	lease := s.Lease()
	t.Cleanup(func() { _ = s.Release(context.Background()) })
	return &lease
}

func testAcquire(t *testing.T, lock Lock) {
	before := time.Now()
	l := lock.Open(LeaserConfig{Owner: "me", TTL: 10 * time.Second, MaxTTL: time.Minute})
	lease := acquire(t, l)
	if lease.Generation != 1 || lease.Owner != "me" || lease.ETag == "" || lease.IsExpired() {
		t.Errorf("lease: %+v", lease)
	}
	if got := lease.ExpiresAt.Sub(before); got < 10*time.Second || got > 10*time.Second+time.Since(before) {
		t.Errorf("it lasts %v, want 10s", got)
	}
	if l.Type() == "" || l.MaxLeaseTTL() != time.Minute {
		t.Errorf("type %q, maximum %v", l.Type(), l.MaxLeaseTTL())
	}
}

func wantHeldBy(t *testing.T, what string, err error, owner string) {
	t.Helper()
	var exists *replicate.LeaseExistsError
	if !errors.As(err, &exists) {
		t.Errorf("%s: got error %v, want a LeaseExistsError", what, err)
	} else if exists.Owner != owner || exists.ExpiresAt.IsZero() {
		t.Errorf("%s: held by %q until %v, want %q", what, exists.Owner, exists.ExpiresAt, owner)
	}
}

func testContended(t *testing.T, lock Lock) {
	lease := acquire(t, lock.named("one"))
	record := getRecord(t, lock)
	for _, owner := range []string{"two", "one"} {
		_, err := lock.named(owner).AcquireLease(t.Context())
		wantHeldBy(t, "AcquireLease by "+owner, err, "one")
	}
	if got := getRecord(t, lock); !bytes.Equal(got, record) {
		t.Errorf("a loser changed the record to %s", got)
	}
	if lease.IsExpired() {
		t.Error("the lease ended under a contender")
	}
}

func testAcquireRace(t *testing.T, lock Lock) {
	type result struct {
		lease *replicate.Lease
		err   error
	}
	const racers = 64
	for round := range 3 {
		results := make(chan result, racers)
		start := make(chan struct{})
		for i := range racers {
			l := lock.named(fmt.Sprintf("racer %d.%d", round, i))
			go func() {
				<-start
				lease, err := l.AcquireLease(t.Context())
				results <- result{lease, err}
			}()
		}
		close(start)
		var winner *replicate.Lease
		var losers []error
		for range racers {
			if r := <-results; r.err != nil {
				losers = append(losers, r.err)
			} else if winner != nil {
				t.Fatalf("two winners: %+v and %+v", winner, r.lease)
			} else {
				winner = r.lease
			}
		}
		if winner == nil {
			t.Fatalf("nobody won: %v", losers[0])
		}
		if want := int64(round + 1); winner.Generation != want {
			t.Errorf("generation %d, want %d", winner.Generation, want)
		}
		for _, err := range losers {
			wantHeldBy(t, "a loser", err, winner.Owner)
		}
		if err := lock.named(winner.Owner).ReleaseLease(t.Context(), winner); err != nil {
			t.Fatal(err)
		}
	}
}

func testRenew(t *testing.T, lock Lock) {
	l := lock.named("me")
	first := acquire(t, l)
	second, err := l.RenewLease(t.Context(), first)
	if err != nil {
		t.Fatalf("RenewLease: %v", err)
	}
	if second.Generation != first.Generation || second.ETag == first.ETag || second.ExpiresAt.Before(first.ExpiresAt) ||
		second.Owner != "me" {
		t.Errorf("renewed %+v to %+v", first, second)
	}
	third, err := lock.named("me").RenewLease(t.Context(), second) // another handle, as after a restart
	if err != nil {
		t.Fatalf("RenewLease by another handle: %v", err)
	}
	for _, stale := range []*replicate.Lease{first, second} {
		_, err := l.RenewLease(t.Context(), stale)
		wantIs(t, "RenewLease with a value that was renewed away", err, replicate.ErrLeaseNotHeld)
		wantIs(t, "ReleaseLease with a value that was renewed away", l.ReleaseLease(t.Context(), stale),
			replicate.ErrLeaseNotHeld)
	}
	if _, err := l.RenewLease(t.Context(), third); err != nil {
		t.Errorf("the lease was lost to stale values: %v", err)
	}
}

func testRenewRace(t *testing.T, lock Lock) {
	lease := acquire(t, lock.named("me"))
	const racers = 16
	errs := make(chan error, racers)
	for range racers {
		go func() {
			_, err := lock.named("me").RenewLease(t.Context(), lease)
			errs <- err
		}()
	}
	renewed := 0
	for range racers {
		if err := <-errs; err == nil {
			renewed++
		} else {
			wantIs(t, "a loser", err, replicate.ErrLeaseNotHeld)
		}
	}
	if renewed != 1 {
		t.Errorf("one value was renewed %d times", renewed)
	}
}

func testRelease(t *testing.T, lock Lock) {
	l := lock.named("one")
	lease := acquire(t, l)
	if err := l.ReleaseLease(t.Context(), lease); err != nil {
		t.Fatalf("ReleaseLease: %v", err)
	}
	var rec struct {
		Generation int64     `json:"generation"`
		ExpiresAt  time.Time `json:"expires_at"`
	}
	if err := json.Unmarshal(getRecord(t, lock), &rec); err != nil || rec.Generation != 1 ||
		rec.ExpiresAt.After(time.Now()) {
		t.Errorf("the record after a release: %+v, %v; want generation 1, expired", rec, err)
	}
	wantIs(t, "releasing twice", l.ReleaseLease(t.Context(), lease), replicate.ErrLeaseAlreadyReleased)
	_, err := l.RenewLease(t.Context(), lease)
	wantIs(t, "renewing after a release", err, replicate.ErrLeaseNotHeld)
	if next := acquire(t, lock.named("two")); next.Generation != 2 || next.Owner != "two" {
		t.Errorf("the next lease: %+v", next)
	}
}

// testStaleRelease: a former holder cannot release the new holder's lease.
func testStaleRelease(t *testing.T, lock Lock) {
	old, stale := acquireShort(t, lock, "old")
	fresh := acquireSoon(t, lock.Open(LeaserConfig{Owner: "new", TTL: long}))
	record := getRecord(t, lock)
	wantIs(t, "ReleaseLease by a former holder", old.ReleaseLease(t.Context(), stale), replicate.ErrLeaseNotHeld)
	if got := getRecord(t, lock); !bytes.Equal(got, record) {
		t.Errorf("it changed the record from %s to %s", record, got)
	}
	if fresh.Generation != stale.Generation+1 {
		t.Errorf("generation %d after %d", fresh.Generation, stale.Generation)
	}
}

func testExpire(t *testing.T, lock Lock) {
	l, first := acquireShort(t, lock, "one")
	second, err := lock.named("two").AcquireLease(t.Context())
	if err != nil { // a busy machine may not get here before the end
		wantHeldBy(t, "before the end", err, "one")
		second = acquireSoon(t, lock.Open(LeaserConfig{Owner: "two", TTL: long}))
	}
	if second.Generation != first.Generation+1 || second.Owner != "two" || !first.IsExpired() {
		t.Errorf("after %+v: %+v", first, second)
	}
	_, err = l.RenewLease(t.Context(), first)
	wantIs(t, "renewing what was taken over", err, replicate.ErrLeaseNotHeld)
	_, err = l.AcquireLease(t.Context())
	wantHeldBy(t, "the former holder", err, "two")
}

// testLapsed: a lease that has ended is not renewed, even if nobody took it.
func testLapsed(t *testing.T, lock Lock) {
	l := lock.Open(LeaserConfig{Owner: "one", TTL: time.Millisecond, MaxTTL: long})
	lease, err := l.AcquireLease(t.Context())
	if err != nil {
		// The store took longer to answer than the lease lasts.
		wantIs(t, "AcquireLease", err, replicate.ErrLeaseNotHeld)
		lease = &replicate.Lease{Generation: 1, Owner: "one", ETag: "unknown", ExpiresAt: time.Now().Add(-time.Second)}
	}
	for !lease.IsExpired() {
		time.Sleep(time.Millisecond)
	}
	_, err = l.RenewLease(t.Context(), lease)
	wantIs(t, "RenewLease of a lapsed lease", err, replicate.ErrLeaseNotHeld)
	if next := acquireSoon(t, lock.named("one")); next.Generation != 2 {
		t.Errorf("the next lease: %+v", next)
	}
}

// testGone: somebody (Litestream's release, an operator) deleted the record.
func testGone(t *testing.T, lock Lock) {
	l := lock.named("one")
	lease := acquire(t, l)
	if err := lock.Remove(); err != nil {
		t.Fatal(err)
	}
	_, err := l.RenewLease(t.Context(), lease)
	wantIs(t, "RenewLease", err, replicate.ErrLeaseNotHeld)
	wantIs(t, "ReleaseLease", l.ReleaseLease(t.Context(), lease), replicate.ErrLeaseAlreadyReleased)
	if data := getRecord(t, lock); data != nil {
		t.Errorf("a record came back: %s", data)
	}
	if next := acquire(t, l); next.Generation != 2 {
		t.Errorf("a leaser that has seen generation 1 acquires %d", next.Generation)
	}
}

func testArguments(t *testing.T, lock Lock) {
	l := lock.named("me")
	lease := acquire(t, l)
	noETag := *lease
	noETag.ETag = ""
	for _, c := range []struct {
		lease *replicate.Lease
		want  error
	}{{nil, replicate.ErrLeaseRequired}, {&noETag, replicate.ErrLeaseETagRequired}} {
		_, err := l.RenewLease(t.Context(), c.lease)
		wantIs(t, "RenewLease", err, c.want)
		wantIs(t, "ReleaseLease", l.ReleaseLease(t.Context(), c.lease), c.want)
	}
}

// testOtherOwner: having somebody's ETag is not being them.
func testOtherOwner(t *testing.T, lock Lock) {
	lease := acquire(t, lock.named("one"))
	record := getRecord(t, lock)
	thief := lock.named("two")
	_, err := thief.RenewLease(t.Context(), lease)
	wantIs(t, "RenewLease by another owner", err, replicate.ErrLeaseNotHeld)
	wantIs(t, "ReleaseLease by another owner", thief.ReleaseLease(t.Context(), lease), replicate.ErrLeaseNotHeld)
	disguised := *lease
	disguised.Owner = "two"
	if got := getRecord(t, lock); !bytes.Equal(got, record) {
		t.Errorf("the record changed to %s", got)
	}
}

func testCancelledLease(t *testing.T, lock Lock) {
	l := lock.named("me")
	lease := acquire(t, l)
	record := getRecord(t, lock)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.AcquireLease(ctx); err == nil {
		t.Error("AcquireLease with a cancelled context succeeds")
	}
	if _, err := l.RenewLease(ctx, lease); err == nil || errors.Is(err, replicate.ErrLeaseNotHeld) {
		t.Errorf("RenewLease with a cancelled context: got error %v", err)
	}
	if err := l.ReleaseLease(ctx, lease); err == nil || errors.Is(err, replicate.ErrLeaseNotHeld) {
		t.Errorf("ReleaseLease with a cancelled context: got error %v", err)
	}
	if got := getRecord(t, lock); !bytes.Equal(got, record) {
		t.Errorf("the record changed to %s", got)
	}
	if errors.Is(l.ReleaseLease(t.Context(), lease), cas.ErrConflict) {
		t.Error("the lease was lost to a cancelled context")
	}
}
