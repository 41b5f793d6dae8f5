package raftbackend

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/replctl/replicate/store/resource"
)

// FuzzMessage: a message that is read is written in one way, which is read as the same.
// Whatever the log has, a node can write a snapshot of what becomes of it, and read that.
func FuzzMessage(f *testing.F) {
	for _, msg := range sampleLog() {
		f.Add(msg)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		m, err := decodeMessage(in)
		if err != nil {
			if !errors.Is(err, resource.ErrCorrupt) {
				t.Errorf("got %v, want an error that is ErrCorrupt", err)
			}
		} else if once := m.encode(); len(once) > 0 {
			again, err := decodeMessage(once)
			if err != nil {
				t.Fatal(err)
			}
			if twice := again.encode(); !bytes.Equal(once, twice) {
				t.Errorf("written as %q, read and written as %q", once, twice)
			}
			_ = m.check()
		}
		b := bare(t)
		for i, msg := range sampleLog() {
			b.Apply(msg, uint64(1+i))
			b.Apply(in, uint64(100+i)) // refused, but for the last
		}
		before := records(t, b)
		if err := restore(b, before); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, records(t, b)); diff != "" {
			t.Errorf("a snapshot, and one of its restoration:\n%s", diff)
		}
	})
}

// FuzzRestore: the stream of a snapshot. What is read is written and read as the same.
func FuzzRestore(f *testing.F) {
	b := &Backend{machine: resource.NewMachine(0), moved: make(chan struct{})}
	seed := func() {
		var in bytes.Buffer
		s, err := b.Snapshot()
		if err == nil {
			_, err = s.WriteTo(&in)
		}
		if err != nil {
			f.Fatal(err)
		}
		f.Add(in.Bytes())
	}
	seed()
	for i, msg := range sampleLog() {
		b.Apply(msg, uint64(1+i))
		seed()
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		b := bare(t)
		if err := readStream(b, bytes.NewReader(in)); err != nil {
			if !errors.Is(err, resource.ErrCorrupt) {
				t.Errorf("got %v, want an error that is ErrCorrupt", err)
			}
			return
		}
		b.Apply(sampleLog()[0], b.applied()+1)
		once := records(t, b)
		if err := restore(b, once); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(once, records(t, b)); diff != "" {
			t.Errorf("written and read again:\n%s", diff)
		}
	})
}

// FuzzDetail: a status detail, and an ID, as they come from another node.
func FuzzDetail(f *testing.F) {
	mismatch := resource.GroupVersionMismatchError{RequestedType: typ, Stored: full()}
	f.Add(encode(mismatchFields(&mismatch)))
	id := full().ID
	f.Add(encode(func(c *coder) { idFields(&id, c) }))
	f.Fuzz(func(t *testing.T, in []byte) {
		var e resource.GroupVersionMismatchError
		if err := decode(in, mismatchFields(&e)); err == nil {
			_ = e.Error()
			once := encode(mismatchFields(&e))
			var again resource.GroupVersionMismatchError
			if err := decode(once, mismatchFields(&again)); err != nil {
				t.Fatal(err)
			}
			if twice := encode(mismatchFields(&again)); !bytes.Equal(once, twice) {
				t.Errorf("written as %q, read and written as %q", once, twice)
			}
		}
		var id resource.ID
		if err := decode(in, func(c *coder) { idFields(&id, c) }); err == nil {
			_ = id.String()
		}
	})
}
