package file

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/replctl/replicate/blob"
)

// TestListMarksLinks: a delimited listing says which directories are links.
func TestListMarksLinks(t *testing.T) {
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "dir"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("dir", filepath.Join(root, "link")); err != nil {
		t.Skip(err) // Windows lets few users make links
	}
	store, _, err := NewReplicaClient(root).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for info, err := range store.List(t.Context(), "", blob.ListOptions{Delimited: true}) {
		if err != nil {
			t.Fatal(err)
		}
		got[info.Key] = info.Link
	}
	if len(got) != 2 || got["dir/"] || !got["link/"] {
		t.Errorf("%v", got)
	}
}
