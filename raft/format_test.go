package raft

import (
	"bytes"
	"errors"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"

	hraft "github.com/hashicorp/raft"
)

// TestCommandForm: the bytes of a log entry are these, for ever.
func TestCommandForm(t *testing.T) {
	got := string(encodeChanges([]change{
		{key: "a/b", expect: 300, value: []byte("xyz")}, {key: "c", expect: 7, remove: true}, {key: "d"},
	}))
	want := "\x01c\x03" + "p\xac\x02\x03a/b\x03xyz" + "d\x07\x01c" + "p\x00\x01d\x00"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	part, err := encodePart([]byte("command"))
	if err != nil || string(part) != "\x01xcommand" {
		t.Errorf("got %q, %v", part, err)
	}
	if _, err := encodePart(make([]byte, maxPartBytes+1)); err == nil {
		t.Error("a command that is too long was encoded")
	}
}

// FuzzCommand: no bytes panic, and what is read is written as it was.
func FuzzCommand(f *testing.F) {
	f.Add(encodeChanges([]change{{key: "a", value: []byte("x")}, {key: "b", expect: 9, remove: true}}))
	f.Add([]byte("\x01xcommand"))
	f.Add([]byte("\x02c"))
	f.Add([]byte("\x01c\xff\xff\xff\xff\x0f"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := decodeCommand(b)
		if err != nil || c.changes == nil {
			return
		}
		again, err := decodeCommand(encodeChanges(c.changes))
		if err != nil || len(again.changes) != len(c.changes) || !reflect.DeepEqual(normal(again), normal(c)) {
			t.Errorf("%q is read as %v, and then as %v, %v", b, c, again, err)
		}
		entry := &hraft.Log{Index: 5, Data: b}
		if r, ok := newFSM(nil).Apply(entry).(result); !ok || r.err != nil {
			t.Errorf("%q is not applied: %v", b, r)
		}
	})
}

func normal(c command) (all []change) {
	for _, one := range c.changes {
		one.value = append([]byte{}, one.value...)
		all = append(all, one)
	}
	return all
}

// FuzzSnapshot: no bytes panic, and a snapshot that is read can be written and read again.
func FuzzSnapshot(f *testing.F) {
	if b, err := os.ReadFile("testdata/v1.snapshot"); err == nil {
		f.Add(b)
	}
	f.Add(written(f, newFSM(nil)))
	f.Add([]byte(snapshotMagic + "\x05r\xff\xff\xff\xff\x0f"))
	f.Fuzz(func(t *testing.T, b []byte) {
		records, index, rest, err := readSnapshot(bytes.NewReader(b))
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Errorf("got error %v", err)
			}
			return
		}
		if _, err := io.Copy(io.Discard, rest); err != nil || rest.present {
			return
		}
		m := newFSM(nil)
		m.replace(records, index)
		again, _, rest, err := readSnapshot(bytes.NewReader(written(t, m)))
		if err == nil {
			_, err = io.Copy(io.Discard, rest)
		}
		if err != nil || again.Len() != records.Len() || m.now.Load().index != index {
			t.Errorf("%q is read back as %d records, %v", b, again.Len(), err)
		}
	})
}

func written(t testing.TB, m *fsm) []byte {
	t.Helper()
	s, err := m.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := s.(*snapshot).write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestLaterEntry: an entry of a later version stops the node, and does not pass for nothing.
func TestLaterEntry(t *testing.T) {
	m := newFSM(nil)
	if r, ok := m.Apply(&hraft.Log{Index: 1, Data: encodeChanges([]change{{key: "a"}})}).(result); !ok || r.err != nil {
		t.Fatal(r)
	}
	for _, data := range []string{"\x02c\x01", "\x01xcommand"} {
		if r, ok := m.Apply(&hraft.Log{Index: 2, Data: []byte(data)}).(result); !ok || r.err == nil {
			t.Fatalf("%q is applied", data)
		}
	}
	r, ok := m.Apply(&hraft.Log{Index: 3, Data: encodeChanges([]change{{key: "b"}})}).(result)
	if !ok || r.err == nil || !strings.Contains(r.err.Error(), "log entry 2: version 2") {
		t.Errorf("an entry after it: %v", r)
	}
	if _, err := m.Snapshot(); err == nil {
		t.Error("a snapshot without the entry was taken")
	}
	if err := m.reach(t.Context(), 3); err == nil {
		t.Error("it reaches the entry after it")
	}
}
