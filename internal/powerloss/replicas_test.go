//go:build powerloss && linux

package powerloss

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"

	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica/restore"
)

// leftTemp is what a writer that was killed has left in a directory.
func leftTemp(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, ".replicate-ABCDEFGHIJKLMNOPQRSTUVWXYZ.tmp"), []byte("left"), 0o600)
}

func leftLTX(dir string) error { return leftTemp(filepath.Join(store(dir), "ltx", "0")) }

func leftDatabase(dir string) error { return leftTemp(filepath.Dir(databasePath(dir))) }

// ltxName is the file of a transaction, in testdata.
func ltxName(txid ltx.TXID) string {
	return filepath.Join(os.Getenv(sourceVariable+"v0.5"), "ltx", "0", ltx.FormatName(txid, txid))
}

// runLTX writes files of two levels: the second makes a directory.
func runLTX(dir string, _ uint64) {
	c := file.NewReplicaClient(store(dir))
	for _, s := range []struct {
		level int
		txid  ltx.TXID
	}{{0, 0x3c}, {0, 0x41}, {1, 0x41}, {0, 0x43}} {
		content, err := os.ReadFile(ltxName(s.txid))
		if err != nil {
			panic(err)
		}
		step(fmt.Sprintf("%d/%d", s.level, s.txid), "1", func() error {
			_, err := c.WriteLTXFile(context.Background(), s.level, s.txid, s.txid, bytes.NewReader(content))
			return err
		})
	}
}

// judgeLTX: each file that was acknowledged is listed, with the time of its header, and whole;
// of the others each is, or is not there at all. Each can be written again.
func judgeLTX(dir string, said []string) error {
	c, ctx := file.NewReplicaClient(store(dir)), context.Background()
	may := allowed(said)
	times := map[string]string{}
	for level := range 2 {
		files, err := c.LTXFiles(ctx, level, 0, false)
		if err != nil {
			return err
		}
		for files.Next() {
			info := files.Item()
			times[fmt.Sprintf("%d/%d", level, info.MinTXID)] = info.CreatedAt.UTC().String()
		}
		if err := errors.Join(files.Err(), files.Close()); err != nil {
			return err
		}
	}
	for key := range times {
		if may[key] == nil {
			return fmt.Errorf("%s is listed", key)
		}
	}
	for key, versions := range may {
		if err := judgeLTXFile(c, key, versions, times[key]); err != nil {
			return err
		}
	}
	if len(may) == 0 {
		return nil // nothing has been written, and nothing was swept
	}
	return wantNoTemps(filepath.Join(store(dir), "ltx", "0"))
}

func judgeLTXFile(c *file.ReplicaClient, key string, versions []string, at string) error {
	ctx := context.Background()
	level := int(key[0] - '0')
	n, err := strconv.Atoi(key[2:])
	if err != nil {
		return err
	}
	txid := ltx.TXID(n)
	want, err := os.ReadFile(ltxName(txid))
	if err != nil {
		return err
	}
	rc, err := c.OpenLTXFile(ctx, level, txid, txid, 0, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist) && at == "" && slices.Contains(versions, "-"):
	case err != nil:
		return err
	default:
		got, err := io.ReadAll(rc)
		if err := errors.Join(err, rc.Close()); err != nil || !bytes.Equal(got, want) || at == "" {
			return fmt.Errorf("%s has %d bytes, want %d, or others, and the time %q (%v)", key, len(got), len(want), at, err)
		}
		header, err := ltx.ParseHeader(want)
		if err != nil || at != ltx.Time(header).UTC().String() {
			return fmt.Errorf("%s has the time %s, want %v (%v)", key, at, ltx.Time(header), err)
		}
	}
	if _, err := c.WriteLTXFile(ctx, level, txid, txid, bytes.NewReader(want)); err != nil {
		return fmt.Errorf("first write after it: %w", err)
	}
	return nil
}

// What the restores restore, and what they replace.
const (
	sourceVariable = "REPLICATE_POWERLOSS_SOURCE_" // and the version
	oldSize        = 3000
)

// targets are what is restored, by the version of the replica.
var targets = map[string]restore.Target{
	"v0.5": {TXID: 5},
	"v0.3": {Generation: "bab2c698ac5dba13", Index: new(int)},
}

func databasePath(dir string) string { return filepath.Join(dir, "sub", "deep", "app.db") }

// oldContent is that of the old database, and of what SQLite keeps beside it.
func oldContent(suffix string) []byte {
	return bytes.Repeat(binary.BigEndian.AppendUint32(nil, 0xD0D0D000+uint32(len(suffix))), oldSize/4)
}

var sidecars = []string{"-wal", "-shm", "-journal"}

func oldDatabase(dir string) error {
	path := databasePath(dir)
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	for _, suffix := range append([]string{""}, sidecars...) {
		err = errors.Join(err, os.WriteFile(path+suffix, oldContent(suffix), 0o600))
	}
	return err
}

func restores(version string, replace bool, before func(dir string) error) scenario {
	run := func(dir string, _ uint64) {
		step("db", "new", func() error { return restoreTo(version, dir, replace) })
	}
	return scenario{before: before, run: run, judge: judgeRestore(version, replace)}
}

func restoreTo(version, dir string, replace bool) error {
	src, opts := file.NewReplicaClient(os.Getenv(sourceVariable+version)), restore.FileOptions{Replace: replace}
	_, err := restore.File(context.Background(), src, targets[version], databasePath(dir), opts)
	return err
}

// newContents are what the restores make. Each is made once, without a power loss.
var newContents = map[string]func() ([]byte, error){
	"v0.5": sync.OnceValues(func() ([]byte, error) { return newContent("v0.5") }),
	"v0.3": sync.OnceValues(func() ([]byte, error) { return newContent("v0.3") }),
}

func newContent(version string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "powerloss-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if err := restoreTo(version, dir, false); err != nil {
		return nil, err
	}
	return os.ReadFile(databasePath(dir))
}

// judgeRestore: there is the new database without the old one's -wal, -shm and -journal, or,
// if the restore has not returned, what was there before: the old one with those, which may
// have their longer names.
func judgeRestore(version string, replace bool) func(dir string, said []string) error {
	return func(dir string, said []string) error {
		path := databasePath(dir)
		want, err := newContents[version]()
		if err != nil {
			return err
		}
		got, err := os.ReadFile(path)
		done := slices.Equal(allowed(said)["db"], []string{"new"})
		switch {
		case err == nil && bytes.Equal(got, want):
			for _, suffix := range sidecars {
				if _, err := os.Stat(path + suffix); err == nil {
					return fmt.Errorf("the new database has the old one's %s", suffix)
				}
			}
		case done:
			return fmt.Errorf("acknowledged, and the database has %d bytes, want %d, or others (%s)",
				len(got), len(want), fmt.Sprint(err))
		case !replace && errors.Is(err, fs.ErrNotExist):
		case err != nil || !replace || !bytes.Equal(got, oldContent("")):
			return fmt.Errorf("neither the new database nor what was there: %d bytes (%s)", len(got), fmt.Sprint(err))
		default:
			if err := wantSidecars(path); err != nil {
				return err
			}
		}
		if err := restoreTo(version, dir, true); err != nil {
			return fmt.Errorf("restore after it: %w", err)
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
			return fmt.Errorf("the restore after it has made something else (%s)", fmt.Sprint(err))
		}
		return wantNoTemps(dir)
	}
}

func wantSidecars(path string) error {
	for _, suffix := range sidecars {
		names, err := filepath.Glob(path + suffix + "*")
		if err != nil || len(names) != 1 {
			return fmt.Errorf("the old database is there, and of its %s: %q (%v)", suffix, names, err)
		}
		if got, err := os.ReadFile(names[0]); err != nil || !bytes.Equal(got, oldContent(suffix)) {
			return fmt.Errorf("the old database is there, its %s has changed (%v)", suffix, err)
		}
	}
	return nil
}
