package durable

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/replctl/replicate/internal/mutant"
)

// TestAbandoned: a maker of directories was killed before it had made their names
// durable. The next one does, and reports it if that fails.
func TestAbandoned(t *testing.T) {
	defer func() { syncParent, syncDir = fsyncParent, SyncDir }()
	root := openRoot(t)
	for _, name := range []string{"a", "a/b"} { // as in a kill between mkdir and fsync
		must(t, root.Mkdir(name, 0o700))
	}
	must(t, root.WriteFile("a/file", nil, 0o600))
	var synced []string
	syncParent = func(d *os.File) error {
		synced = append(synced, "parent of "+filepath.Base(filepath.Clean(d.Name())))
		return fsyncParent(d)
	}
	syncDir = func(root *os.Root, name string) error {
		synced = append(synced, name)
		return SyncDir(root, name)
	}
	for _, c := range []struct {
		name string
		want []string
	}{
		{"a/b", []string{"parent of b"}},
		{"a/b/c", []string{"parent of b", "a/b"}}, // b is empty until c is made
		{"a/b", nil},
		{".", nil},
	} {
		synced = nil
		must(t, MkdirAll(root, c.name, 0o700))
		if !slices.Equal(synced, c.want) {
			t.Errorf("MkdirAll(%q) makes durable: %q, want %q", c.name, synced, c.want)
		}
	}
	empty := openRoot(t)
	syncParent = func(*os.File) error { return io.ErrShortWrite }
	for _, name := range []string{".", "a"} {
		if err := MkdirAll(empty, name, 0o700); !errors.Is(err, io.ErrShortWrite) {
			t.Errorf("MkdirAll(%q) where the name cannot be made durable: got error %v", name, err)
		}
	}
}

// TestSyncNameOfRoot: a directory that has no parent, or is on another device than
// it, needs nothing.
func TestSyncNameOfRoot(t *testing.T) {
	root, err := os.OpenRoot("/")
	must(t, err)
	defer root.Close()
	d, err := root.Open(".")
	must(t, err)
	defer d.Close()
	must(t, fsyncParent(d))
}

func TestAbandonedMutant(t *testing.T) {
	mutant.MustFail(t, func(t *testing.T) {
		syncName = func(*os.Root) error { return nil }
		t.Run("Abandoned", TestAbandoned)
	}, "Abandoned")
}
