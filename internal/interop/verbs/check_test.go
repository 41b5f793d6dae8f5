package verbs_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/internal/fakereplica"
	"github.com/replctl/replicate/internal/testreplica"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/check"
)

// counted counts listings, by pages of a thousand, and reads.
type counted struct {
	blob.Store
	pages, opens atomic.Int64
}

func (c *counted) List(ctx context.Context, prefix string, opts blob.ListOptions) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		n := 0
		for info, err := range c.Store.List(ctx, prefix, opts) {
			if n++; n%1000 == 1 {
				c.pages.Add(1)
			}
			if !yield(info, err) {
				return
			}
		}
		if n == 0 {
			c.pages.Add(1)
		}
	}
}

func (c *counted) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	c.opens.Add(1)
	return c.Store.Open(ctx, key, offset, length)
}

// TestCheckRequests: the budget of a check of 5,000 objects is 7 listings, one of them of
// the root, so that nothing is looked into that is not of the replica.
func TestCheckRequests(t *testing.T) {
	s, _ := fakereplica.New(t)
	var b bytes.Buffer
	im := fakereplica.Pages(3, 1)
	for txid := ltx.TXID(1); txid <= 4999; txid++ {
		b.Reset()
		at := fakereplica.Time(txid)
		opts := ltx.SnapshotOptions{TXID: txid, MinTXID: txid, Time: at, PageSize: 512, Commit: 3, Concurrency: 1}
		if _, err := ltx.WriteSnapshot(&b, opts, im.ReadPage); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Write(t.Context(), ltx.LayoutS3.Key(0, txid, txid), bytes.NewReader(b.Bytes()),
			blob.WriteOptions{ModTime: fakereplica.Time(txid)}); err != nil {
			t.Fatal(err)
		}
	}
	store := &counted{Store: s.Store}
	c := replica.NewClient("counted", ltx.LayoutS3, func(context.Context) (blob.Store, error) { return store, nil })
	report, err := check.Run(t.Context(), c, check.Options{})
	if err != nil || !report.OK() || len(report.Problems) > 0 {
		t.Fatalf("got %+v, %v", report, err)
	}
	if n := store.pages.Load(); n > 7 {
		t.Errorf("%d pages listed, want at most 7", n)
	}
	if n := store.opens.Load(); n != 4999 {
		t.Errorf("%d reads, want one of each file", n)
	}
}

// TestCheckTwoWriters: files that lead to one transaction in two ways.
func TestCheckTwoWriters(t *testing.T) {
	c := fakereplica.Client()
	for i := range 2 {
		if _, err := replica.WriteSnapshot(t.Context(), c, fakereplica.Pages(10, byte(i)),
			replica.SnapshotOptions{Time: fakereplica.Time(ltx.TXID(i + 1)), Force: true}); err != nil {
			t.Fatal(err)
		}
	}
	report, err := check.Run(t.Context(), c, check.Options{Deep: true})
	if err != nil || !report.OK() {
		t.Fatalf("got %+v, %v", report, err)
	}
	c.CreateOnly = false
	var b bytes.Buffer
	if _, err := ltx.WriteSnapshot(&b, ltx.SnapshotOptions{TXID: 2, Time: fakereplica.Time(2), PageSize: 512, Commit: 10},
		fakereplica.Pages(10, 7).ReadPage); err != nil {
		t.Fatal(err)
	}
	if _, err := c.WriteLTXFile(t.Context(), ltx.SnapshotLevel, 1, 2, &b); err != nil {
		t.Fatal(err)
	}
	report, err = check.Run(t.Context(), c, check.Options{Deep: true})
	if err != nil || report.OK() {
		t.Errorf("two writers: got %+v, %v", report, err)
	}
}

// TestCheckVerify: what SQLite says of a database that can be restored is an error,
// and no reason to promise less.
func TestCheckVerify(t *testing.T) {
	c := file.NewReplicaClient(testreplica.Copy(t, "v0.3"))
	var seen []string
	broken := errors.New("row 1 missing from index")
	report, err := check.Run(
		t.Context(),
		c,
		check.Options{Deep: true, TempDir: t.TempDir(), Verify: func(_ context.Context, path string) error {
			b, err := os.ReadFile(path)
			seen = append(seen, sum(b))
			return errors.Join(err, broken)
		}},
	)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{}
	for _, g := range testreplica.Expected(t, "v0.3").Generations {
		want = append(want, g.DBSHA256)
	}
	if !slices.Equal(seen, want) || report.OK() || len(report.Restorable) != len(want) ||
		!strings.Contains(report.Problems[0].Message, broken.Error()) {
		t.Errorf("databases %q, want %q; report %+v", seen, want, report)
	}
}

// TestCheckLostTimes: what Litestream takes for the time of a file is compared with
// the true one, of the first and last of each level, and in a deep check of all.
func TestCheckLostTimes(t *testing.T) {
	root := filepath.Join(t.TempDir(), "replica")
	if err := os.CopyFS(root, os.DirFS(testreplica.Dir(t, "v0.5"))); err != nil {
		t.Fatal(err)
	}
	for _, deep := range []bool{false, true} {
		report, err := check.Run(t.Context(), file.NewReplicaClient(root), check.Options{Deep: deep})
		if err != nil {
			t.Fatal(err)
		}
		if n := len(report.Problems); !report.OK() || !deep && n != 8 || deep && n != 21 {
			t.Errorf("deep %v: %d problems: %+v", deep, n, report.Problems)
		}
	}
}

// TestInspectFacades: what the packages under store/ keep in the same place is not
// foreign, and is not listed.
func TestInspectFacades(t *testing.T) {
	objects := objectsOf(t, "v0.5")
	for _, key := range []string{"kv/record/a", "config/heads/a", "logstate/a", "resource/head"} {
		objects[key] = []byte("x")
	}
	for key, want := range map[string]int{"resource/head": 0, "other/head": 1} {
		objects[key] = []byte("x")
		in, err := check.Inspect(t.Context(), replicaOf(t, objects), check.InspectOptions{Read: check.ReadNone})
		if err != nil || len(in.Problems) != want {
			t.Errorf("with %s: %+v, %v; want %d problems", key, in.Problems, err, want)
		}
		delete(objects, "other/head")
	}
}
