package verbs_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/internal/testreplica"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/restore"
)

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// restoreFile plans and restores to a file in a directory of its own.
func restoreFile(t *testing.T, c *file.ReplicaClient, target restore.Target) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "new", "db")
	var done, total int64
	opts := restore.FileOptions{Options: restore.Options{Progress: func(d, t int64) { done, total = d, t }}}
	p, err := restore.File(t.Context(), c, target, path, opts)
	if err != nil {
		t.Fatal(err)
	}
	if done != p.Bytes || total != p.Bytes {
		t.Errorf("progress ends at %d of %d, want %d", done, total, p.Bytes)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var streamed bytes.Buffer
	if _, err := restore.To(t.Context(), c, target, &streamed, restore.Options{}); err != nil ||
		!bytes.Equal(streamed.Bytes(), b) {
		t.Errorf("as a stream it is %d bytes, other than the %d of the file, %v", streamed.Len(), len(b), err)
	}
	wantOnly(t, filepath.Dir(path), "db")
	return b
}

// wantOnly: these files are in the directory, and no other.
func wantOnly(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	got := []string{}
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if diff := cmp.Diff(append([]string{}, names...), got); diff != "" {
		t.Errorf("in the directory: want (-) and got (+):\n%s", diff)
	}
}

// TestRestore: at every instant that Litestream restored, the same bytes.
func TestRestore(t *testing.T) {
	for _, name := range []string{"v0.5", "v0.3"} {
		c := file.NewReplicaClient(testreplica.Copy(t, name))
		facts := testreplica.Expected(t, name)
		if got := sum(restoreFile(t, c, restore.Target{})); got != facts.DBSHA256 {
			t.Errorf("%s: the latest state is %s, want %s", name, got, facts.DBSHA256)
		}
		for _, instant := range facts.Instants {
			if got := sum(restoreFile(t, c, restore.Target{Timestamp: instant.At})); got != instant.DBSHA256 {
				t.Errorf("%s at %v: %s, want %s", name, instant.At, got, instant.DBSHA256)
			}
		}
		for _, g := range facts.Generations {
			if got := sum(restoreFile(t, c, restore.Target{Generation: g.Generation})); got != g.DBSHA256 {
				t.Errorf("%s, generation %s: %s, want %s", name, g.Generation, got, g.DBSHA256)
			}
		}
	}
}

// TestRestoreChoosesFormat: the one that has the newer state before the target.
func TestRestoreChoosesFormat(t *testing.T) {
	c := file.NewReplicaClient(testreplica.Copy(t, "damaged/both-formats"))
	for name, facts := range map[string]testreplica.Facts{
		replica.FormatLTX: testreplica.Expected(t, "v0.5"),
		replica.FormatV3:  testreplica.Expected(t, "v0.3"),
	} {
		instant := facts.Instants[len(facts.Instants)-1]
		p, err := restore.NewPlan(t.Context(), c, restore.Target{Timestamp: instant.At})
		if err != nil {
			t.Fatal(err)
		}
		if p.Format != name || p.Reason == "" {
			t.Errorf("at %v: format %s because %q, want %s and a reason", instant.At, p.Format, p.Reason, name)
		}
	}
}

// occupied is a directory with a database and what belongs to it.
func occupied(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "db")
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.WriteFile(path+suffix, []byte("old"), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func TestRestoreReplaces(t *testing.T) {
	c := file.NewReplicaClient(testreplica.Copy(t, "v0.5"))
	path := occupied(t)
	if _, err := restore.File(t.Context(), c, restore.Target{}, path, restore.FileOptions{}); !errors.Is(
		err,
		fs.ErrExist,
	) {
		t.Errorf("got %v, want fs.ErrExist", err)
	}
	wantOnly(t, filepath.Dir(path), "db", "db-shm", "db-wal")
	if _, err := restore.File(t.Context(), c, restore.Target{}, path, restore.FileOptions{Replace: true}); err != nil {
		t.Fatal(err)
	}
	wantOnly(t, filepath.Dir(path), "db")
	b, err := os.ReadFile(path)
	if want := testreplica.Expected(t, "v0.5").DBSHA256; err != nil || sum(b) != want {
		t.Errorf("got %s, %v, want %s", sum(b), err, want)
	}
	if fi, err := os.Stat(path); err != nil || os.PathSeparator == '/' && fi.Mode() != 0o640 {
		t.Errorf("mode %v, %v, want that of the file before", fi.Mode(), err)
	}
}

// A -wal without its database would be applied to the new one.
func TestRestoreBesideOldWAL(t *testing.T) {
	c := file.NewReplicaClient(testreplica.Copy(t, "v0.5"))
	path := occupied(t)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	_, err := restore.File(t.Context(), c, restore.Target{}, path, restore.FileOptions{})
	if !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), "db-wal") {
		t.Errorf("got %v, want fs.ErrExist that names the -wal", err)
	}
}

// TestRestoreThroughLink: the file that a link leads to is replaced, not the link.
func TestRestoreThroughLink(t *testing.T) {
	c := file.NewReplicaClient(testreplica.Copy(t, "v0.5"))
	path := occupied(t)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if _, err := restore.File(t.Context(), c, restore.Target{}, link, restore.FileOptions{Replace: true}); err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Lstat(link); err != nil || fi.Mode().Type() != fs.ModeSymlink {
		t.Errorf("the link is %v, %v", fi.Mode(), err)
	}
	wantOnly(t, filepath.Dir(path), "db")
}

// TestRestoreFails: whatever goes wrong, everything is as it was before.
func TestRestoreFails(t *testing.T) {
	refused, enough := errors.New("malformed"), errors.New("enough")
	for name, test := range map[string]struct {
		damage func(t *testing.T, root string, p *restore.Plan)
		check  func(context.Context, string) error
		end    bool
		want   error
	}{
		"check":     {check: func(context.Context, string) error { return refused }, want: refused},
		"cancelled": {end: true, want: enough},
		"gone": {damage: func(t *testing.T, root string, p *restore.Plan) {
			if err := os.Remove(filepath.Join(root, p.Objects[len(p.Objects)-1].Key)); err != nil {
				t.Fatal(err)
			}
		}},
		"cut off": {damage: func(t *testing.T, root string, p *restore.Plan) {
			o := p.Objects[0]
			if err := os.Truncate(filepath.Join(root, o.Key), o.Size-20); err != nil {
				t.Fatal(err)
			}
		}},
		"replaced": {damage: func(t *testing.T, root string, p *restore.Plan) {
			b, err := os.ReadFile(filepath.Join(root, p.Objects[len(p.Objects)-1].Key))
			if len(p.Objects) == 1 {
				b = bytes.Repeat([]byte("other"), 1000)
			}
			if err == nil {
				err = os.WriteFile(filepath.Join(root, p.Objects[0].Key), b, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}},
	} {
		for _, format := range []string{"v0.5", "v0.3"} {
			root := testreplica.Copy(t, format)
			c := file.NewReplicaClient(root)
			path := occupied(t)
			ctx, cancel := context.WithCancelCause(t.Context())
			if test.end {
				cancel(enough)
			}
			_, err := restore.File(ctx, c, restore.Target{}, path, restore.FileOptions{
				Options: restore.Options{Planned: func(p *restore.Plan) error {
					if test.damage != nil { // whatever way is taken
						test.damage(t, root, p)
					}
					return nil
				}},
				Replace: true, Check: test.check,
			})
			cancel(nil)
			if err == nil || test.want != nil && !errors.Is(err, test.want) {
				t.Errorf("%s, %s: got %v, want %v", name, format, err, test.want)
			}
			wantOnly(t, filepath.Dir(path), "db", "db-shm", "db-wal")
			if b, err := os.ReadFile(path); err != nil || string(b) != "old" {
				t.Errorf("%s, %s: the database is now %d bytes, %v", name, format, len(b), err)
			}
		}
	}
}

// TestRestoreToFails: an error of the writer, and of the source.
func TestRestoreToFails(t *testing.T) {
	full := errors.New("no space left")
	for _, format := range []string{"v0.5", "v0.3"} {
		c := file.NewReplicaClient(testreplica.Copy(t, format))
		_, err := restore.To(t.Context(), c, restore.Target{}, failingWriter{full}, restore.Options{})
		if !errors.Is(err, full) {
			t.Errorf("%s: got %v, want %v", format, err, full)
		}
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }
