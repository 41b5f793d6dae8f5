package durable

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSweep(t *testing.T) {
	root := openRoot(t)
	live, dead := makeTemp(t, root, "live"), makeTemp(t, root, "dead")
	must(t, dead.Close()) // as the kernel does when a process dies
	readOnly, err := CreateTemp(root, 0o400)
	must(t, err)
	must(t, readOnly.Close())
	foreign := "0000000000000001-0000000000000001.ltx.tmp"
	must(t, root.WriteFile(foreign, nil, 0o600))

	n, err := Sweep(root)
	if n != 2 || err != nil {
		t.Errorf("swept %d, %v, want 2", n, err)
	}
	wantGone(t, root, dead.name)
	wantGone(t, root, readOnly.name)
	wantContent(t, root, live.name, "live")
	must(t, live.Publish("name", then, false))
	wantNames(t, root, foreign, "name")
}

// TestSweepImpostors: what has the name of a temporary and is none stays.
func TestSweepImpostors(t *testing.T) {
	root := openRoot(t)
	a, b := makeTemp(t, root, ""), makeTemp(t, root, "")
	a.Abort()
	b.Abort()
	must(t, root.WriteFile("precious", []byte("content"), 0o600))
	must(t, root.Symlink("precious", a.name))
	must(t, root.Mkdir(b.name, 0o700))
	if n, err := Sweep(root); n != 0 || err != nil {
		t.Errorf("swept %d, %v", n, err)
	}
	wantContent(t, root, a.name, "content")
	if _, err := root.Stat(b.name); err != nil {
		t.Error(err)
	}
}

func TestMkdirAll(t *testing.T) {
	root := openRoot(t)
	for range 2 {
		must(t, MkdirAll(root, "a/b/c", 0o700))
	}
	must(t, MkdirAll(root, ".", 0o700))
	if fi, err := root.Stat("a/b/c"); err != nil || !fi.IsDir() {
		t.Errorf("a/b/c: %v", err)
	}
	must(t, root.WriteFile("a/file", nil, 0o600))
	for _, name := range []string{"a/file", "a/file/below", "../outside", "/outside"} {
		if err := MkdirAll(root, name, 0o700); err == nil {
			t.Errorf("MkdirAll(%q) succeeds", name)
		}
	}
	if _, err := os.Stat(filepath.Join(root.Name(), "..", "outside")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("made outside of the root: %v", err)
	}
}

// TestMkdirAllSaysWhy: what is in the way is told from what cannot be looked at.
func TestMkdirAllSaysWhy(t *testing.T) {
	root := openRoot(t)
	must(t, root.WriteFile("file", nil, 0o600))
	for name, target := range map[string]string{"dangling": "nothing", "outward": "../.."} {
		if err := root.Symlink(target, name); err != nil {
			t.Skip(err) // Windows lets few users make links
		}
	}
	for name, want := range map[string]string{
		"file": "a file of that name is in the way", "dangling": "a link to nothing is in the way",
		"outward": "something of that name is there",
	} {
		err := MkdirAll(root, name, 0o700)
		if err == nil || !strings.Contains(err.Error(), want) || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: got %v, want %q", name, err, want)
		}
	}
}

// TestOpenDirIsLazy: reading the names looks at none of the files. One that is
// deleted afterwards gives itself away.
func TestOpenDirIsLazy(t *testing.T) {
	root := openRoot(t)
	must(t, root.WriteFile("file", nil, 0o600))
	d, err := OpenDir(root)
	must(t, err)
	defer d.Close()
	entries, err := d.ReadDir(10)
	if len(entries) != 1 || err != nil || entries[0].Name() != "file" || !entries[0].Type().IsRegular() {
		t.Fatalf("entries %v, %v", entries, err)
	}
	must(t, root.Remove("file"))
	if _, err := entries[0].Info(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file was looked at when the directory was read (%v)", err)
	}
	if _, err := d.ReadDir(10); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
}
