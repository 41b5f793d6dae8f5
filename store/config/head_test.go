package config

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/store/internal/record"
)

// longName is a longest version.
func longName(n int, of string) string {
	return fmt.Sprintf("%04d", n) + strings.Repeat(of, (MaxNameLen-4)/len(of))
}

func newEntry(version string) entry {
	return entry{ID: newID(), Version: version, Status: StatusPending, CreatedAt: time.Now().UTC().Round(0), Sum: sum(nil)}
}

// TestFullHead: a collection that is full fits into a record, after whatever changes. It
// has MaxSnapshots with versions of any length, but for hundreds of control characters.
func TestFullHead(t *testing.T) {
	for of, want := range map[string]int{"x": MaxSnapshots, "ü": MaxSnapshots, "\x01": MaxSnapshots / 2} {
		h := new(head)
		for i := range MaxSnapshots {
			e := newEntry(longName(i, of))
			e.CreatedAt = time.Date(2000, 1, 1, 0, 0, 0, 123456789, time.UTC)
			if err := h.add(e); err != nil {
				wantTooMany(t, err)
				h.Snapshots = h.Snapshots[:i]
				break
			}
		}
		if n := len(h.Snapshots); n < want {
			t.Errorf("%d snapshots, want at least %d", n, want)
		}
		h.Active = h.Snapshots[0].ID
		for i := range h.Snapshots {
			h.Snapshots[i].Status, h.Snapshots[i].Round = StatusInactive, math.MaxInt
		}
		for i := range maxFences {
			h.Fences = append(h.Fences, fence{math.MinInt64 + int64(i), math.MaxInt64})
		}
		wantFits(t, h)
		if _, err := h.has(newEntry("more")); len(h.Snapshots) == MaxSnapshots {
			wantTooMany(t, err)
		}
		if there, err := h.has(h.Snapshots[1]); !there || err != nil {
			t.Errorf("one that is there: %v, %v", there, err)
		}
		for range MaxSnapshots {
			h.Garbage = append(h.Garbage, newID())
		}
		h.drop(time.Now())
		wantFits(t, h)
	}
}

func wantTooMany(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, ErrTooManySnapshots) {
		t.Errorf("one more: %v", err)
	}
}

// wantFits checks that a head fits into a record, and can be read back.
func wantFits(t *testing.T, h *head) {
	t.Helper()
	value, err := h.encode()
	if size := len(value) + record.MaxSeal; err != nil || size > cas.MaxValueSize {
		t.Fatalf("a full head has %d bytes, %v, at most %d allowed", size, err, cas.MaxValueSize)
	}
	got, err := decodeHead(value)
	if diff := cmp.Diff(h, got, cmpopts.EquateEmpty()); err != nil || diff != "" {
		t.Errorf("read back (-want +got), %v:\n%.1000s", err, diff)
	}
}

// TestFences: a head remembers the locks that were used last.
func TestFences(t *testing.T) {
	h := new(head)
	for lock := range int64(2 * maxFences) {
		if noted, err := h.admit([]fence{{lock, 7}}); !noted || err != nil {
			t.Fatalf("lock %d: %v, %v", lock, noted, err)
		}
	}
	if n := len(h.Fences); n != maxFences || h.Fences[0].Lock != 2*maxFences-1 {
		t.Errorf("%d fences, the first of lock %d", n, h.Fences[0].Lock)
	}
	if noted, err := h.admit([]fence{{maxFences, 7}}); noted || err != nil {
		t.Errorf("again: %v, %v", noted, err)
	}
	if _, err := h.admit([]fence{{1, 7}, {maxFences, 6}}); !errors.Is(err, ErrLockLost) {
		t.Errorf("one of two is lower: %v", err)
	}
}

// TestDrop: while there is much garbage, no more is made.
func TestDrop(t *testing.T) {
	h := &head{Snapshots: []entry{newEntry("v1"), newEntry("v2")}}
	h.Active = h.Snapshots[1].ID
	future := time.Now().Add(time.Hour)
	h.Garbage = make([]string, MaxSnapshots+1)
	if n := len(h.drop(future)); n != 0 || len(h.Snapshots) != 2 {
		t.Errorf("dropped %d in spite of the garbage", n)
	}
	h.Garbage = nil
	want := []string{h.Snapshots[0].ID}
	if n := len(h.drop(future)); n != 1 || len(h.Snapshots) != 1 || h.active() == nil {
		t.Errorf("dropped %d, left %v", n, h.Snapshots)
	}
	if diff := cmp.Diff(want, h.Garbage); diff != "" {
		t.Errorf("garbage (-want +got):\n%s", diff)
	}
}

func TestCorruptHeads(t *testing.T) {
	a, b := newEntry("v1"), newEntry("v2")
	for name, damage := range map[string]func(h *head){
		"an id that is none":       func(h *head) { h.Snapshots[0].ID = "../../etc/passwd" },
		"no id":                    func(h *head) { h.Snapshots[0].ID = "" },
		"no version":               func(h *head) { h.Snapshots[0].Version = "" },
		"one id twice":             func(h *head) { h.Snapshots[0].ID = b.ID },
		"one version twice":        func(h *head) { h.Snapshots[0].Version = "v2" },
		"no such status":           func(h *head) { h.Snapshots[0].Status = "active" },
		"no such round":            func(h *head) { h.Snapshots[0].Round = -1 },
		"active is what is none":   func(h *head) { h.Active = newID() },
		"garbage is what is there": func(h *head) { h.Garbage = []string{a.ID} },
		"garbage is none":          func(h *head) { h.Garbage = []string{"a/b"} },
		"a lock twice":             func(h *head) { h.Fences = []fence{{1, 1}, {1, 2}} },
		"a lock without a holder":  func(h *head) { h.Fences = []fence{{1, 0}} },
	} {
		h := &head{Active: b.ID, Snapshots: []entry{a, b}, Garbage: []string{newID()}}
		if err := h.check(); err != nil {
			t.Fatalf("before it is damaged: %v", err)
		}
		damage(h)
		value, err := h.encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decodeHead(value); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: got error %v", name, err)
		}
	}
}

func FuzzDecodeHead(f *testing.F) {
	h := &head{Snapshots: []entry{newEntry("v1"), newEntry("v2")}, Garbage: []string{newID()}}
	h.Active = h.Snapshots[0].ID
	value, err := h.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(value)
	f.Add([]byte(`{}`))
	f.Add([]byte(`{"active":"x","snapshots":[{}]}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		h, err := decodeHead(value)
		if err != nil {
			return
		}
		again, err := h.encode()
		if err != nil {
			return // a year that JSON does not take
		}
		if _, err := decodeHead(again); err != nil {
			t.Errorf("%q: written as %q: %v", value, again, err)
		}
	})
}

func FuzzDecodeContent(f *testing.F) {
	id := strings.Repeat("a", idLen)
	value, err := encodeContent(contentHeader{ID: id, Collection: "c", Version: "v"}, []byte("content\n"))
	if err != nil {
		f.Fatal(err)
	}
	mark, err := encodeContent(contentHeader{ID: id, Deleted: true}, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(value)
	f.Add(mark)
	f.Fuzz(func(t *testing.T, value []byte) {
		content, err := decodeContent(id, value)
		if err == nil && !strings.HasSuffix(string(value), "\n"+string(content)) {
			t.Errorf("%q: read as %q", value, content)
		}
	})
}

func FuzzDecodeStatus(f *testing.F) {
	f.Add([]byte(`{"instance":"i","status":"applied"}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		if status, err := decodeStatus("i", value); err == nil && checkName("status", status) != nil {
			t.Errorf("%q: read as %q", value, status)
		}
	})
}
