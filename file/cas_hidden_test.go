package file_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/replctl/replicate/file"
)

// TestHiddenRecords: what stands in the place of a directory of records hides them; that
// none is there cannot be said.
func TestHiddenRecords(t *testing.T) {
	for what, plant := range map[string]func(path string) error{
		"file":                      func(path string) error { return os.WriteFile(path, []byte("x"), 0o600) },
		"link that leads nowhere":   func(path string) error { return os.Symlink("no-such", path) },
		"link that leads to a file": func(path string) error { return os.Symlink("other", path) },
	} {
		dir := t.TempDir()
		must(t, os.WriteFile(filepath.Join(dir, "other"), nil, 0o600))
		must(t, plant(filepath.Join(dir, "kv")))
		r := file.NewRecords(dir, file.Options{})
		if rec, err := r.Read(t.Context(), "kv/records/a", ""); err == nil {
			t.Errorf("%s in the place of a directory: Read finds %+v, no error", what, rec)
		}
		failed := false
		for _, err := range r.List(t.Context(), "kv/records/", "") {
			failed = failed || err != nil
		}
		if !failed {
			t.Errorf("%s in the place of a directory: List is empty, no error", what)
		}
	}
}
