package cli

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/replctl/replicate"
)

const soundGrant = `{"url":"/db","generation":7,"owner":"db-1","expires_at":"2026-11-20T14:05:36.123Z",` +
	`"state":"held","etag":"9f86","ttl_ms":30000,"later":[1]}`

func TestParseGrant(t *testing.T) {
	got, err := parseGrant([]byte(soundGrant + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := &replicate.Lease{Generation: 7, Owner: "db-1", ETag: "9f86",
		ExpiresAt: time.Date(2026, 11, 20, 14, 5, 36, 123e6, time.UTC)}
	if diff := cmp.Diff(want, got.lease()); diff != "" || got.ttl() != 30*time.Second || got.URL != "/db" {
		t.Errorf("got %+v, want (-):\n%s", got, diff)
	}
	for _, change := range [][2]string{
		{`"url":"/db",`, ``},
		{`"generation":7`, `"generation":0`},
		{`"generation":7`, `"generation":-7`},
		{`"generation":7`, `"generation":"7"`},
		{`"generation":7`, `"generation":7.5`},
		{`"generation":7`, `"generation":99999999999999999999`},
		{`"owner":"db-1"`, `"owner":""`},
		{`"expires_at":"2026-11-20T14:05:36.123Z"`, `"expires_at":null`},
		{`"expires_at":"2026-11-20T14:05:36.123Z"`, `"expires_at":"tomorrow"`},
		{`"state":"held"`, `"state":"released"`},
		{`"etag":"9f86",`, ``},
		{`"ttl_ms":30000`, `"ttl_ms":-1`},
		{`"ttl_ms":30000`, `"ttl_ms":9000000000000000`},
		{`"later":[1]}`, `"later":[1]}]`},
		{`"later":[1]}`, `"later":[1]`},
		{soundGrant, `[]`},
		{soundGrant, `null`},
		{soundGrant, `"` + strings.Repeat("x", maxLeaseFile) + `"`},
	} {
		doc := strings.Replace(soundGrant, change[0], change[1], 1)
		if g, err := parseGrant([]byte(doc)); err == nil || doc == soundGrant {
			t.Errorf("%.200s passes: %+v", doc, g)
		}
	}
}

func FuzzParseGrant(f *testing.F) {
	f.Add([]byte(soundGrant))
	f.Add([]byte(`{"url":"/db"}{}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		g, err := parseGrant(data)
		if err != nil {
			return
		}
		if l := g.lease(); l.Generation < 1 || l.Owner == "" || l.ETag == "" || l.ExpiresAt.IsZero() || g.ttl() < 0 ||
			g.ttl() > mostTTL {
			t.Errorf("%q gives %+v", data, g)
		}
		doc, err := json.Marshal(g)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := parseGrant(doc); err != nil || !cmp.Equal(g.lease(), again.lease()) || g.URL != again.URL ||
			g.TTL != again.TTL {
			t.Errorf("%s becomes %+v (%v), was %+v", doc, again, err, g)
		}
	})
}

// The output has the shape of the contract, and can be read again.
func TestLeaseJSON(t *testing.T) {
	dir := t.TempDir()
	before := time.Now()
	lease := func(state string, args ...string) leaseGrantDoc {
		t.Helper()
		got := ask[leaseGrantDoc](t, append([]string{"lease"}, args...)...)
		held := state == "held"
		if got.URL != dir || got.State != state || (got.TTL != nil) != held || held && got.ExpiresAt.Before(before) {
			t.Errorf("%q: got %+v", args, got)
		}
		return got
	}
	acquired := lease("held", "acquire", dir, "--owner", "db-1", "--ttl", "10s")
	if acquired.Generation != 1 || acquired.Owner != "db-1" || *acquired.TTL != 10000 {
		t.Errorf("acquired %+v", acquired)
	}
	shown := ask[leaseShowDoc](t, "lease", "show", dir)
	if diff := cmp.Diff(acquired.leaseShowDoc, shown, cmp.AllowUnexported(leaseShowDoc{}),
		cmp.Comparer(func(a, b time.Time) bool { return a.Sub(b).Abs() < time.Second })); diff != "" {
		t.Errorf("acquired (-) and shown (+):\n%s", diff)
	}
	renewed := lease("held", "renew", dir, "--lease", save(t, acquired))
	if renewed.Generation != 1 || *renewed.ETag == *acquired.ETag || !renewed.ExpiresAt.After(*acquired.ExpiresAt) ||
		*renewed.TTL != 10000 {
		t.Errorf("renewed %+v", renewed)
	}
	if got := lease("released", "release", dir, "--lease", save(t, renewed)); got.Generation != 1 || got.ETag != nil {
		t.Errorf("released %+v", got)
	}
	lease("held", "acquire", dir)
	if got := lease("released", "break", dir, "--generation", "2"); got.Generation != 3 || got.ETag == nil {
		t.Errorf("broken: %+v", got)
	}
}
