package raft_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/raft"
)

var update = flag.Bool("update", false, "write testdata anew; a released version's is never changed")

const goldenDir, goldenSnapshot = "testdata/v1", "testdata/v1.snapshot"

// golden opens the one node of a directory.
func golden(t *testing.T, dir string, part *journal) *raft.Node {
	t.Helper()
	n, err := raft.Open(raft.Config{ID: "golden", Dir: dir, Bind: "127.0.0.1:0", Bootstrap: true, Part: part.as,
		Trailing: 4, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	if err := n.Ready(background(t)); err != nil {
		t.Fatal(err)
	}
	return n
}

// fillGolden makes a log with a snapshot before its last entries.
func fillGolden(t *testing.T, n *raft.Node) {
	command := func(text string) {
		if _, err := n.Handle().Apply([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	var tokens []cas.Token
	for i := range 10 {
		tokens = append(tokens, write(t, n, fmt.Sprintf("before/%d", i), fmt.Sprint("value ", i), ""))
	}
	command("first")
	if err := n.Snapshot(t.Context(), discard{}); err != nil {
		t.Fatal(err)
	}
	command("second")
	if err := n.Delete(t.Context(), "before/3", tokens[3]); err != nil {
		t.Fatal(err)
	}
	if _, err := n.WriteAll(t.Context(), []cas.Change{
		{Key: "before/4", Value: []byte("replaced"), Expect: tokens[4]}, {Key: "after/1", Value: []byte{0, 255}},
	}); err != nil {
		t.Fatal(err)
	}
}

func checkGolden(t *testing.T, n *raft.Node, j *journal) {
	t.Helper()
	var keys []string
	for e, err := range n.List(t.Context(), "", "") {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, e.Key)
	}
	want := []string{"after/1", "before/0", "before/1", "before/2", "before/4", "before/5", "before/6", "before/7",
		"before/8", "before/9"}
	if !slices.Equal(keys, want) {
		t.Errorf("the records are %q, want %q", keys, want)
	}
	wantValue(t, n, "before/4", "replaced")
	wantValue(t, n, "before/9", "value 9")
	wantValue(t, n, "after/1", "\x00\xff")
	if got := j.all(); !slices.Equal(got, []string{"first", "second"}) {
		t.Errorf("the commands are %q", got)
	}
}

// TestGolden: a directory and a snapshot that the first version has written are read.
func TestGolden(t *testing.T) {
	t.Parallel()
	if *update {
		if err := os.RemoveAll(goldenDir); err != nil {
			t.Fatal(err)
		}
		n := golden(t, goldenDir, new(journal))
		fillGolden(t, n)
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(goldenDir)); err != nil {
		t.Fatal(err)
	}
	j := new(journal)
	n := golden(t, dir, j)
	checkGolden(t, n, j)
	var snapshot bytes.Buffer
	if err := n.Snapshot(t.Context(), &snapshot); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(goldenSnapshot, snapshot.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(goldenSnapshot)
	if err != nil || !bytes.Equal(snapshot.Bytes(), want) {
		t.Errorf("the snapshot is another one than %s, %v", goldenSnapshot, err)
	}
}

// TestRestore: a snapshot is restored into a cluster that has other records; one that is damaged
// changes nothing.
func TestRestore(t *testing.T) {
	t.Parallel()
	snapshot, err := os.ReadFile(goldenSnapshot)
	if err != nil {
		t.Fatal(err)
	}
	j := new(journal)
	n := golden(t, t.TempDir(), j)
	token := write(t, n, "other", "one", "")
	for i := range snapshot {
		if i%7 != 0 && i < len(snapshot)-40 {
			continue
		}
		damaged := bytes.Clone(snapshot)
		damaged[i] ^= 1
		if err := n.Restore(t.Context(), bytes.NewReader(damaged)); err == nil {
			t.Errorf("it takes a snapshot whose byte %d is changed", i)
		}
		if err := n.Restore(t.Context(), bytes.NewReader(snapshot[:i])); err == nil {
			t.Errorf("it takes a snapshot that ends at byte %d", i)
		}
	}
	wantValue(t, n, "other", "one")
	ctx := t.Context()
	hints, err := n.Notify(ctx, "before/")
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Restore(ctx, bytes.NewReader(snapshot)); err != nil {
		t.Fatal(err)
	}
	<-hints
	checkGolden(t, n, j)
	if _, err := n.Write(ctx, "other", []byte("two"), token); err == nil {
		t.Error("a version that is gone was replaced")
	}
	if newer := write(t, n, "other", "three", ""); newer == token {
		t.Error("the token of a new version is an old one")
	}
}

// TestOtherMachine: a node without the part of its cluster says so, and serves nothing.
func TestOtherMachine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(goldenDir)); err != nil {
		t.Fatal(err)
	}
	n, err := raft.Open(raft.Config{ID: "golden", Dir: dir, Bind: "127.0.0.1:0", Logger: quiet})
	if err == nil {
		_ = n.Close()
		t.Fatal("a node without the part opens its snapshot")
	}
}
