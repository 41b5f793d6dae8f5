// Package castest is the contract of cas.Store as a test: every promise in its
// comments has a test here, and an engine is one when it passes them all.
package castest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/replctl/replicate/cas"
)

// Harness says how to make an engine's stores.
type Harness struct {
	// New makes a fresh, empty store that the test owns, and returns a function
	// that opens a new handle on it each time, as another process would.
	New func(t *testing.T) (open func() cas.Store)

	// Unchanged is whether the engine saves fetching a value that is known.
	Unchanged bool

	// Clock is whether the store has a clock of its own. Each answer carries its
	// time then, and none does otherwise.
	Clock bool

	// Repeating, for an engine whose requests travel, is New with a proxy on the
	// way. After repeat the next write that is sent reaches the store twice:
	// between runs after the first has been applied, and the writer gets the
	// answer to the second.
	Repeating func(t *testing.T) (open func() cas.Store, repeat func(between func()))

	// NoDelete says why the engine is no cas.Deleter, NoNotify why it is no cas.Notifier, and
	// NoBatch why it is no cas.Batcher. Each is empty for an engine that is.
	NoDelete, NoNotify, NoBatch string

	// Slow engines (a server behind a socket) get fewer rounds in races.
	Slow bool
}

// Run runs every test of the contract.
func Run(t *testing.T, h Harness) {
	for name, test := range map[string]func(*testing.T, Harness){
		"Absent":        testAbsent,
		"Create":        testCreate,
		"Replace":       testReplace,
		"Unchanged":     testUnchanged,
		"StoreTime":     testStoreTime,
		"Tokens":        testTokens,
		"Sizes":         testSizes,
		"List":          testList,
		"ListLoop":      testListLoop,
		"Aliasing":      testAliasing,
		"InvalidKeys":   testInvalidKeys,
		"Cancelled":     testCancelled,
		"CreateRace":    testCreateRace,
		"ReplaceRace":   testReplaceRace,
		"Increments":    testIncrements,
		"TornReads":     testTornReads,
		"FaultyWriters": testFaultyWriters,
		"Repeated":      testRepeated,
		"Notify":        testNotify,
		"Delete":        testDelete,
		"DeleteRace":    testDeleteRace,
		"Batch":         testBatch,
		"BatchRace":     testBatchRace,
	} {
		t.Run(name, func(t *testing.T) { test(t, h) })
	}
}

func (h Harness) rounds(n int) int {
	if h.Slow {
		return max(1, n/5)
	}
	return n
}

func write(t *testing.T, s cas.Store, key, value string, expect cas.Token) cas.Token {
	t.Helper()
	written, err := s.Write(t.Context(), key, []byte(value), expect)
	if err != nil {
		t.Fatalf("Write(%q): %v", key, err)
	}
	if written.Token == "" {
		t.Fatalf("Write(%q) returns an empty token", key)
	}
	return written.Token
}

func read(t *testing.T, s cas.Store, key string) cas.Record {
	t.Helper()
	r, err := s.Read(t.Context(), key, "")
	if err != nil {
		t.Fatalf("Read(%q): %v", key, err)
	}
	return r
}

func wantRecord(t *testing.T, s cas.Store, key, value string, token cas.Token) {
	t.Helper()
	if r := read(t, s, key); string(r.Value) != value || r.Token != token || r.Unchanged {
		t.Errorf("Read(%q): got %.40q with token %q, want %.40q with %q", key, r.Value, r.Token, value, token)
	}
}

func wantIs(t *testing.T, what string, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("%s: got error %v, want one that is %q", what, err, target)
	}
}

func testAbsent(t *testing.T, h Harness) {
	s := h.New(t)()
	if r := read(t, s, "lock.json"); r.Exists() || r.Value != nil || r.Unchanged {
		t.Errorf("an absent record: %+v", r)
	}
	if r, err := s.Read(t.Context(), "lock.json", "known"); err != nil || r.Exists() || r.Unchanged {
		t.Errorf("an absent record that was known: %+v, %v", r, err)
	}
	_, err := s.Write(t.Context(), "lock.json", []byte("x"), "some-token")
	wantIs(t, "Write over an absent record", err, cas.ErrConflict)
	if r := read(t, s, "lock.json"); r.Exists() {
		t.Error("a refused write made a record")
	}
}

func testCreate(t *testing.T, h Harness) {
	open := h.New(t)
	token := write(t, open(), "a/b.json", "one", "")
	wantRecord(t, open(), "a/b.json", "one", token)
	_, err := open().Write(t.Context(), "a/b.json", []byte("two"), "")
	wantIs(t, "creating again", err, cas.ErrConflict)
	wantRecord(t, open(), "a/b.json", "one", token)
}

func testReplace(t *testing.T, h Harness) {
	open := h.New(t)
	first := write(t, open(), "k", "one", "")
	second := write(t, open(), "k", "two", first)
	wantRecord(t, open(), "k", "two", second)
	for name, expect := range map[string]cas.Token{"stale": first, "invented": "no-such-token", "zero": ""} {
		_, err := open().Write(t.Context(), "k", []byte("three"), expect)
		wantIs(t, "Write with a "+name+" token", err, cas.ErrConflict)
		if errors.Is(err, cas.ErrIndeterminate) {
			t.Errorf("Write with a %s token: a refusal is not indeterminate: %v", name, err)
		}
	}
	wantRecord(t, open(), "k", "two", second)
}

func testUnchanged(t *testing.T, h Harness) {
	open := h.New(t)
	first := write(t, open(), "k", "one", "")
	r, err := open().Read(t.Context(), "k", first)
	if err != nil || r.Token != first {
		t.Fatalf("Read of a known version: %+v, %v", r, err)
	}
	if r.Unchanged != h.Unchanged || r.Unchanged != (r.Value == nil) {
		t.Errorf("Read of a known version: unchanged %v with %d bytes, the harness says %v",
			r.Unchanged, len(r.Value), h.Unchanged)
	}
	second := write(t, open(), "k", "two", first)
	r, err = open().Read(t.Context(), "k", first)
	if err != nil || r.Unchanged || string(r.Value) != "two" || r.Token != second {
		t.Errorf("Read of a newer version: %+v, %v", r, err)
	}
}

// testStoreTime: a store that has a clock says its time with every answer.
func testStoreTime(t *testing.T, h Harness) {
	s := h.New(t)()
	check := func(what string, storeTime time.Time, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if storeTime.IsZero() == h.Clock {
			t.Errorf("%s: store time %v, the harness says %v to a clock", what, storeTime, h.Clock)
		}
	}
	absent, err := s.Read(t.Context(), "k", "")
	check("Read of an absent record", absent.StoreTime, err)
	created, err := s.Write(t.Context(), "k", []byte("one"), "")
	check("Write that creates", created.StoreTime, err)
	replaced, err := s.Write(t.Context(), "k", []byte("two"), created.Token)
	check("Write that replaces", replaced.StoreTime, err)
	there, err := s.Read(t.Context(), "k", "")
	check("Read", there.StoreTime, err)
	known, err := s.Read(t.Context(), "k", replaced.Token)
	check("Read of a known version", known.StoreTime, err)
	swapped, err := cas.Swap(t.Context(), s, "k", []byte("three"), replaced.Token)
	check("Swap", swapped.StoreTime, err)
}

// testTokens: different values never share a token, whatever came between.
func testTokens(t *testing.T, h Harness) {
	s := h.New(t)()
	seen := map[cas.Token]string{}
	token := cas.Token("")
	for i := range 20 {
		value := fmt.Sprintf("%d", i) // same length, same second
		token = write(t, s, "k", value, token)
		if other, ok := seen[token]; ok {
			t.Errorf("values %q and %q have the token %q", other, value, token)
		}
		seen[token] = value
	}
	if r := read(t, s, "k"); r.Token != token {
		t.Errorf("Read and Write disagree about the token: %q, %q", r.Token, token)
	}
}

func testSizes(t *testing.T, h Harness) {
	open := h.New(t)
	for _, n := range []int{0, 1, 64 << 10, cas.MaxValueSize} {
		key := "size/" + strconv.Itoa(n)
		value := strings.Repeat("x", n)
		token := write(t, open(), key, value, "")
		wantRecord(t, open(), key, value, token)
	}
	longest := strings.Repeat(strings.Repeat("k", cas.MaxSegmentLen)+"/", 4)
	longest += strings.Repeat("k", cas.MaxKeyLen-len(longest))
	wantRecord(t, open(), longest, "x", write(t, open(), longest, "x", ""))
	_, err := open().Write(t.Context(), "size/more", make([]byte, cas.MaxValueSize+1), "")
	wantIs(t, "Write of too much", err, cas.ErrTooLarge)
}

func testList(t *testing.T, h Harness) {
	open := h.New(t)
	keys := []string{"a", "b-c", "b.c", "b/a", "b/c/d", "b/z", "b0", "lock.json"}
	tokens := map[string]cas.Token{}
	for i := range keys {
		key := keys[(i*5)%len(keys)]
		tokens[key] = write(t, open(), key, "value of "+key, "")
	}
	for _, c := range []struct {
		prefix, after string
		want          []string
	}{
		{"", "", keys}, {"", "b.c", keys[3:]}, {"", "b/a", keys[4:]}, {"", "b/b", keys[4:]}, {"b/", "", keys[3:6]},
		{"b/", "b/c/d", keys[5:6]}, {"b/c/", "", keys[4:5]}, {"", "z", []string{}}, {"nothing/", "", []string{}},
	} {
		got := []string{}
		for e, err := range open().List(t.Context(), c.prefix, c.after) {
			if err != nil {
				t.Fatalf("List(%q, %q): %v", c.prefix, c.after, err)
			}
			if e.Token != tokens[e.Key] {
				t.Errorf("List: %s has token %q, want %q", e.Key, e.Token, tokens[e.Key])
			}
			got = append(got, e.Key)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("List(%q, %q) (-want +got):\n%s", c.prefix, c.after, diff)
		}
	}
	for _, err := range open().List(t.Context(), "", "") {
		if err != nil {
			t.Errorf("List, left at its first record: %v", err)
		}
		break
	}
}

func testInvalidKeys(t *testing.T, h Harness) {
	s := h.New(t)()
	for _, key := range []string{
		"", ".", "..", "/", "/a", "a/", "a//b", "../a", "a/../b", "a/.b", ".lock", "A", "a b", "a\x00", `a\b`, "ü", "a:b",
		strings.Repeat("x", cas.MaxSegmentLen+1), strings.Repeat("x/", cas.MaxKeyLen/2) + "x",
	} {
		_, err := s.Read(t.Context(), key, "")
		wantIs(t, fmt.Sprintf("Read(%.30q)", key), err, cas.ErrInvalidKey)
		_, err = s.Write(t.Context(), key, nil, "")
		wantIs(t, fmt.Sprintf("Write(%.30q)", key), err, cas.ErrInvalidKey)
	}
	for _, prefix := range []string{"a", "/", "../", "a//"} {
		n := 0
		for _, err := range s.List(t.Context(), prefix, "") {
			wantIs(t, fmt.Sprintf("List(%q)", prefix), err, cas.ErrInvalidKey)
			n++
		}
		if n != 1 {
			t.Errorf("List(%q): %d errors, want 1", prefix, n)
		}
	}
}

func testCancelled(t *testing.T, h Harness) {
	open := h.New(t)
	token := write(t, open(), "k", "old", "")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := open().Read(ctx, "k", ""); err == nil {
		t.Error("Read with a cancelled context succeeds")
	}
	_, err := open().Write(ctx, "k", []byte("new"), token)
	if err == nil || errors.Is(err, cas.ErrConflict) {
		t.Errorf("Write with a cancelled context: got error %v", err)
	}
	for _, err := range open().List(ctx, "", "") {
		if err == nil {
			t.Error("List with a cancelled context yields")
		}
	}
	if !errors.Is(err, cas.ErrIndeterminate) {
		wantRecord(t, open(), "k", "old", token)
	}
}

// Race runs fn n times at once, and returns when all calls have returned.
func Race(n int, fn func(i int)) {
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			fn(i)
		})
	}
	close(start)
	wg.Wait()
}

// Results is Race that returns the results in the order of i.
func Results[T any](n int, fn func(i int) T) []T {
	results := make([]T, n)
	Race(n, func(i int) { results[i] = fn(i) })
	return results
}

type outcome struct {
	token cas.Token
	err   error
}

func attempt(ctx context.Context, s cas.Store, key, value string, expect cas.Token) outcome {
	written, err := s.Write(ctx, key, []byte(value), expect)
	return outcome{written.Token, err}
}

// wantOneWinner checks a race of writers whose values are those of raced.
func wantOneWinner(t *testing.T, s cas.Store, key string, outcomes []outcome, round int) cas.Token {
	t.Helper()
	for i, o := range outcomes {
		if o.err != nil {
			wantIs(t, "a loser", o.err, cas.ErrConflict)
		} else if slices.ContainsFunc(outcomes[:i], func(o outcome) bool { return o.err == nil }) {
			t.Errorf("%s: more than one writer won", key)
		}
	}
	i := slices.IndexFunc(outcomes, func(o outcome) bool { return o.err == nil })
	if i < 0 {
		t.Fatalf("%s: nobody won: %v", key, outcomes[0].err)
	}
	wantRecord(t, s, key, raced(round, i), outcomes[i].token)
	return outcomes[i].token
}
