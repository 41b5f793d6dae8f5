//go:build linux || darwin || freebsd

package file_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/file"
)

// noMetadata says why the filesystem of a directory has no place for metadata, if
// it has none: it asks the filesystem, not the engine.
func noMetadata(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "probe")
	must(t, os.WriteFile(path, nil, 0o600))
	defer os.Remove(path)
	if err := unix.Setxattr(path, "user.replicate-probe", []byte(strings.Repeat("x", 200)), 0); err != nil {
		return "this filesystem has no extended attributes: " + err.Error()
	}
	return ""
}

// TestMetadataAttributes: they are where the documentation says, and what another
// put there is bounded and checked.
func TestMetadataAttributes(t *testing.T) {
	dir := scratch(t)
	none := noMetadata(t, dir) != ""
	s := file.NewStore(dir, file.Options{})
	if _, err := s.Write(t.Context(), "k", strings.NewReader("x"),
		blob.WriteOptions{Metadata: map[string]string{"lease-owner": "me"}}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "k")
	buf := make([]byte, 100)
	n, err := unix.Getxattr(path, "user.replicate.lease-owner", buf)
	if got := string(buf[:max(0, n)]); none != (err != nil) || !none && got != "me" {
		t.Errorf("attribute: %q, %v; no attributes here: %v", got, err, none)
	}
	for name, value := range map[string]string{
		"user.replicate.Upper": "x", "user.replicate.control": "a\x1b[2Jb", "user.replicate.long": strings.Repeat("x", 3000),
		"user.replicate.": "x", "user.other": "x", "user.replicate": "x",
	} {
		if err := unix.Setxattr(path, name, []byte(value), 0); err != nil && !none {
			t.Logf("the filesystem does not take %s: %v", name, err) // ext4 has little room
		}
	}
	stat, err := s.Stat(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	if got := stat.Metadata["lease-owner"]; !none && (got != "me" || len(stat.Metadata) != 1) {
		t.Errorf("metadata: %v", stat.Metadata)
	}
}

// TestMetadataContained: a link that leads out tells nothing about what it leads to.
func TestMetadataContained(t *testing.T) {
	outside, dir := filepath.Join(scratch(t), "secret"), scratch(t)
	must(t, os.WriteFile(outside, nil, 0o600))
	if none := noMetadata(t, dir); none == "" {
		must(t, unix.Setxattr(outside, "user.replicate.lease-owner", []byte("secret"), 0))
	}
	must(t, os.Symlink(outside, filepath.Join(dir, "k")))
	if stat, err := file.NewStore(dir, file.Options{}).Stat(t.Context(), "k"); err == nil || len(stat.Metadata) != 0 {
		t.Errorf("Stat of a link that leads out: %+v, %v", stat, err)
	}
}
