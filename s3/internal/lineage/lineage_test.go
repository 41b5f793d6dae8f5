package lineage

import (
	"fmt"
	"strings"
	"testing"

	"github.com/replctl/replicate/cas"
)

// TestLineage: what a lineage tells of a write that expected the version "t1".
func TestLineage(t *testing.T) {
	l := Lineage("").Next([]byte("one"), "").Next([]byte("two"), "t1").Next([]byte("three"), "t2")
	for expect, want := range map[cas.Token][2]string{"": {"one", "t1"}, "t1": {"two", "t2"}, "t2": {"three", "t3"}} {
		wrote, token, ok := l.Replacement(expect, "t3")
		if !ok || wrote != Digest([]byte(want[0])) || token != cas.Token(want[1]) {
			t.Errorf("%q was replaced by %q with token %q, %v, want %q with %q", expect, wrote, token, ok, want[0], want[1])
		}
	}
	for _, unknown := range []cas.Token{"t3", "t4", "t"} {
		if wrote, token, ok := l.Replacement(unknown, "t3"); ok {
			t.Errorf("%q was replaced by %q with token %q, though it is not in the lineage", unknown, wrote, token)
		}
	}
	if _, _, ok := Lineage("").Replacement("", "t3"); ok {
		t.Error("no lineage tells who created the record")
	}
	if l.Of([]byte("three")) != l || l.Of([]byte("two")) != "" || Lineage("nonsense").Of([]byte("x")) != "" {
		t.Error("a lineage belongs to the value that its newest step wrote, and to no other")
	}
}

// TestLineageBounds: it has room in the metadata of any object, and is plain ASCII.
func TestLineageBounds(t *testing.T) {
	var short, long Lineage
	for i := range 100 {
		short = short.Next([]byte(fmt.Sprint(i)), cas.Token(fmt.Sprint("t", i)))
		long = long.Next([]byte(fmt.Sprint(i)), cas.Token(strings.Repeat("t", 200)))
	}
	if n := strings.Count(string(short), ";") + 1; n != maxSteps {
		t.Errorf("%d steps, want %d", n, maxSteps)
	}
	if len(long) > maxBytes || len(long) < maxBytes/2 {
		t.Errorf("%d bytes of long steps, at most %d allowed", len(long), maxBytes)
	}
	for _, token := range []cas.Token{"a;b", "a b", "ä", "a\n"} {
		if l := short.Next([]byte("x"), token); l != "" {
			t.Errorf("token %q: lineage %q", token, l)
		}
	}
}

// FuzzLineage: whatever a store gives back as a lineage, the next one is bounded, is of
// the value that it was made for, and names the write that replaced the expected version.
func FuzzLineage(f *testing.F) {
	f.Add("", []byte("v"), "")
	f.Add("0011223344556677=abc;8899aabbccddeeff=", []byte("v"), "etag")
	f.Add(";;=;x", []byte{}, "a;b")
	f.Fuzz(func(t *testing.T, stored string, value []byte, expect string) {
		l := Lineage(stored)
		_ = l.Of(value)
		_, _, _ = l.Replacement(cas.Token(expect), "newest")
		next := l.Next(value, cas.Token(expect))
		if next == "" {
			return
		}
		if len(next) > maxBytes+len(expect)+32 {
			t.Errorf("a lineage of %d bytes", len(next))
		}
		if next.Of(value) != next {
			t.Errorf("%q is not of its own value", next)
		}
		wrote, token, ok := next.Replacement(cas.Token(expect), "newest")
		if !ok || wrote != Digest(value) || token != "newest" {
			t.Errorf("%q: replaced by %q, %q, %v", next, wrote, token, ok)
		}
	})
}
