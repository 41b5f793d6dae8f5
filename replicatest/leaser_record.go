package replicatest

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/lease"
)

// storeLeaser is what fronts of lease.Leaser have beyond Leaser.
type storeLeaser interface {
	replicate.Leaser
	ReadLease(context.Context) (*replicate.Lease, lease.State, error)
	BreakLease(context.Context, lease.BreakOptions) (*replicate.Lease, error)
}

// testRecord: what Litestream's leaser reads of a record is there.
func testRecord(t *testing.T, lock Lock) {
	lease := acquire(t, lock.named("me"))
	var rec struct {
		Generation *int64     `json:"generation"`
		ExpiresAt  *time.Time `json:"expires_at"`
		Owner      *string    `json:"owner"`
	}
	data := getRecord(t, lock)
	if err := json.Unmarshal(data, &rec); err != nil {
		t.Fatalf("record %s: %v", data, err)
	}
	if rec.Generation == nil || *rec.Generation != 1 || rec.Owner == nil || *rec.Owner != "me" || rec.ExpiresAt == nil ||
		rec.ExpiresAt.Sub(lease.ExpiresAt).Abs() > 3*time.Second {
		t.Errorf("record %s of lease %+v", data, lease)
	}
}

func getRecord(t *testing.T, lock Lock) []byte {
	t.Helper()
	data, err := lock.Get()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func putRecord(t *testing.T, lock Lock, data string) {
	t.Helper()
	if err := lock.Put([]byte(data)); err != nil {
		t.Fatal(err)
	}
}

// testGenerations: over everything that can end a lease they grow.
func testGenerations(t *testing.T, lock Lock) {
	var generations []int64
	note := func(l *replicate.Lease) *replicate.Lease {
		generations = append(generations, l.Generation)
		return l
	}
	_, expires := acquireShort(t, lock, "zero") // with generation 1, if at the first try
	note(expires)
	one := lock.named("one")
	if err := one.ReleaseLease(t.Context(), note(acquireSoon(t, lock.Open(LeaserConfig{Owner: "one",
		TTL: long})))); err != nil {
		t.Fatal(err)
	}
	three := note(acquire(t, lock.Open(LeaserConfig{Owner: "three", TTL: long})))
	if b, ok := one.(storeLeaser); ok {
		broken, err := b.BreakLease(t.Context(), lease.BreakOptions{Generation: three.Generation})
		if err != nil {
			t.Fatal(err)
		}
		note(broken)
		note(acquire(t, lock.named("four")))
	}
	for i, g := range generations {
		if want := generations[0] + int64(i); g != want || g < 1 {
			t.Errorf("generations %v: want each the next", generations)
			break
		}
	}
}

func testMaxTTL(t *testing.T, lock Lock) {
	greedy := lock.Open(LeaserConfig{Owner: "greedy", TTL: time.Minute, MaxTTL: 59 * time.Second})
	_, err := greedy.AcquireLease(t.Context())
	wantIs(t, "AcquireLease with a TTL above the maximum", err, replicate.ErrTTLExceedsMax)
	if data := getRecord(t, lock); data != nil {
		t.Errorf("it left a record: %s", data)
	}
	lease := acquire(t, lock.named("greedy"))
	_, err = greedy.RenewLease(t.Context(), lease)
	wantIs(t, "RenewLease with a TTL above the maximum", err, replicate.ErrTTLExceedsMax)
}

// testCorrupt: what no honest leaser wrote is named, and left as it is.
func testCorrupt(t *testing.T, lock Lock) {
	soon := time.Now().Add(10 * time.Second).UTC().Format(time.RFC3339Nano)
	for name, data := range map[string]string{
		"an hour ahead": `{"generation":3,"owner":"x","expires_at":"` +
			time.Now().Add(time.Hour).UTC().Format(time.RFC3339Nano) + `"}`,
		"year 2099":           `{"generation":3,"owner":"x","expires_at":"2099-01-01T00:00:00Z"}`,
		"empty":               ``,
		"spaces":              `   `,
		"not JSON":            `lock`,
		"cut":                 `{"generation":3,"owner":"x","expires_at":"` + soon[:10],
		"null":                `null`,
		"a list":              `[1]`,
		"no fields":           `{}`,
		"no generation":       `{"expires_at":"` + soon + `"}`,
		"generation zero":     `{"generation":0,"expires_at":"` + soon + `"}`,
		"negative generation": `{"generation":-7,"expires_at":"` + soon + `"}`,
		"last generation":     `{"generation":9223372036854775807,"expires_at":"` + soon + `"}`,
		"too large":           `{"generation":9223372036854775808,"expires_at":"` + soon + `"}`,
		"a fraction":          `{"generation":1.5,"expires_at":"` + soon + `"}`,
		"a text generation":   `{"generation":"3","expires_at":"` + soon + `"}`,
		"a number owner":      `{"generation":3,"owner":7,"expires_at":"` + soon + `"}`,
		"no expiry":           `{"generation":3,"owner":"x"}`,
		"a text expiry":       `{"generation":3,"owner":"x","expires_at":"tomorrow"}`,
		"a number expiry":     `{"generation":3,"owner":"x","expires_at":1700000000}`,
		"a negative ttl":      `{"generation":3,"owner":"x","expires_at":"` + soon + `","ttl_ms":-1}`,
		"huge": `{"generation":3,"owner":"` + strings.Repeat("x",
			lease.MaxRecordSize) + `","expires_at":"` + soon + `"}`,
	} {
		putRecord(t, lock, data)
		l := lock.named("me")
		_, err := l.AcquireLease(t.Context())
		wantIs(t, name+": AcquireLease", err, replicate.ErrLeaseCorrupt)
		if r, ok := l.(storeLeaser); ok {
			held, state, err := r.ReadLease(t.Context())
			wantIs(t, name+": ReadLease", err, replicate.ErrLeaseCorrupt)
			if state != lease.Corrupt || held == nil || held.ETag == "" {
				t.Errorf("%s: ReadLease: got %+v, %q", name, held, state)
			}
		}
		if got := getRecord(t, lock); !bytes.Equal(got, []byte(data)) {
			t.Errorf("%s: the record changed to %.100s", name, got)
		}
	}
}

// testLitestream: records that Litestream's leaser writes are understood.
func testLitestream(t *testing.T, lock Lock) {
	theirs := func(generation int64, expires time.Time) {
		data, err := json.Marshal(replicate.Lease{Generation: generation, ExpiresAt: expires, Owner: "theirs:1"})
		if err != nil {
			t.Fatal(err)
		}
		putRecord(t, lock, string(data))
	}
	theirs(7, time.Now().Add(20*time.Second))
	_, err := lock.named("ours").AcquireLease(t.Context())
	wantHeldBy(t, "held by Litestream", err, "theirs:1")

	theirs(8, time.Now().Add(-3*time.Second)) // a store's clock may show a second, or two, less
	l := lock.named("ours")
	if lease := acquire(t, l); lease.Generation != 9 {
		t.Errorf("after their generation 8: %+v", lease)
	}
	// They do not look at our fields: a record that they wrote over ours.
	theirs(10, time.Now().Add(20*time.Second))
	_, err = l.AcquireLease(t.Context())
	wantHeldBy(t, "taken by Litestream", err, "theirs:1")
	if err := lock.Remove(); err != nil { // their release
		t.Fatal(err)
	}
	if lease := acquire(t, l); lease.Generation != 11 {
		t.Errorf("after their release of generation 10: %+v", lease)
	}
}

func testBreak(t *testing.T, lock Lock) {
	holder := lock.named("holder")
	b, ok := lock.named("operator").(storeLeaser)
	if !ok {
		return // the engine has a leaser of its own that cannot be broken
	}
	if _, err := b.BreakLease(t.Context(), lease.BreakOptions{Generation: 1}); err == nil {
		t.Error("breaking a lease that does not exist succeeds")
	}
	held := acquire(t, holder)
	record := getRecord(t, lock)
	_, err := b.BreakLease(t.Context(), lease.BreakOptions{Generation: 2})
	wantIs(t, "BreakLease of another generation", err, replicate.ErrLeaseNotHeld)
	if got := getRecord(t, lock); !bytes.Equal(got, record) {
		t.Errorf("it changed the record to %s", got)
	}
	broken, err := b.BreakLease(t.Context(), lease.BreakOptions{Generation: 1})
	if err != nil || broken.Generation != 2 {
		t.Fatalf("BreakLease: %+v, %v", broken, err)
	}
	if _, state, err := b.ReadLease(t.Context()); err != nil || state != lease.Released {
		t.Errorf("after the break: %q, %v", state, err)
	}
	_, err = holder.RenewLease(t.Context(), held)
	wantIs(t, "renewing a broken lease", err, replicate.ErrLeaseNotHeld)
	if next := acquire(t, holder); next.Generation != 3 {
		t.Errorf("after the break: %+v", next)
	}
}

func testBreakCorrupt(t *testing.T, lock Lock) {
	b, ok := lock.named("operator").(storeLeaser)
	if !ok {
		return
	}
	putRecord(t, lock, "nonsense")
	corrupt, _, _ := b.ReadLease(t.Context())
	if corrupt == nil {
		t.Fatal("ReadLease of a corrupt record has no ETag")
	}
	for name, opts := range map[string]lease.BreakOptions{
		"by generation":      {Generation: 1},
		"by another etag":    {ETag: "other", NextGeneration: 9},
		"without generation": {ETag: corrupt.ETag},
		"backwards":          {ETag: corrupt.ETag, NextGeneration: -1},
	} {
		if _, err := b.BreakLease(t.Context(), opts); err == nil {
			t.Errorf("breaking a corrupt record %s succeeds", name)
		}
	}
	if got := getRecord(t, lock); string(got) != "nonsense" {
		t.Errorf("the record changed to %s", got)
	}
	if _, err := b.BreakLease(t.Context(), lease.BreakOptions{ETag: corrupt.ETag, NextGeneration: 42}); err != nil {
		t.Fatalf("BreakLease: %v", err)
	}
	if next := acquire(t, lock.named("me")); next.Generation != 43 {
		t.Errorf("after the break: %+v", next)
	}

	// A record far in the future has a generation: it is broken by that.
	putRecord(t, lock, `{"generation":50,"owner":"x","expires_at":"2099-01-01T00:00:00Z"}`)
	if broken, err := b.BreakLease(t.Context(), lease.BreakOptions{Generation: 50}); err != nil ||
		broken.Generation != 51 {
		t.Errorf("BreakLease of a record in the future: %+v, %v", broken, err)
	}
}
