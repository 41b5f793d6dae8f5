// Package logstatetest is the contract of package logstate as a test. It tests any
// logstate.LogStatePersistence: a [logstate.Store] over an engine, or an implementation
// without one. One that is a logstate.LogStateUpdater, too, is tested as such.
package logstatetest

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/store/logstate"
)

// Harness says how to make what is tested.
type Harness struct {
	// New makes fresh, empty storage that the test owns, and returns a function
	// that opens a new handle on it each time, as another process would.
	New func(t *testing.T) (open func() logstate.LogStatePersistence)

	// Slow storages (on a server behind a socket) get fewer rounds in races.
	Slow bool
}

func (h Harness) rounds() int {
	if h.Slow {
		return 2
	}
	return 10
}

// Run runs every test of the contract.
func Run(t *testing.T, h Harness) {
	if h.New == nil {
		t.Fatal("the harness has no New")
	}
	for name, test := range map[string]func(*testing.T, Harness){
		"FirstUse":     testFirstUse,
		"Logs":         testLogs,
		"IDs":          testIDs,
		"Sizes":        testSizes,
		"Conflict":     testConflict,
		"OneRead":      testOneRead,
		"WithoutRead":  testWithoutRead,
		"Close":        testClose,
		"Ended":        testEnded,
		"SameAgain":    testSameAgain,
		"Update":       testUpdate,
		"UpdateRace":   testUpdateRace,
		"FirstUseRace": testFirstUseRace,
		"NextRace":     testNextRace,
		"NoRollback":   testNoRollback,
	} {
		t.Run(name, func(t *testing.T) { test(t, h) })
	}
}

func begin(t *testing.T, s logstate.LogStatePersistence, id string) logstate.LogStateWriteOps {
	t.Helper()
	w, err := s.WriteOps(id)
	if err != nil {
		t.Fatalf("WriteOps(%q): %v", id, err)
	}
	return w
}

func set(t *testing.T, s logstate.LogStatePersistence, id, checkpoint string) {
	t.Helper()
	w := begin(t, s, id)
	if err := w.Set([]byte(checkpoint)); err != nil {
		t.Fatalf("Set(%q): %v", id, err)
	}
	closed(t, w)
}

func closed(t *testing.T, w logstate.LogStateWriteOps) {
	t.Helper()
	if err := w.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// wantLatest checks what a reader sees; "" is none.
func wantLatest(t *testing.T, s logstate.LogStatePersistence, id, want string) {
	t.Helper()
	r, err := s.ReadOps(id)
	if err != nil {
		t.Fatalf("ReadOps(%q): %v", id, err)
	}
	got, err := r.GetLatest()
	if want == "" {
		wantCode(t, "GetLatest without a checkpoint", err, codes.NotFound)
	} else if err != nil || string(got) != want {
		t.Errorf("log %q: got %.40q, %v, want %.40q", id, got, err, want)
	}
}

// wantRead checks what a transaction reads; "" is none.
func wantRead(t *testing.T, w logstate.LogStateWriteOps, want string) {
	t.Helper()
	got, err := w.GetLatest()
	if want == "" {
		wantCode(t, "GetLatest without a checkpoint", err, codes.NotFound)
	} else if err != nil || string(got) != want {
		t.Errorf("the transaction reads %.40q, %v, want %.40q", got, err, want)
	}
}

func wantCode(t *testing.T, what string, err error, want codes.Code) {
	t.Helper()
	if err == nil || status.Code(err) != want {
		t.Errorf("%s: got error %v with code %v, want %v", what, err, status.Code(err), want)
	}
}

func testFirstUse(t *testing.T, h Harness) {
	open := h.New(t)
	for range 2 {
		if err := open().Init(); err != nil {
			t.Fatalf("Init: %v", err)
		}
	}
	wantLatest(t, open(), "new", "")
	w := begin(t, open(), "new")
	wantRead(t, w, "")
	if err := w.Set([]byte("first")); err != nil {
		t.Errorf("the first Set: %v", err)
	}
	closed(t, w)
	wantLatest(t, open(), "new", "first")
	wantLatest(t, open(), "other", "")
}

func testLogs(t *testing.T, h Harness) {
	open := h.New(t)
	wantLogs(t, open(), []string{})
	closed(t, begin(t, open(), "never set"))
	for _, id := range []string{"b", "a", "c", "a"} {
		set(t, open(), id, "of "+id)
	}
	wantLogs(t, open(), []string{"a", "b", "c"})
	if err := open().Init(); err != nil {
		t.Errorf("Init of what has logs: %v", err)
	}
}

func wantLogs(t *testing.T, s logstate.LogStatePersistence, want []string) {
	t.Helper()
	got, err := s.Logs()
	if err != nil {
		t.Fatalf("Logs: %v", err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Logs (-want +got):\n%s", diff)
	}
}

// testIDs: any bytes are an ID, and each is another log.
func testIDs(t *testing.T, h Harness) {
	open := h.New(t)
	ids := []string{
		"\x00\xff", ".", "../up", "EXAMPLE.com/log", "a", "a/", "a/b", "example.com/log", "sum.golang.org",
		strings.Repeat("x", logstate.MaxIDLen), strings.Repeat("ü", logstate.MaxIDLen/2),
	}
	for _, id := range ids {
		set(t, open(), id, "of "+id)
	}
	for _, id := range ids {
		wantLatest(t, open(), id, "of "+id)
	}
	wantLogs(t, open(), ids)
	for _, id := range []string{"", strings.Repeat("x", logstate.MaxIDLen+1)} {
		_, err := open().ReadOps(id)
		wantCode(t, "ReadOps", err, codes.InvalidArgument)
		_, err = open().WriteOps(id)
		wantCode(t, "WriteOps", err, codes.InvalidArgument)
	}
}

func testSizes(t *testing.T, h Harness) {
	open := h.New(t)
	largest := strings.Repeat("\n", logstate.MaxCheckpointSize)
	set(t, open(), "log", largest)
	wantLatest(t, open(), "log", largest)
	w := begin(t, open(), "log")
	wantCode(t, "Set of too much", w.Set([]byte(largest+"x")), codes.InvalidArgument)
	wantCode(t, "Set of nothing", w.Set(nil), codes.InvalidArgument)
	if err := w.Set([]byte("x")); err != nil {
		t.Errorf("Set after what cannot be set: %v", err)
	}
	wantLatest(t, open(), "log", "x")
}

// testConflict: of two witnesses that have read the same, the second to set is
// told so, and starts over.
func testConflict(t *testing.T, h Harness) {
	open := h.New(t)
	for _, old := range []string{"", "one"} {
		first, second := begin(t, open(), "log"), begin(t, open(), "log")
		wantRead(t, first, old)
		wantRead(t, second, old)
		if err := first.Set([]byte(old + "one")); err != nil {
			t.Fatal(err)
		}
		err := second.Set([]byte("rival"))
		wantCode(t, "the second Set", err, codes.Aborted)
		if errors.Is(err, cas.ErrIndeterminate) {
			t.Errorf("the second Set: %v: want a plain conflict", err)
		}
		wantLatest(t, open(), "log", old+"one")
		closed(t, first)
		closed(t, second)
	}
	again := begin(t, open(), "log")
	wantRead(t, again, "oneone")
	if err := again.Set([]byte("two")); err != nil {
		t.Errorf("starting over: %v", err)
	}
	wantLatest(t, open(), "log", "two")
}

// testOneRead: a transaction reads once, so that what it has decided stays true or
// its Set fails.
func testOneRead(t *testing.T, h Harness) {
	open := h.New(t)
	set(t, open(), "log", "one")
	w := begin(t, open(), "log")
	wantRead(t, w, "one")
	set(t, open(), "log", "two")
	wantRead(t, w, "one")
	wantCode(t, "Set over what was not read", w.Set([]byte("three")), codes.Aborted)
	wantLatest(t, open(), "log", "two")
}

func testWithoutRead(t *testing.T, h Harness) {
	open := h.New(t)
	w := begin(t, open(), "log")
	set(t, open(), "log", "one")
	if err := w.Set([]byte("two")); err != nil {
		t.Errorf("Set without GetLatest: %v", err)
	}
	wantLatest(t, open(), "log", "two")
}

// testClose: a transaction that ends without Set leaves everything as it was, and
// nothing that another one waits for.
func testClose(t *testing.T, h Harness) {
	open := h.New(t)
	set(t, open(), "log", "one")
	abandoned := begin(t, open(), "log")
	wantRead(t, abandoned, "one")
	w := begin(t, open(), "log")
	wantRead(t, w, "one")
	closed(t, w)
	closed(t, w)
	wantLatest(t, open(), "log", "one")
	set(t, open(), "log", "two")
	wantLatest(t, open(), "log", "two")
}

func testEnded(t *testing.T, h Harness) {
	open := h.New(t)
	end := map[string]func(logstate.LogStateWriteOps){
		"Set":   func(w logstate.LogStateWriteOps) { _ = w.Set([]byte("one")) },
		"Close": func(w logstate.LogStateWriteOps) { closed(t, w) },
	}
	for name, end := range end {
		w := begin(t, open(), "log of "+name)
		end(w)
		_, err := w.GetLatest()
		wantCode(t, "GetLatest after "+name, err, codes.FailedPrecondition)
		wantCode(t, "Set after "+name, w.Set([]byte("two")), codes.FailedPrecondition)
		closed(t, w)
	}
	wantLatest(t, open(), "log of Set", "one")
	wantLatest(t, open(), "log of Close", "")
}

// testSameAgain: a checkpoint that is set again is a new version, so that who has
// read the old one is told.
func testSameAgain(t *testing.T, h Harness) {
	open := h.New(t)
	set(t, open(), "log", "one")
	w := begin(t, open(), "log")
	wantRead(t, w, "one")
	set(t, open(), "log", "two")
	set(t, open(), "log", "one")
	wantCode(t, "Set after there and back", w.Set([]byte("three")), codes.Aborted)
}
