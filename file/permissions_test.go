//go:build unix

package file_test

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/ltx"
)

func withUmask(t *testing.T, mask int) {
	t.Helper()
	old := unix.Umask(mask)
	t.Cleanup(func() { unix.Umask(old) })
}

func wantMode(t *testing.T, path string, want fs.FileMode) {
	t.Helper()
	fi, err := os.Stat(path)
	must(t, err)
	if got := fi.Mode().Perm(); got != want {
		t.Errorf("%s: mode %v, want %v", path, got, want)
	}
}

func TestPermissions(t *testing.T) {
	for name, c := range map[string]struct {
		umask             int
		fileMode, dirMode fs.FileMode // as asked for
		wantFile, wantDir fs.FileMode
	}{
		"default":              {umask: 0, wantFile: 0o600, wantDir: 0o700},
		"asked for":            {0, 0o644, 0o755, 0o644, 0o755},
		"less the umask":       {0o027, 0o666, 0o777, 0o640, 0o750},
		"read-only files":      {0, 0o440, 0o750, 0o440, 0o750},
		"the files' mode only": {0, 0o640, 0, 0o640, 0o700},
	} {
		t.Run(name, func(t *testing.T) {
			withUmask(t, c.umask)
			dir := filepath.Join(t.TempDir(), "parent", "replica")
			client := file.NewReplicaClient(dir)
			client.FileMode, client.DirMode = c.fileMode, c.dirMode
			data := ltxFile(1, 1000)
			body := io.MultiReader(bytes.NewReader(data[:500]), onRead(func() {
				wantMode(t, temps(t, dir)[0], c.wantFile) // never wider, not even for a moment
			}), bytes.NewReader(data[500:]))
			_, err := client.WriteLTXFile(t.Context(), 0, 1, 1, body)
			must(t, err)
			for path := client.LTXLevelDir(0); path != filepath.Dir(filepath.Dir(dir)); path = filepath.Dir(path) {
				wantMode(t, path, c.wantDir)
			}
			wantMode(t, client.LTXFilePath(0, 1, 1), c.wantFile)
			write(t, client, 0, 1, 20) // replaced, it keeps the mode
			wantMode(t, client.LTXFilePath(0, 1, 1), c.wantFile)
		})
	}
}

// onRead calls a function when it is read, and is empty.
type onRead func()

func (fn onRead) Read([]byte) (int, error) {
	fn()
	return 0, io.EOF
}

// TestTimeBeforeVisible: whoever sees a file sees the time of its header.
func TestTimeBeforeVisible(t *testing.T) {
	const files = 200
	c := file.NewReplicaClient(scratch(t))
	write(t, c, 0, files+1, 0) // the level is there
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for txid := ltx.TXID(1); txid <= files; txid++ {
			fi, err := os.Stat(c.LTXFilePath(0, txid, txid))
			for err != nil && t.Context().Err() == nil {
				fi, err = os.Stat(c.LTXFilePath(0, txid, txid))
			}
			if err != nil {
				return // the writer failed
			}
			if !fi.ModTime().Equal(headerTime(txid)) || fi.Size() != int64(ltx.HeaderSize+txid) {
				t.Errorf("%s appears with time %v and %d bytes", txid, fi.ModTime(), fi.Size())
			}
		}
	}()
	for txid := ltx.TXID(1); txid <= files; txid++ {
		write(t, c, 0, txid, int(txid))
	}
	<-watched
}
