package resourcetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/replctl/replicate/store/resource"
)

func snapshot(t *testing.T, b resource.Backend) (all []*resource.Resource) {
	t.Helper()
	s, err := b.Snapshot(t.Context())
	if err != nil {
		t.Fatalf("Snapshot: %v", err)
	}
	all = make([]*resource.Resource, 0, s.Len())
	for r := s.Next(); r != nil; r = s.Next() {
		all = append(all, r)
	}
	return all
}

// restoration has all of the resources applied.
func restoration(t *testing.T, b resource.Backend, all []*resource.Resource) resource.Restoration {
	t.Helper()
	r, err := b.Restore()
	if err != nil {
		t.Fatalf("Restore: %v", err)
	}
	for _, res := range all {
		if err := r.Apply(res); err != nil {
			t.Fatalf("Apply(%s): %v", res.ID, err)
		}
	}
	return r
}

func testRestore(t *testing.T, h Harness) {
	open := handles(t, h.New)
	b, other := open(), open()
	owner := named("a")
	one := write(t, b, &resource.Resource{ID: named("a"), Data: []byte("1"), Metadata: map[string]string{"k": "v"}})
	write(t, b, &resource.Resource{ID: named("b"), Owner: &owner})
	write(t, b, &resource.Resource{ID: resource.ID{Type: service, Name: "c"}})
	before := snapshot(t, other)
	wantSame(t, "the snapshot", names(before), []string{"c", "a", "b"})

	one.Data = []byte("2")
	changed := write(t, b, one)
	added := write(t, other, with("added", ""))
	own, foreign := watch(t, b, anywhere, ""), watch(t, other, anywhere, "")
	r := restoration(t, b, before)
	wantSame(t, "before Commit", names(list(t, other, workload, anywhere, "")), []string{"a", "added", "b"})
	if err := r.Commit(t.Context()); err != nil {
		t.Fatalf("Commit: %v", err)
	}
	r.Abort()
	wantIs(t, "Apply after Commit", r.Apply(one), resource.ErrClosed)
	wantIs(t, "Commit after Commit", r.Commit(t.Context()), resource.ErrClosed)

	wantClosed(t, own)
	wantClosed(t, foreign)
	restored := snapshot(t, b)
	for _, b := range []resource.Backend{b, other, open()} {
		wantSame(t, "after Restore", unversioned(snapshot(t, b)), unversioned(before))
		wantSame(t, "versions after Restore", snapshot(t, b), restored)
	}
	owned, err := other.ListByOwner(t.Context(), owner)
	wantSame(t, "ListByOwner", fmt.Sprint(names(owned), err), "[b] <nil>")
	_, err = other.WriteCAS(t.Context(), changed)
	wantIs(t, "WriteCAS of what was undone", err, resource.ErrCASFailure)
	_, err = other.WriteCAS(t.Context(), before[1])
	wantIs(t, "WriteCAS of what was in the snapshot", err, resource.ErrCASFailure)
	write(t, other, restored[1])
	wantAbove(t, snapshot(t, open()), added.Version)
	wantEvents(t, watch(t, b, anywhere, "a"), "+a=1", "|")
}

// unversioned is resources without their versions.
func unversioned(list []*resource.Resource) (bare []*resource.Resource) {
	for _, r := range list {
		one := *r
		one.Version = ""
		bare = append(bare, &one)
	}
	return bare
}

// wantAbove checks that each resource has a version of its own, above all given.
func wantAbove(t *testing.T, list []*resource.Resource, given string) {
	t.Helper()
	seen := map[string]bool{}
	for _, r := range list {
		if number(t, r.Version) <= number(t, given) || seen[r.Version] {
			t.Errorf("%s has version %q, and version %q was given before", r.ID.Name, r.Version, given)
		}
		seen[r.Version] = true
	}
}

func number(t *testing.T, version string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(version, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// testRestoreVersions: after a restore no version names another content than before, in
// this store or in the one that the snapshot is of, and a stale write does not pass.
func testRestoreVersions(t *testing.T, h Harness) {
	for name, writes := range map[string]int{"the other is ahead": 8, "this one is ahead": 1} {
		t.Run(name, func(t *testing.T) {
			there, here := handles(t, h.New)(), handles(t, h.New)
			b := here()
			theirs := write(t, there, with("x", "theirs"))
			for range writes {
				gone := write(t, there, with("gone", ""))
				remove(t, there, gone)
			}
			own := write(t, b, with("x", "own"))
			last := own
			for range 4 {
				last = write(t, b, with(fmt.Sprintf("y%s", last.Version), ""))
			}
			s, err := there.Snapshot(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			r := restoration(t, b, []*resource.Resource{s.Next()})
			if err := r.Above(s.Version()); err != nil {
				t.Fatal(err)
			}
			if err := r.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, stale := range []*resource.Resource{own, theirs} { // both had version 1
				_, err := here().WriteCAS(t.Context(), stale)
				wantIs(t, "a stale write", err, resource.ErrCASFailure)
			}
			wantAbove(t, snapshot(t, here()), last.Version)
			wantAbove(t, snapshot(t, here()), s.Version())
			write(t, here(), snapshot(t, b)[0])
		})
	}
}

func testRestoreAbort(t *testing.T, h Harness) {
	open := handles(t, h.New)
	b := open()
	write(t, b, with("a", "1"))
	all := snapshot(t, b)
	w := watch(t, b, anywhere, "")
	r := restoration(t, b, nil)
	wantIs(t, "Apply without a version", r.Apply(with("x", "")), resource.ErrInvalid)
	late := with("x", "")
	late.Version = "18446744073709551615"
	wantIs(t, "Apply of the last version", r.Apply(late), resource.ErrInvalid)
	for _, version := range []string{late.Version, "opaque", ""} {
		wantIs(t, "Above", r.Above(version), resource.ErrInvalid)
	}
	late.Version = "opaque"
	if err := r.Apply(late); err != nil {
		t.Error(err)
	}
	r.Abort()
	r.Abort()
	wantIs(t, "Commit after Abort", r.Commit(t.Context()), resource.ErrClosed)
	wantSame(t, "after Abort", snapshot(t, open()), all)
	write(t, b, with("b", "1"))
	wantEvents(t, w, "+a=1", "|", "+b=1")

	// An empty one, into a new store too.
	if err := restoration(t, b, nil).Commit(t.Context()); err != nil {
		t.Errorf("Commit of nothing: %v", err)
	}
	wantSame(t, "after restoring nothing", len(snapshot(t, open())), 0)
	fresh := handles(t, h.New)
	if err := restoration(t, fresh(), all).Commit(t.Context()); err != nil {
		t.Errorf("Commit into an empty store: %v", err)
	}
	wantSame(t, "in another store", unversioned(snapshot(t, fresh())), unversioned(all))
	wantAbove(t, snapshot(t, fresh()), all[0].Version)
}

// testRestoreStream: a snapshot as bytes becomes the content of another backend, resources
// of the largest size too. Of a stream that is cut short nothing does.
func testRestoreStream(t *testing.T, h Harness) {
	there, here := handles(t, h.New)(), handles(t, h.New)()
	write(t, there, largest())
	write(t, there, statusful("b"))
	gone := write(t, there, with("c", ""))
	remove(t, there, gone)
	write(t, there, read(t, there, named("a"))) // the largest again, with a longer encoding
	all := snapshot(t, there)
	s, err := there.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var stream bytes.Buffer
	if err := resource.WriteSnapshot(&stream, s); err != nil {
		t.Fatal(err)
	}
	before := write(t, here, with("x", ""))
	for _, length := range []int{0, 1, 40, 1000, stream.Len() / 2, stream.Len() - 1} {
		r := restoration(t, here, nil)
		err := resource.ReadSnapshot(bytes.NewReader(stream.Bytes()[:length]), r)
		wantIs(t, "ReadSnapshot of what was cut short", err, resource.ErrCorrupt)
		wantIs(t, "ReadSnapshot of what was cut short", err, io.ErrUnexpectedEOF)
		wantIs(t, "Commit after that", r.Commit(t.Context()), resource.ErrClosed)
	}
	wantSame(t, "after refusals", snapshot(t, here), []*resource.Resource{before})
	r := restoration(t, here, nil)
	if err := resource.ReadSnapshot(&stream, r); err != nil {
		t.Fatal(err)
	}
	if err := r.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantSame(t, "what is restored", unversioned(snapshot(t, here)), unversioned(all))
	wantAbove(t, snapshot(t, here), s.Version())
}

// largest is the largest resource that can be written: a.
func largest() *resource.Resource {
	r := with("a", "")
	empty, _ := json.Marshal(r)
	r.Data = make([]byte, (resource.MaxResourceSize-len(empty)-len(`,"data":""`))/4*3)
	return r
}

// testRestoreConcurrent: with writers and readers going on, every list is that of
// before or that of after, and a write that was reported before is gone, one that
// began after is there.
func testRestoreConcurrent(t *testing.T, h Harness) {
	open := handles(t, h.Small)
	b := open()
	var before, after []*resource.Resource
	for i := range 10 {
		before = append(before, write(t, b, with(fmt.Sprintf("old-%d", i), "")))
		r := with(fmt.Sprintf("new-%d", i), "")
		r.Version = "1"
		after = append(after, r)
	}
	done := make(chan struct{})
	var others sync.WaitGroup
	for i := range 2 {
		writer, reader := open(), open()
		others.Go(func() { writeUntil(t, writer, fmt.Sprintf("w%d", i), done) })
		others.Go(func() { readUntil(t, reader, done) })
	}
	for round := range max(2, h.rounds(10)) {
		early := write(t, open(), with(fmt.Sprintf("early-%d", round), ""))
		if err := restoration(t, b, after).Commit(t.Context()); err != nil {
			t.Errorf("Commit: %v", err)
		}
		late := write(t, open(), with(fmt.Sprintf("late-%d", round), ""))
		_, err := open().Read(t.Context(), resource.Strong, early.ID)
		wantIs(t, "Read of what was written before", err, resource.ErrNotFound)
		wantSame(t, "what was written after", read(t, open(), late.ID), late)
		before, after = after, before
	}
	close(done)
	others.Wait()
}

func writeUntil(t *testing.T, b resource.Backend, name string, done <-chan struct{}) {
	for i := 0; ; i++ {
		select {
		case <-done:
			return
		default:
		}
		if _, err := b.WriteCAS(t.Context(), with(fmt.Sprintf("%s-%d", name, i), "")); err != nil {
			t.Errorf("WriteCAS: %v", err)
			return
		}
	}
}

func readUntil(t *testing.T, b resource.Backend, done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		default:
		}
		l, err := b.List(t.Context(), resource.Strong, workload.Unversioned(), anywhere, "")
		if err != nil {
			t.Errorf("List: %v", err)
			return
		}
		text := strings.Join(names(l), " ")
		olds, news := strings.Count(text, "old-"), strings.Count(text, "new-")
		if olds+news != 10 || olds*news != 0 {
			t.Errorf("a list has %d old and %d new resources", olds, news)
			return
		}
	}
}
