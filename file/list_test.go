package file_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/ltx"
)

// plantLevel makes the files from 1 to n in level 0, empty, in no order.
func plantLevel(tb testing.TB, replica string, n int) *file.ReplicaClient {
	tb.Helper()
	c := file.NewReplicaClient(replica)
	dir := c.LTXLevelDir(0)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		tb.Fatal(err)
	}
	for i := range n {
		txid := ltx.TXID(i*7919%n + 1) // 7919 is prime
		if err := os.WriteFile(filepath.Join(dir, ltx.FormatName(txid, txid)), nil, 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	return c
}

// TestListingLooksAtWhatItReturns counts the files that are stat'ed.
func TestListingLooksAtWhatItReturns(t *testing.T) {
	const n = 3000
	c := plantLevel(t, scratch(t), n)
	stats := file.CountStats(t)

	itr, err := c.LTXFiles(t.Context(), 0, 0, false)
	must(t, err)
	for i := 1; i <= 3; i++ {
		if !itr.Next() || itr.Item().MinTXID != ltx.TXID(i) {
			t.Fatalf("item %d: %v, %v", i, itr.Item(), itr.Err())
		}
		if got := stats.Load(); got > 16*int64(i) { // it looks ahead
			t.Errorf("%d of %d files stat'ed before item %d", got, n, i)
		}
	}
	must(t, itr.Close())

	stats.Store(0)
	infos, err := list(t, c, 0, n-9)
	must(t, err)
	if len(infos) != 10 || infos[0].MinTXID != n-9 || infos[9].MinTXID != n {
		t.Errorf("seek to the last ten: %d files", len(infos))
	}
	if got := stats.Load(); got != 10 {
		t.Errorf("seek to the last ten stats %d files", got)
	}

	stats.Store(0)
	infos, err = list(t, c, 0, 0)
	must(t, err)
	for i, info := range infos {
		if info.MinTXID != ltx.TXID(i+1) {
			t.Fatalf("file %s at place %d", info.MinTXID, i+1)
		}
	}
	if got := stats.Load(); got != n || len(infos) != n {
		t.Errorf("%d files listed, %d stat'ed, want %d", len(infos), got, n)
	}
}

// TestDeletedWhileListed: a file that goes before its turn is passed over.
func TestDeletedWhileListed(t *testing.T) {
	const n = 200
	c := plantLevel(t, scratch(t), n)
	itr, err := c.LTXFiles(t.Context(), 0, 0, false)
	must(t, err)
	if !itr.Next() {
		t.Fatal(itr.Err())
	}
	const ahead = 16 // may have been looked at
	for txid := ltx.TXID(ahead); txid < n; txid++ {
		must(t, os.Remove(c.LTXFilePath(0, txid, txid)))
	}
	for itr.Next() && itr.Item().MinTXID < ahead {
	}
	if itr.Item().MinTXID != n {
		t.Errorf("after the deletion: %v, want the last file", itr.Item())
	}
	if itr.Next() {
		t.Errorf("and then %v", itr.Item())
	}
	must(t, itr.Close())
}

// TestLinksBeforeSeek: what the listing skips is not even followed, and what leads out
// has no size.
func TestLinksBeforeSeek(t *testing.T) {
	c := plantLevel(t, scratch(t), 3)
	must(t, os.Remove(c.LTXFilePath(0, 1, 1)))
	must(t, os.Symlink("/", c.LTXFilePath(0, 1, 1)))
	if infos, err := list(t, c, 0, 0); err != nil || len(infos) != 3 || infos[0].Size != 0 {
		t.Errorf("a link out of the replica: %v, %v", infos, err)
	}
	if infos, err := list(t, c, 0, 2); err != nil || len(infos) != 2 {
		t.Errorf("behind the link: %v, %v", infos, err)
	}
}

// TestRecursiveListing: a directory link is an error where it would be walked.
func TestRecursiveListing(t *testing.T) {
	dir := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(dir, "a", "b"), 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "a", "b", "file"), nil, 0o600))
	must(t, os.Symlink("..", filepath.Join(dir, "a", "up")))
	s := file.NewStore(dir, file.Options{})
	var got []string
	for info, err := range s.List(t.Context(), "", blob.ListOptions{}) {
		got = append(got, fmt.Sprint(info.Key, err != nil))
	}
	if diff := cmp.Diff([]string{"a/b/filefalse", "true"}, got); diff != "" {
		t.Errorf("recursive (-want +got):\n%s", diff)
	}
	got = nil
	for info, err := range s.List(t.Context(), "a/", blob.ListOptions{Delimited: true}) {
		must(t, err)
		got = append(got, info.Key)
	}
	if diff := cmp.Diff([]string{"a/b/", "a/up/"}, got); diff != "" {
		t.Errorf("one level (-want +got):\n%s", diff)
	}
}
