//go:build unix

package file

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestRecordsModes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	r := NewRecords(dir, Options{FileMode: 0o640, DirMode: 0o750})
	_, err := r.Write(t.Context(), "a/k", []byte("v"), "")
	must(t, err)
	for name, want := range map[string]fs.FileMode{".": 0o750, "a": 0o750, "a/k": 0o640, "a/.k.lock": 0o640} {
		fi, err := os.Stat(filepath.Join(dir, name))
		must(t, err)
		if got := fi.Mode().Perm(); got != want {
			t.Errorf("%s: mode %o, want %o", name, got, want)
		}
	}
}
