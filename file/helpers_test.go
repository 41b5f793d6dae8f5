package file_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/internal/durable"
	"github.com/replctl/replicate/ltx"
)

// headerTime is what the header of the file that ends with txid says.
func headerTime(txid ltx.TXID) time.Time {
	return time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC).Add(time.Duration(txid) * 1001 * time.Millisecond)
}

// ltxFile is a valid header and a body of n bytes that follows from txid and n.
func ltxFile(txid ltx.TXID, n int) []byte {
	h := ltx.Header{
		Version: 3, Flags: ltx.HeaderFlagNoChecksum, PageSize: 4096, Commit: 1,
		MinTXID: txid, MaxTXID: txid, Timestamp: headerTime(txid).UnixMilli(),
	}
	b, err := h.MarshalBinary()
	if err != nil {
		panic(err)
	}
	body := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(txid), byte(txid >> 8), byte(n), byte(n >> 8), byte(n >> 16)}).Read(body)
	return append(b, body...)
}

func write(t *testing.T, c replicate.ReplicaClient, level int, txid ltx.TXID, n int) {
	t.Helper()
	if _, err := c.WriteLTXFile(t.Context(), level, txid, txid, bytes.NewReader(ltxFile(txid, n))); err != nil {
		t.Fatal(err)
	}
}

func list(t *testing.T, c replicate.ReplicaClient, level int, seek ltx.TXID) ([]*ltx.FileInfo, error) {
	t.Helper()
	itr, err := c.LTXFiles(t.Context(), level, seek, false)
	if err != nil {
		return nil, err
	}
	var infos []*ltx.FileInfo
	for itr.Next() {
		infos = append(infos, itr.Item())
	}
	return infos, itr.Close()
}

func readLTX(t *testing.T, c replicate.ReplicaClient, level int, txid ltx.TXID) ([]byte, error) {
	t.Helper()
	rc, err := c.OpenLTXFile(t.Context(), level, txid, txid, 0, 0)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(rc)
	return data, errors.Join(err, rc.Close())
}

// scratch is a directory in memory, where the system has one that we may use.
// What is tested in it needs no disk, and would wait for a busy one at each of
// a thousand fsyncs.
func scratch(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "replicate-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
	return dir
}

// temps lists the temporary files below dir.
func temps(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && durable.IsTempName(e.Name()) {
			names = append(names, path)
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return names
}

func wantNoTemps(t *testing.T, dir string) {
	t.Helper()
	if got := temps(t, dir); len(got) != 0 {
		t.Errorf("temporary files left: %q", got)
	}
}

func exists(t *testing.T, path string) bool {
	t.Helper()
	_, err := os.Lstat(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return err == nil
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
