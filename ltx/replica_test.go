package ltx

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/replctl/replicate/internal/testreplica"
)

// A replica is one of testdata's, listed.
type replica struct {
	dir   string
	files []*FileInfo
}

func openReplica(tb testing.TB, name string) replica {
	tb.Helper()
	r := replica{dir: testreplica.Dir(tb, name)}
	err := fs.WalkDir(os.DirFS(r.dir), ".", func(key string, d fs.DirEntry, err error) error {
		layout, level, min, max, keyErr := ParseKey(key)
		if err != nil || keyErr != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		r.files = append(r.files, &FileInfo{Level: level, MinTXID: min, MaxTXID: max, Size: info.Size()})
		if layout != LayoutFile {
			tb.Errorf("%s: layout %s", key, layout)
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	if len(r.files) == 0 {
		tb.Fatalf("no LTX files in %s", r.dir)
	}
	return r
}

func (r replica) read(tb testing.TB, f *FileInfo) []byte {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join(r.dir, filepath.FromSlash(LayoutFile.Key(f.Level, f.MinTXID, f.MaxTXID))))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// smallFiles are real files, as a corpus.
func smallFiles(tb testing.TB) (files [][]byte) {
	r := openReplica(tb, "v0.5")
	for _, f := range r.files {
		if f.Size < 4000 {
			files = append(files, r.read(tb, f))
		}
	}
	return files
}

func TestReplicaFiles(t *testing.T) {
	r := openReplica(t, "v0.5")
	for _, f := range r.files {
		b := r.read(t, f)
		s, err := Verify(bytes.NewReader(b))
		if err != nil {
			t.Errorf("%s: %v", FormatName(f.MinTXID, f.MaxTXID), err)
		}
		if err := CheckInfo(f, s.Header); err != nil {
			t.Errorf("%s: %v", FormatName(f.MinTXID, f.MaxTXID), err)
		}
		checkOutline(t, outlineOf(t, b), b)
	}
}

func TestReplicaLevels(t *testing.T) {
	want := testreplica.Expected(t, "v0.5").LTX
	c := NewChain(openReplica(t, "v0.5").files)
	var got []testreplica.Level
	for _, l := range c.Levels() {
		got = append(got, testreplica.Level{Level: l.Level, Files: l.Files, Bytes: l.Bytes})
		if len(l.Gaps) > 0 {
			t.Errorf("level %d: gaps %v", l.Level, l.Gaps)
		}
	}
	if diff := cmp.Diff(want.Levels, got); diff != "" {
		t.Errorf("levels (-want +got)\n%s", diff)
	}
	if got := c.MaxTXID().String(); got != want.MaxTXID {
		t.Errorf("last transaction %s, want %s", got, want.MaxTXID)
	}
}

// The files of a path, applied, are the database that Litestream restores.
func TestReplicaReach(t *testing.T) {
	r := openReplica(t, "v0.5")
	c := NewChain(r.files)
	p, err := c.Reach(c.MaxTXID())
	if err != nil {
		t.Fatal(err)
	}
	got, want := databaseSum(t, r, p), testreplica.Expected(t, "v0.5").DBSHA256
	if got != want {
		t.Errorf("%v give the database %s, want %s", names(p.Files), got, want)
	}
}

// Which way leads to a state makes no difference to it.
func TestReplicaReachWays(t *testing.T) {
	r := openReplica(t, "v0.5")
	all := NewChain(r.files)
	p, err := all.Reach(all.MaxTXID())
	if err != nil {
		t.Fatal(err)
	}
	want, ways := databaseSum(t, r, p), 0
	for level := range MaxLevel {
		var fewer []*FileInfo
		for _, f := range r.files {
			if f.Level != level {
				fewer = append(fewer, f)
			}
		}
		q, err := NewChain(fewer).Reach(all.MaxTXID())
		if err != nil {
			continue // the last transactions are at one level only
		}
		ways++
		if got := databaseSum(t, r, q); got != want {
			t.Errorf("without level %d, %v: got %s, want %s", level, names(q.Files), got, want)
		}
	}
	if ways < 2 {
		t.Errorf("tried %d other ways, want 2 or more", ways)
	}
}

func databaseSum(t *testing.T, r replica, p *Path) string {
	t.Helper()
	var db []byte
	for _, f := range p.Files {
		d, err := NewDecoder(bytes.NewReader(r.read(t, f)))
		if err != nil {
			t.Fatal(err)
		}
		size := int(d.Header().PageSize)
		db = append(db, make([]byte, max(0, int(d.Header().Commit)*size-len(db)))...)
		pgno, page, err := d.Next()
		for ; err == nil; pgno, page, err = d.Next() {
			copy(db[int(pgno-1)*size:], page)
		}
		if !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		db = db[:int(d.Header().Commit)*size]
	}
	sum := sha256.Sum256(db)
	return hex.EncodeToString(sum[:])
}

func TestReplicaDamaged(t *testing.T) {
	for name, want := range map[string]error{
		"ltx-bad-crc":    ErrCorrupt,
		"ltx-bad-page":   ErrCorrupt,
		"ltx-empty":      ErrTruncated,
		"ltx-truncated":  ErrTruncated,
		"ltx-wrong-name": ErrCorrupt,
	} {
		r := openReplica(t, path.Join("damaged", name))
		var found []error
		for _, f := range r.files {
			s, err := Verify(bytes.NewReader(r.read(t, f)))
			if err == nil {
				err = CheckInfo(f, s.Header)
			}
			if err != nil {
				found = append(found, err)
			}
		}
		if len(found) != 1 || !errors.Is(found[0], want) {
			t.Errorf("%s: found %v, want one %v", name, found, want)
		}
	}
}

func TestReplicaIncomplete(t *testing.T) {
	for name, want := range map[string]Range{
		"ltx-gap":         {0x4c, 0x4c},
		"ltx-no-snapshot": {0, 0}, // the range that is missing depends on the files left
	} {
		c := NewChain(openReplica(t, path.Join("damaged", name)).files)
		_, err := c.Reach(0x4d)
		var got *UnreachableError
		if !errors.As(err, &got) {
			t.Errorf("%s: got %v, want *UnreachableError", name, err)
			continue
		}
		if want.Min == 0 {
			want = Range{1, c.Covered()[0].Min - 1}
		}
		if got.Missing != want {
			t.Errorf("%s: missing %s, want %s: %v", name, got.Missing, want, err)
		}
	}
}
