package s3

import (
	"fmt"
	"strings"
	"testing"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/cas/castest"
	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/internal/mutant"
)

// TestLineage: what a lineage tells of a write that expected the version "t1".
func TestLineage(t *testing.T) {
	l := lineage("").next([]byte("one"), "").next([]byte("two"), "t1").next([]byte("three"), "t2")
	for expect, want := range map[cas.Token][2]string{"": {"one", "t1"}, "t1": {"two", "t2"}, "t2": {"three", "t3"}} {
		wrote, token, ok := l.replacement(expect, "t3")
		if !ok || wrote != digest([]byte(want[0])) || token != cas.Token(want[1]) {
			t.Errorf("%q was replaced by %q with token %q, %v, want %q with %q", expect, wrote, token, ok, want[0], want[1])
		}
	}
	for _, unknown := range []cas.Token{"t3", "t4", "t"} {
		if wrote, token, ok := l.replacement(unknown, "t3"); ok {
			t.Errorf("%q was replaced by %q with token %q, though it is not in the lineage", unknown, wrote, token)
		}
	}
	if _, _, ok := lineage("").replacement("", "t3"); ok {
		t.Error("no lineage tells who created the record")
	}
	if l.of([]byte("three")) != l || l.of([]byte("two")) != "" || lineage("nonsense").of([]byte("x")) != "" {
		t.Error("a lineage belongs to the value that its newest step wrote, and to no other")
	}
}

// TestLineageBounds: it has room in the metadata of any object, and is plain ASCII.
func TestLineageBounds(t *testing.T) {
	var short, long lineage
	for i := range 100 {
		short = short.next([]byte(fmt.Sprint(i)), cas.Token(fmt.Sprint("t", i)))
		long = long.next([]byte(fmt.Sprint(i)), cas.Token(strings.Repeat("t", 200)))
	}
	if n := strings.Count(string(short), ";") + 1; n != lineageSteps {
		t.Errorf("%d steps, want %d", n, lineageSteps)
	}
	if len(long) > lineageBytes || len(long) < lineageBytes/2 {
		t.Errorf("%d bytes of long steps, at most %d allowed", len(long), lineageBytes)
	}
	for _, token := range []cas.Token{"a;b", "a b", "ä", "a\n"} {
		if l := short.next([]byte("x"), token); l != "" {
			t.Errorf("token %q: lineage %q", token, l)
		}
	}
}

// TestMemoryBound: a handle remembers the versions of some keys, and of no more.
func TestMemoryBound(t *testing.T) {
	r := new(Records)
	for i := range 3 * memoryKeys {
		key := fmt.Sprint("k", i)
		r.remember(key, version{cas.Record{Token: "t", Value: []byte("x")}, "l"})
		if l, ok := r.known(key, "t"); !ok || l != "l" || r.seen[key].Value != nil {
			t.Fatalf("%s: remembered %q, %v", key, l, ok)
		}
	}
	if len(r.seen) > memoryKeys {
		t.Errorf("%d keys remembered", len(r.seen))
	}
	r.remember("k", version{cas.Record{Token: "t"}, "l"})
	r.remember("k", version{cas.Record{Token: "t", Unchanged: true}, ""})
	if l, _ := r.known("k", "t"); l != "l" {
		t.Error("an answer that nothing has changed made the lineage be forgotten")
	}
	if l, ok := r.known("k", "another"); ok || l != "" {
		t.Error("the lineage of one version is taken for that of another")
	}
}

// TestLineageMutants: a conflict that is not proven, and lost races that never are,
// are what castest must not let pass.
func TestLineageMutants(t *testing.T) {
	t.Run("refusals are believed", func(t *testing.T) {
		mutant.MustFail(t, func(t *testing.T) {
			judge = func(p *put, now version) (cas.Written, error) {
				if string(now.Value) == string(p.value) {
					return cas.Written{Token: now.Token}, nil
				}
				return cas.Written{}, cas.ErrConflict
			}
			castest.Run(t, harness)
		}, "Repeated")
	})
	t.Run("no metadata", func(t *testing.T) {
		mutant.MustFail(t, func(t *testing.T) {
			h := harness
			h.New = func(t *testing.T) func() cas.Store {
				srv := fakes3.New(t)
				srv.Fail(fakes3.Rule{Times: -1, Match: fakes3.Op("PutObject"), Fault: fakes3.DropHeaders("X-Amz-Meta-" + lineageName)})
				return func() cas.Store { return newRecords(t, srv, nil) }
			}
			castest.Run(t, h)
		}, "CreateRace", "ReplaceRace")
	})
}

// FuzzLineage: whatever a store gives back as a lineage, the next one is bounded, is of
// the value that it was made for, and names the write that replaced the expected version.
func FuzzLineage(f *testing.F) {
	f.Add("", []byte("v"), "")
	f.Add("0011223344556677=abc;8899aabbccddeeff=", []byte("v"), "etag")
	f.Add(";;=;x", []byte{}, "a;b")
	f.Fuzz(func(t *testing.T, stored string, value []byte, expect string) {
		l := lineage(stored)
		_ = l.of(value)
		_, _, _ = l.replacement(cas.Token(expect), "newest")
		next := l.next(value, cas.Token(expect))
		if next == "" {
			return
		}
		if len(next) > lineageBytes+len(expect)+32 {
			t.Errorf("a lineage of %d bytes", len(next))
		}
		if next.of(value) != next {
			t.Errorf("%q is not of its own value", next)
		}
		wrote, token, ok := next.replacement(cas.Token(expect), "newest")
		if !ok || wrote != digest(value) || token != "newest" {
			t.Errorf("%q: replaced by %q, %q, %v", next, wrote, token, ok)
		}
	})
}
