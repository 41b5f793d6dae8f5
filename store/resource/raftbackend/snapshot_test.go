package raftbackend

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strconv"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/replctl/replicate/store/resource"
)

// full is a resource with every field.
func full() *resource.Resource {
	owner := idOf("owner")
	return &resource.Resource{
		ID: resource.ID{
			Type:    resource.Type{Group: "demo", GroupVersion: "v1", Kind: "Workload"},
			Tenancy: resource.Tenancy{Partition: "p", Namespace: "n", PeerName: "east"},
			Name:    "ü", UID: "01J",
		},
		Owner: &owner, Version: "7", Generation: "g", Data: []byte("\x00\xff"),
		Metadata: map[string]string{"b": "2", "a": "1", "": ""},
		Status: map[string]resource.Status{"empty": {}, "demo/controller": {
			ObservedGeneration: "g1", UpdatedAt: time.Date(1912, 5, 4, 3, 2, 1, 7, time.UTC),
			Conditions: []resource.Condition{
				{Type: "Bound", State: resource.StateFalse, Reason: "r", Message: "m"}, {},
				{State: resource.StateTrue, Resource: &resource.Reference{
					Type: typ, Tenancy: resource.Tenancy{Namespace: "n"}, Name: "web", Section: "ports",
				}},
				{Resource: &resource.Reference{}},
			},
		}},
	}
}

// sampleLog is a log with each kind of message.
func sampleLog() [][]byte {
	one, two := full(), &resource.Resource{ID: idOf("two")}
	one.Version = ""
	again := &resource.Resource{ID: two.ID, Version: "2", Data: []byte("again")}
	old := *full()
	other := resource.Resource{ID: idOf("other"), Version: "opaque"}
	var log [][]byte
	for _, m := range []*message{
		{write: one}, {write: two}, {write: again}, {write: again}, // the last is refused
		{part: &part{"r1", 0, []resource.Resource{old, other}}},
		{replace: &replacement{"r1", 1, 100}},
		{write: &resource.Resource{ID: idOf("three")}},
		{remove: &removal{idOf("other"), "101"}}, {remove: &removal{idOf("none"), "1"}},
		{part: &part{"r2", 0, []resource.Resource{other}}}, {part: &part{"r2", 1, nil}},
	} {
		log = append(log, m.encode())
	}
	return log
}

func bare(t *testing.T) *Backend {
	t.Helper()
	b, err := NewBackend(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// records is the whole snapshot of a backend.
func records(t *testing.T, b *Backend) (all [][]byte) {
	t.Helper()
	s, err := b.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	for {
		record, err := s.Next()
		if err != nil {
			t.Fatal(err)
		}
		if record == nil {
			return all
		}
		all = append(all, record)
	}
}

func restore(b *Backend, records [][]byte) error {
	r, err := b.Restore()
	if err != nil {
		return err
	}
	defer r.Abort()
	for _, record := range records {
		if err := r.Apply(record); err != nil {
			return err
		}
	}
	return r.Commit()
}

// TestSnapshotAnywhere: a node that gets a snapshot in place of any beginning of the log, and
// then the rest, is as one that has applied all of it; one restoration is under way at the end.
func TestSnapshotAnywhere(t *testing.T) {
	log := append(sampleLog(), (&message{replace: &replacement{"r2", 2, 0}}).encode())
	for cut := range log {
		whole, rest := bare(t), bare(t)
		for i, msg := range log {
			want := whole.Apply(msg, uint64(10+i))
			if i == cut {
				if err := restore(rest, records(t, whole)); err != nil {
					t.Fatalf("a snapshot after entry %d: %v", i, err)
				}
			}
			if i > cut {
				if diff := cmp.Diff(text(want), text(rest.Apply(msg, uint64(10+i)))); diff != "" {
					t.Errorf("the result of entry %d, after a snapshot after %d (-want +got):\n%s", i, cut, diff)
				}
			}
		}
		if diff := cmp.Diff(records(t, whole), records(t, rest)); diff != "" {
			t.Errorf("the state after a snapshot after entry %d (-want +got):\n%s", cut, diff)
		}
	}
}

// text is a result of Apply as text, so that errors can be compared.
func text(result any) any {
	if err, ok := result.(error); ok {
		return err.Error()
	}
	return result
}

// TestVersions: they are indices, and after a restore of other versions they go on above.
func TestVersions(t *testing.T) {
	b := bare(t)
	want := []string{"10", "11", "12", resource.ErrCASFailure.Error() + `: "12" is stored, not "2"`}
	log := sampleLog()
	log[2] = (&message{write: &resource.Resource{ID: idOf("two"), Version: "11"}}).encode()
	for i, w := range want {
		switch got := b.Apply(log[i], uint64(10+i)).(type) {
		case *resource.Resource:
			if got.Version != w {
				t.Errorf("entry %d: got version %s, want %s", i, got.Version, w)
			}
		case error:
			if got.Error() != w {
				t.Errorf("entry %d: got %v, want %s", i, got, w)
			}
		}
	}
	b.Apply(log[4], 14)
	b.Apply(log[5], 15) // two resources, above 100
	if r, ok := b.Apply(log[6], 16).(*resource.Resource); !ok || r.Version != "103" {
		t.Errorf("after a restore: got %v, want version 103", r)
	}
	if err, ok := b.Apply(log[6], 16).(error); !ok || !errors.Is(err, resource.ErrCorrupt) {
		t.Errorf("an entry twice: got %v", err)
	}
}

// TestAbandoned: a restoration that no part comes for is dropped after a while.
func TestAbandoned(t *testing.T) {
	log := sampleLog()
	for idx, want := range map[uint64]bool{2: true, 1 + stagedFor: true, 2 + stagedFor: false} {
		b := bare(t)
		b.Apply(log[4], 1)
		err, failed := b.Apply(log[5], idx).(error)
		if failed == want || failed && !errors.Is(err, resource.ErrInconsistent) {
			t.Errorf("the end of a restoration at entry %d: got %v", idx, err)
		}
	}
}

// TestDamagedSnapshots: a snapshot that was cut short, that lacks a record, or has one twice
// or changed, is refused, and leaves the state as it was.
func TestDamagedSnapshots(t *testing.T) {
	b := bare(t)
	for i, msg := range sampleLog() {
		b.Apply(msg, uint64(1+i))
	}
	whole := records(t, b)
	for i := range whole {
		without := append(bytesOf(whole[:i]), whole[i+1:]...)
		twice := append(bytesOf(whole[:i+1]), whole[i:]...)
		for name, damaged := range map[string][][]byte{"cut short": whole[:i], "lacks": without, "twice": twice} {
			fresh := bare(t)
			err := restore(fresh, damaged)
			if !errors.Is(err, resource.ErrCorrupt) {
				t.Errorf("%s at record %d: %v", name, i, err)
			}
			if got := records(t, fresh); len(got) != 2 {
				t.Errorf("%s at record %d: the state has %d records", name, i, len(got))
			}
		}
	}
	if err := restore(b, append(bytesOf(whole), whole[1])); !errors.Is(err, resource.ErrCorrupt) {
		t.Errorf("a record behind the end: %v", err)
	}
	r, err := b.Restore()
	if err != nil {
		t.Fatal(err)
	}
	r.Abort()
	r.Abort()
	if err := errors.Join(r.Apply(whole[0]), r.Commit()); !errors.Is(err, resource.ErrClosed) {
		t.Errorf("after Abort: %v", err)
	}
}

func readStream(b *Backend, in io.Reader) error {
	r, err := b.Restore()
	if err != nil {
		return err
	}
	defer r.Abort()
	if _, err := r.ReadFrom(in); err != nil {
		return errors.Join(err, mustFail(r.Commit()))
	}
	return r.Commit()
}

// mustFail is nil for an error.
func mustFail(err error) error {
	if err == nil {
		return errors.New("Commit after an error succeeds")
	}
	return nil
}

// TestStream: a snapshot as a stream is read as it was, and one that was cut anywhere, or made
// longer, is refused. An error of the reader is returned.
func TestStream(t *testing.T) {
	b := bare(t)
	for i, msg := range sampleLog() {
		b.Apply(msg, uint64(1+i))
	}
	s, err := b.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if n, err := s.WriteTo(&out); err != nil || n != int64(out.Len()) {
		t.Fatalf("WriteTo: %d bytes of %d, %v", n, out.Len(), err)
	}
	stream, other := out.Bytes(), bare(t)
	r, err := other.Restore()
	if err != nil {
		t.Fatal(err)
	}
	if n, err := r.ReadFrom(bytes.NewReader(stream)); err != nil || n != int64(len(stream)) {
		t.Fatalf("ReadFrom: %d bytes of %d, %v", n, len(stream), err)
	}
	if err := r.Commit(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(records(t, b), records(t, other)); diff != "" {
		t.Errorf("the state (-want +got):\n%s", diff)
	}
	for n := range stream {
		if err := readStream(bare(t), bytes.NewReader(stream[:n])); !errors.Is(err, resource.ErrCorrupt) {
			t.Errorf("cut at byte %d: %v", n, err)
		}
	}
	longer := append(bytes.Clone(stream), 0)
	if err := readStream(bare(t), bytes.NewReader(longer)); !errors.Is(err, resource.ErrCorrupt) {
		t.Errorf("a byte more: %v", err)
	}
	endless := bytes.Repeat([]byte{0xff}, 9)
	if err := readStream(bare(t), bytes.NewReader(append(endless, 1))); !errors.Is(err, resource.ErrCorrupt) {
		t.Errorf("a record of 2^63 bytes: %v", err)
	}
	broken := errors.New("the disk is broken")
	err = readStream(bare(t), io.MultiReader(bytes.NewReader(stream[:40]), iotest.ErrReader(broken)))
	if !errors.Is(err, broken) {
		t.Errorf("a reader that fails: %v", err)
	}
}

func bytesOf(records [][]byte) [][]byte { return append([][]byte(nil), records...) }

// TestGolden: what this version writes is what testdata has, and is still read. A later version
// reads the file of this one; it may add another.
func TestGolden(t *testing.T) {
	b := bare(t)
	var log bytes.Buffer
	for i, msg := range sampleLog() {
		log.WriteString(strconv.Quote(string(msg)) + "\n")
		b.Apply(msg, uint64(1+i))
	}
	var snapshot bytes.Buffer
	for _, record := range records(t, b) {
		snapshot.WriteString(strconv.Quote(string(record)) + "\n")
	}
	wantFile(t, "testdata/log-1.golden", log.String())
	wantFile(t, "testdata/snapshot-1.golden", snapshot.String())
	applied, restored := bare(t), bare(t)
	for i, msg := range readFile(t, "testdata/log-1.golden") {
		applied.Apply(msg, uint64(1+i))
	}
	if err := restore(restored, readFile(t, "testdata/snapshot-1.golden")); err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string]*Backend{"the log": applied, "the snapshot": restored} {
		three := b.state().List(typ.Unversioned(), resource.Tenancy{}, "three")
		if all := b.state().Snapshot(); all.Len() != 2 || len(three) != 1 || three[0].Version != "103" {
			t.Errorf("%s: %d resources, and %v", name, all.Len(), three)
		}
		old, err := b.state().Read(full().ID)
		if err != nil {
			t.Fatal(err)
		}
		want := full()
		want.Version = "102"
		if diff := cmp.Diff(want, old); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func wantFile(t *testing.T, name, got string) {
	t.Helper()
	want, err := os.ReadFile(name)
	if os.IsNotExist(err) && os.Getenv("RAFTBACKEND_GOLDEN") != "" {
		want, err = []byte(got), os.WriteFile(name, []byte(got), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// readFile returns the messages of a file: a quoted string each line.
func readFile(t *testing.T, name string) (messages [][]byte) {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(content) {
		msg, err := strconv.Unquote(string(bytes.TrimSpace(line)))
		if err != nil {
			t.Fatal(err)
		}
		messages = append(messages, []byte(msg))
	}
	return messages
}
