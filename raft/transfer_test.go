package raft_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/rafttest"
	"github.com/replctl/replicate/raft"
)

// TestClientRestore: a snapshot of one cluster is restored into another one by clients that begin with a follower.
func TestClientRestore(t *testing.T) {
	t.Parallel()
	from := rafttest.Start(t, rafttest.Options{Nodes: 1, Change: quick})
	to := rafttest.Start(t, rafttest.Options{Change: quick})
	source, target := dial(t, from, 0, nil), dial(t, to, another(to), nil)
	large := bytes.Repeat([]byte("0123456789abcdef"), 1<<14)
	for _, key := range []string{"a", "b"} {
		if _, err := source.Write(t.Context(), key, large, ""); err != nil {
			t.Fatal(err)
		}
	}
	var snapshot bytes.Buffer
	if err := source.Snapshot(t.Context(), &snapshot); err != nil {
		t.Fatal(err)
	}
	if snapshot.Len() < 2*len(large) {
		t.Fatalf("the snapshot has %d bytes", snapshot.Len())
	}
	old := write(t, target, "old", "1", "")
	torn := errors.New("torn")
	for name, bad := range map[string]io.Reader{
		"nothing": bytes.NewReader(nil),
		"a half":  bytes.NewReader(snapshot.Bytes()[:snapshot.Len()/2]),
		"a reader that fails": io.MultiReader(bytes.NewReader(snapshot.Bytes()[:snapshot.Len()/2]),
			&failingReader{torn}),
	} {
		err := target.Restore(t.Context(), bad)
		if err == nil || errors.Is(err, cas.ErrIndeterminate) {
			t.Errorf("%s: %v", name, err)
		}
	}
	wantValue(t, target, "old", "1")
	if err := target.Restore(t.Context(), bytes.NewReader(snapshot.Bytes())); err != nil {
		t.Fatal(err)
	}
	wantValue(t, target, "b", string(large))
	if r, err := target.Read(t.Context(), "old", ""); err != nil || r.Token != "" {
		t.Errorf("what was there before is %.40q, %v", r.Value, err)
	}
	if token := write(t, target, "old", "2", ""); token == old {
		t.Error("the token of a new version is an old one")
	}
	if err := target.Snapshot(t.Context(), failingWriter{torn}); !errors.Is(err, torn) {
		t.Errorf("the snapshot cannot be written: %v", err)
	}
	if err := target.Close(); err != nil {
		t.Fatal(err)
	}
	if err := target.Snapshot(t.Context(), io.Discard); !errors.Is(err, raft.ErrClosed) {
		t.Errorf("a snapshot by a client that is closed: %v", err)
	}
	if err := new(raft.Client).Restore(t.Context(), &snapshot); err == nil {
		t.Error("the zero client restores")
	}
}

type failingReader struct{ err error }

func (r *failingReader) Read([]byte) (int, error) { return 0, r.err }

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }
