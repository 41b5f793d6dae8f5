package config

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/store/internal/record"
)

// longName takes as much room in JSON as any.
func longName(n int) string { return fmt.Sprintf("%04d", n) + strings.Repeat("\x01", MaxNameLen-4) }

func newEntry(version string) entry {
	return entry{ID: newID(), Version: version, Status: StatusPending, CreatedAt: time.Now().UTC().Round(0), Sum: sum(nil)}
}

// TestFullHead: a collection that is full, with as much garbage as there may be,
// fits into a record.
func TestFullHead(t *testing.T) {
	h := new(head)
	for i := range MaxSnapshots {
		e := newEntry(longName(i))
		e.Status, e.Round = StatusInactive, 1<<31
		e.CreatedAt = time.Date(2000, 1, 1, 0, 0, 0, 123456789, time.UTC)
		h.Snapshots = append(h.Snapshots, e)
	}
	h.Active = h.Snapshots[0].ID
	for range 2*MaxSnapshots + 1 {
		h.Garbage = append(h.Garbage, newID())
	}
	value, err := h.encode()
	if size := len(value) + record.MaxSeal; err != nil || size > cas.MaxValueSize {
		t.Fatalf("a full head has %d bytes, %v, at most %d allowed", size, err, cas.MaxValueSize)
	}
	got, err := decodeHead(value)
	if diff := cmp.Diff(h, got, cmpopts.EquateEmpty()); err != nil || diff != "" {
		t.Errorf("read back (-want +got), %v:\n%.1000s", err, diff)
	}
	if _, err := h.has(newEntry("more")); !errors.Is(err, ErrTooManySnapshots) {
		t.Errorf("one more: %v", err)
	}
	if there, err := h.has(h.Snapshots[1]); !there || err != nil {
		t.Errorf("one that is there: %v, %v", there, err)
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
