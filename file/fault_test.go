//go:build unix

package file_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/ltx"
)

func init() {
	children["full"] = childFull
	children["unprivileged"] = childUnprivileged
}

// childFull writes files of more and of less than its limit on a file's size:
// the kernel's answer to both a full quota and, but for the number, a full disk.
func childFull(dir string, args []int) error {
	signal.Ignore(syscall.SIGXFSZ)
	var limit unix.Rlimit
	setInt(&limit.Cur, args[0])
	setInt(&limit.Max, args[0])
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	c := file.NewReplicaClient(dir)
	for _, n := range args[1:] {
		data := ltxFile(1, n)
		for _, body := range []io.Reader{bytes.NewReader(data), slowly(data)} {
			_, err := c.WriteLTXFile(context.Background(), 0, 1, 1, body)
			fmt.Println(n, errors.Is(err, syscall.EFBIG), err)
		}
	}
	return nil
}

// setInt sets a number whose type differs between systems.
func setInt[T int64 | uint64](to *T, n int) { *to = T(n) }

func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	name := ltx.FormatName(1, 1)
	p := startChild(t, "full", dir, 100_000, 200_000, 50_000, 300_000)
	for range 2 {
		if line := p.line(); !strings.HasPrefix(line, "200000 true ") || !strings.Contains(line, name) {
			t.Errorf("beyond the limit: %q, want an error that names the file and says why", line)
		}
	}
	for range 2 {
		p.want("50000 false <nil>")
	}
	for range 2 {
		if line := p.line(); !strings.HasPrefix(line, "300000 true ") {
			t.Errorf("beyond the limit: %q", line)
		}
	}
	p.finish()
	wantWhole(t, filepath.Join(dir, "ltx", "0", name), 1, 50_000) // the failed ones left it alone
	wantNoTemps(t, dir)
}

// childUnprivileged tries to write as a user whom permissions stop. It enters the
// directory before it becomes that user, who may not be let through to it.
func childUnprivileged(dir string, _ []int) error {
	if err := os.Chdir(dir); err != nil {
		return err
	}
	if os.Geteuid() == 0 {
		if err := syscall.Setuid(65534); err != nil {
			return err
		}
	}
	c := file.NewReplicaClient(".")
	_, err := c.WriteLTXFile(context.Background(), 0, 2, 2, bytes.NewReader(ltxFile(2, 10)))
	fmt.Println("write", errors.Is(err, fs.ErrPermission), err)
	err = c.DeleteLTXFiles(context.Background(), []*ltx.FileInfo{{Level: 0, MinTXID: 1, MaxTXID: 1}})
	fmt.Println("delete", errors.Is(err, fs.ErrPermission), err)
	_, err = found(context.Background(), c, true)
	fmt.Println("list", errors.Is(err, fs.ErrPermission), err)
	_, err = file.NewLeaser("ltx/0").AcquireLease(context.Background())
	fmt.Println("lease", errors.Is(err, fs.ErrPermission), err)
	return nil
}

func TestReadOnlyDirectory(t *testing.T) {
	withUmask(t, 0o022)
	dir := t.TempDir()
	c := file.NewReplicaClient(dir)
	c.FileMode, c.DirMode = 0o444, 0o755
	write(t, c, 0, 1, 10)
	must(t, os.Chmod(c.LTXLevelDir(0), 0o555))
	must(t, os.Chmod(dir, 0o755))
	before := fingerprint(t, dir)
	p := startChild(t, "unprivileged", dir)
	wantPrefix(t, p.line(), "write true write ltx file: write "+levelFileOf(2))
	wantPrefix(t, p.line(), "delete true delete "+levelFileOf(1))
	p.want("list false <nil>")
	if line := p.line(); !strings.HasPrefix(line, "lease true ") ||
		!strings.Contains(line, ".lock.json.lock: permission denied") {
		t.Errorf("got %q, want an error that names the lock file and says why", line)
	}
	p.finish()
	after := fingerprint(t, dir)
	for path := range before {
		if before[path] != after[path] {
			t.Errorf("%s: was %s, is %s", path, before[path], after[path])
		}
	}
	must(t, os.Chmod(c.LTXLevelDir(0), 0o755))
	wantNoTemps(t, dir)
}

func levelFileOf(txid ltx.TXID) string { return ltx.LayoutFile.Key(0, txid, txid) }

func wantPrefix(t *testing.T, got, prefix string) {
	t.Helper()
	if !strings.HasPrefix(got, prefix) {
		t.Errorf("got %q, want %q...", got, prefix)
	}
}

// TestDirectoryGoesAway: a level that is removed while a file is written to it
// is an error, and not made again behind the caller's back.
func TestDirectoryGoesAway(t *testing.T) {
	dir := t.TempDir()
	c := file.NewReplicaClient(dir)
	data := ltxFile(1, 1000)
	body := io.MultiReader(bytes.NewReader(data[:500]), onRead(func() {
		must(t, os.RemoveAll(c.LTXLevelDir(0)))
	}), bytes.NewReader(data[500:]))
	if _, err := c.WriteLTXFile(t.Context(), 0, 1, 1, body); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got error %v", err)
	}
	if exists(t, c.LTXLevelDir(0)) {
		t.Error("the level is there again")
	}
	write(t, c, 0, 1, 10) // the next write makes it
}

// TestMissingParents: the first write makes them; a reader does not.
func TestMissingParents(t *testing.T) {
	base := t.TempDir()
	c := file.NewReplicaClient(filepath.Join(base, "a", "b", "c"))
	for _, verb := range []string{"LTXFiles", "DeleteLTXFiles", "DeleteAll", "GenerationsV3"} {
		if got, err := verbs[verb](t.Context(), c); got != nil || err != nil {
			t.Errorf("%s: got %v, %v", verb, got, err)
		}
	}
	if exists(t, filepath.Join(base, "a")) {
		t.Error("a verb that writes nothing made a directory")
	}
	write(t, c, 0, 1, 10)
	if data, err := readLTX(t, c, 0, 1); err != nil || !bytes.Equal(data, ltxFile(1, 10)) {
		t.Errorf("read back: %d bytes, %v", len(data), err)
	}
}
