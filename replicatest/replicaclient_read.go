package replicatest

import (
	"bytes"
	"strings"
	"sync"
	"testing"

	"github.com/replctl/replicate/ltx"
)

// levelDir is the prefix of the one level that the replica has.
func levelDir(t *testing.T, r Replica) string {
	t.Helper()
	key := keys(t, r)[0]
	return key[:strings.LastIndex(key, "/")+1]
}

func testEmpty(t *testing.T, r Replica) {
	c := r.Open()
	if c.Type() == "" {
		t.Error("Type is empty")
	}
	for level := ltx.MinLevel; level <= ltx.MaxLevel; level++ {
		wantRanges(t, "empty replica", list(t, c, level, 0, false), "")
		wantRanges(t, "empty replica, true times", list(t, c, level, 7, true), "")
	}
	_, err := c.OpenLTXFile(t.Context(), 0, 1, 1, 0, 0)
	wantMissing(t, "OpenLTXFile of an absent file", err)
	if err := c.DeleteLTXFiles(t.Context(), []*ltx.FileInfo{{Level: 0, MinTXID: 1, MaxTXID: 1}}); err != nil {
		t.Errorf("DeleteLTXFiles of an absent file: %v", err)
	}
	if err := c.DeleteAll(t.Context()); err != nil {
		t.Errorf("DeleteAll of an empty replica: %v", err)
	}
}

func testInit(t *testing.T, r Replica) {
	c := r.Open()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := c.Init(t.Context()); err != nil {
				t.Errorf("Init: %v", err)
			}
		})
	}
	wg.Wait()
	write(t, c, 0, 1, 1, makeFile(1, 1, 10))
	if err := c.Init(t.Context()); err != nil {
		t.Errorf("Init again: %v", err)
	}
}

func testOrder(t *testing.T, r Replica) {
	for _, f := range [][2]ltx.TXID{{4, 8}, {1, 1}, {9, 9}, {2, 3}, {2, 2}, {0x10, 0x10},
		{0x1000000000000000, 0x1000000000000001}, {0xa, 0xf}} {
		write(t, r.Open(), 0, f[0], f[1], makeFile(f[0], f[1], 0))
	}
	want := "1-1 2-2 2-3 4-8 9-9 10-15 16-16 1152921504606846976-1152921504606846977 "
	wantRanges(t, "by MinTXID, then MaxTXID", list(t, r.Open(), 0, 0, false), want)
	wantRanges(t, "the same with true times", list(t, r.Open(), 0, 0, true), want)
}

func testSeek(t *testing.T, r Replica) {
	for _, f := range [][2]ltx.TXID{{1, 1}, {2, 5}, {6, 6}, {9, 10}} {
		write(t, r.Open(), 1, f[0], f[1], makeFile(f[0], f[1], 0))
	}
	for seek, want := range map[ltx.TXID]string{
		0: "1-1 2-5 6-6 9-10 ", 1: "1-1 2-5 6-6 9-10 ", 2: "2-5 6-6 9-10 ", 3: "6-6 9-10 ",
		6: "6-6 9-10 ", 7: "9-10 ", 9: "9-10 ", 10: "", 11: "", 1 << 62: "",
	} {
		wantRanges(t, "seek "+seek.String(), list(t, r.Open(), 1, seek, false), want)
	}
}

func testLevels(t *testing.T, r Replica) {
	for level := ltx.MinLevel; level <= ltx.MaxLevel; level++ {
		n := ltx.TXID(level + 1)
		write(t, r.Open(), level, 1, n, makeFile(1, n, level))
	}
	for level := ltx.MinLevel; level <= ltx.MaxLevel; level++ {
		got := list(t, r.Open(), level, 0, false)
		if len(got) != 1 || got[0].Level != level || got[0].MaxTXID != ltx.TXID(level+1) ||
			got[0].Size != int64(ltx.HeaderSize+level) {
			t.Errorf("level %d: %s", level, ranges(got))
		}
	}
}

func testIterator(t *testing.T, r Replica) {
	c := r.Open()
	for txid := ltx.TXID(1); txid <= 5; txid++ {
		write(t, c, 0, txid, txid, makeFile(txid, txid, 0))
	}
	for _, trueTimes := range []bool{false, true} {
		itr, err := c.LTXFiles(t.Context(), 0, 0, trueTimes)
		if err != nil {
			t.Fatal(err)
		}
		itr.Next()
		first := itr.Item()
		itr.Next()
		if first.MinTXID != 1 || itr.Item().MinTXID != 2 {
			t.Errorf("items change under the caller: %s then %s", first.MinTXID, itr.Item().MinTXID)
		}
		for range 2 { // in the middle, and twice
			if err := itr.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		}
		if itr.Next() {
			t.Error("Next after Close finds another file")
		}
	}
}

func testTrueTimes(t *testing.T, r Replica) {
	for txid := ltx.TXID(1); txid <= 70; txid++ {
		write(t, r.Open(), 0, txid, txid, makeFile(txid, txid, 0))
	}
	// A copy whose time the store made up: the header is right all the same.
	plant(t, r, levelDir(t, r)+ltx.FormatName(71, 71), makeFile(71, 71, 0))
	got := list(t, r.Open(), 0, 0, true)
	if len(got) != 71 {
		t.Fatalf("%d files, want 71", len(got))
	}
	for i, info := range got {
		if want := headerTime(ltx.TXID(i + 1)); !info.CreatedAt.Equal(want) {
			t.Errorf("%s: got time %v, want %v", info.MinTXID, info.CreatedAt, want)
		}
	}
}

func testTrueTimesFail(t *testing.T, r Replica) {
	write(t, r.Open(), 0, 1, 1, makeFile(1, 1, 0))
	bad := levelDir(t, r) + ltx.FormatName(2, 2)
	plant(t, r, bad, makeFile(2, 2, 0)[:50])
	wantRanges(t, "without true times", list(t, r.Open(), 0, 0, false), "1-1 2-2 ")
	itr, err := r.Open().LTXFiles(t.Context(), 0, 0, true)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for itr.Next() {
		n++
	}
	if n != 1 || itr.Err() == nil || !strings.Contains(itr.Err().Error(), ltx.FormatName(2, 2)) {
		t.Errorf("a header that cannot be read: %d items, error %v; want 1 and an error that names it", n, itr.Err())
	}
	if err := itr.Close(); err == nil {
		t.Error("Close does not report the error")
	}
}

func testRanges(t *testing.T, r Replica) {
	data := makeFile(3, 4, 900)
	write(t, r.Open(), 2, 3, 4, data)
	for _, c := range []struct{ offset, size, from, to int64 }{
		{0, 0, 0, 1000}, {0, ltx.HeaderSize, 0, ltx.HeaderSize}, {984, 16, 984, 1000}, {984, 0, 984, 1000},
		{100, 200, 100, 300}, {900, 5000, 900, 1000}, {1000, 0, 1000, 1000}, {1500, 10, 1000, 1000},
	} {
		if got := read(t, r.Open(), 2, 3, 4, c.offset, c.size); !bytes.Equal(got, data[c.from:c.to]) {
			t.Errorf("OpenLTXFile at %d, size %d: got %d bytes", c.offset, c.size, len(got))
		}
	}
	_, err := r.Open().OpenLTXFile(t.Context(), 2, 3, 5, 0, 0)
	wantMissing(t, "another MaxTXID", err)
	_, err = r.Open().OpenLTXFile(t.Context(), 1, 3, 4, 0, 0)
	wantMissing(t, "another level", err)
}

// testForeignNames: what is not an LTX file is passed over.
func testForeignNames(t *testing.T, r Replica) {
	write(t, r.Open(), 0, 1, 1, makeFile(1, 1, 0))
	dir := levelDir(t, r)
	for _, name := range []string{
		"README", ".DS_Store", ltx.FormatName(2, 2) + ".tmp", strings.ToUpper(ltx.FormatName(10, 10)),
		"0000000000000003-0000000000000002.ltx", "0000000000000000-0000000000000001.ltx", "3-3.ltx",
		"nested/0000000000000002-0000000000000002.ltx",
	} {
		plant(t, r, dir+name, []byte("foreign"))
	}
	wantRanges(t, "beside foreign names", list(t, r.Open(), 0, 0, true), "1-1 ")
}

// testOtherLayout: a bucket synced to a disk, or a directory to a bucket.
func testOtherLayout(t *testing.T, r Replica) {
	write(t, r.Open(), 0, 1, 1, makeFile(1, 1, 0))
	native, _, _, _, err := ltx.ParseKey(keys(t, r)[0])
	if err != nil {
		t.Fatalf("the engine's layout is not one of Litestream's: %v", err)
	}
	other := ltx.LayoutFile
	if native == other {
		other = ltx.LayoutS3
	}
	if err := r.Open().DeleteAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	for txid := ltx.TXID(1); txid <= 3; txid++ {
		plant(t, r, other.Key(1, txid, txid), makeFile(txid, txid, 5))
	}
	// Empty directories of the native layout may be left; they do not count.
	c := r.Open()
	wantRanges(t, "other layout", list(t, c, 1, 2, true), "2-2 3-3 ")
	if got := read(t, c, 1, 2, 2, 0, 0); !bytes.Equal(got, makeFile(2, 2, 5)) {
		t.Errorf("read from the other layout: %d bytes", len(got))
	}
	// Writing goes on in it: a replica does not become a mix of two.
	write(t, c, 1, 4, 4, makeFile(4, 4, 0))
	wantRanges(t, "after a write", list(t, r.Open(), 1, 0, false), "1-1 2-2 3-3 4-4 ")
}
