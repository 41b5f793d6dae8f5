package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func openRoot(t *testing.T) *os.Root {
	t.Helper()
	root, err := os.OpenRoot(t.TempDir())
	must(t, err)
	t.Cleanup(func() { must(t, root.Close()) })
	return root
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// makeTemp is a temporary with content.
func makeTemp(t *testing.T, root *os.Root, content string) *Temp {
	t.Helper()
	temp, err := CreateTemp(root, 0o600)
	must(t, err)
	_, err = temp.WriteString(content)
	must(t, err)
	return temp
}

func wantContent(t *testing.T, root *os.Root, name, want string) {
	t.Helper()
	got, err := root.ReadFile(name)
	if err != nil || string(got) != want {
		t.Errorf("%s: got %q, %v, want %q", name, got, err, want)
	}
}

func wantGone(t *testing.T, root *os.Root, name string) {
	t.Helper()
	if _, err := root.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is still there (%v)", name, err)
	}
}

func wantNames(t *testing.T, root *os.Root, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(root.Name())
	must(t, err)
	var got []string
	for _, e := range entries {
		got = append(got, filepath.Base(e.Name()))
	}
	if len(got) != len(want) {
		t.Errorf("in the directory: %q, want %q", got, want)
		return
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("in the directory: %q, want %q", got, want)
		}
	}
}
