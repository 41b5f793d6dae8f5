package replicatest

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/replctl/replicate/ltx"
)

func testRoundTrip(t *testing.T, r Replica) {
	data := makeFile(1, 2, 12345)
	write(t, r.Open(), 0, 1, 2, data)
	if got := read(t, r.Open(), 0, 1, 2, 0, 0); !bytes.Equal(got, data) {
		t.Errorf("got %d bytes back, want the %d written", len(got), len(data))
	}
	got := list(t, r.Open(), 0, 0, true)
	want := ltx.FileInfo{Level: 0, MinTXID: 1, MaxTXID: 2, Size: int64(len(data)), CreatedAt: headerTime(2)}
	if len(got) != 1 || *got[0] != want {
		t.Errorf("listed: %+v, want %+v", got, want)
	}
}

// testLarge writes more than a part or a buffer of any engine, seekable and not.
func testLarge(t *testing.T, r Replica) {
	data := makeFile(1, 9, 12<<20)
	write(t, r.Open(), 9, 1, 9, data)
	if _, err := r.Open().WriteLTXFile(t.Context(), 8, 1, 9, io.MultiReader(bytes.NewReader(data))); err != nil {
		t.Fatal(err)
	}
	for _, level := range []int{8, 9} {
		if got := read(t, r.Open(), level, 1, 9, 0, 0); !bytes.Equal(got, data) {
			t.Errorf("level %d: got %d bytes back, want the %d written", level, len(got), len(data))
		}
	}
}

func testReplace(t *testing.T, r Replica) {
	write(t, r.Open(), 0, 1, 1, makeFile(1, 1, 5000))
	write(t, r.Open(), 0, 1, 1, makeFile(1, 1, 7))
	if got := list(t, r.Open(), 0, 0, false); len(got) != 1 || got[0].Size != ltx.HeaderSize+7 {
		t.Errorf("after replacing: %s", ranges(got))
	}
}

func testRefusals(t *testing.T, r Replica) {
	c := r.Open()
	for _, f := range []ltx.FileInfo{
		{Level: -1, MinTXID: 1, MaxTXID: 1}, {Level: 10, MinTXID: 1, MaxTXID: 1},
		{Level: 0, MinTXID: 0, MaxTXID: 0}, {Level: 0, MinTXID: 0, MaxTXID: 1}, {Level: 0, MinTXID: 2, MaxTXID: 1},
	} {
		want := ltx.ErrInvalidRange
		if f.Level != 0 {
			want = ltx.ErrInvalidLevel
			_, err := c.LTXFiles(t.Context(), f.Level, 0, false)
			wantIs(t, "LTXFiles", err, want)
		}
		_, err := c.OpenLTXFile(t.Context(), f.Level, f.MinTXID, f.MaxTXID, 0, 0)
		wantIs(t, "OpenLTXFile", err, want)
		_, err = c.WriteLTXFile(t.Context(), f.Level, f.MinTXID, f.MaxTXID, bytes.NewReader(makeFile(1, 1, 0)))
		wantIs(t, "WriteLTXFile", err, want)
		wantIs(t, "DeleteLTXFiles", c.DeleteLTXFiles(t.Context(), []*ltx.FileInfo{&f}), want)
	}
	if got := keys(t, r); len(got) != 0 {
		t.Errorf("left behind: %q", got)
	}
}

// testBadContent: what is no LTX file, or another one, is refused.
func testBadContent(t *testing.T, r Replica) {
	c := r.Open()
	good := makeFile(5, 6, 10)
	badMagic := append([]byte("LTX0"), good[4:]...)
	for name, data := range map[string][]byte{
		"empty": nil, "short": good[:ltx.HeaderSize-1], "bad magic": badMagic,
		"other transactions": makeFile(5, 7, 10), "zeros": make([]byte, 200), "text": []byte(strings.Repeat("hello ", 50)),
	} {
		for _, body := range []io.Reader{bytes.NewReader(data), io.MultiReader(bytes.NewReader(data))} {
			if _, err := c.WriteLTXFile(t.Context(), 0, 5, 6, body); err == nil {
				t.Errorf("%s: WriteLTXFile succeeds", name)
			} else if !strings.Contains(err.Error(), ltx.FormatName(5, 6)) {
				t.Errorf("%s: the error does not name the file: %v", name, err)
			}
		}
	}
	if got := keys(t, r); len(got) != 0 {
		t.Errorf("left behind: %q", got)
	}
}

func testFailingReader(t *testing.T, r Replica) {
	broken := errors.New("the source broke")
	old := makeFile(1, 1, 10)
	write(t, r.Open(), 0, 1, 1, old)
	for _, n := range []int{0, 50, 100, 200, 6 << 20} {
		body := io.MultiReader(bytes.NewReader(makeFile(1, 1, 6<<20)[:n]), iotest.ErrReader(broken))
		_, err := r.Open().WriteLTXFile(t.Context(), 0, 1, 1, body)
		wantIs(t, "WriteLTXFile", err, broken)
	}
	if got := read(t, r.Open(), 0, 1, 1, 0, 0); !bytes.Equal(got, old) {
		t.Error("a failed write changed the file")
	}
	if got := keys(t, r); len(got) != 1 {
		t.Errorf("left behind: %q", got)
	}
}

func testDelete(t *testing.T, r Replica) {
	for txid := ltx.TXID(1); txid <= 5; txid++ {
		write(t, r.Open(), 0, txid, txid, makeFile(txid, txid, 0))
	}
	err := r.Open().DeleteLTXFiles(t.Context(), []*ltx.FileInfo{
		{Level: 0, MinTXID: 2, MaxTXID: 2}, {Level: 11, MinTXID: 1, MaxTXID: 1}, {Level: 0, MinTXID: 9, MaxTXID: 9},
		{Level: 1, MinTXID: 3, MaxTXID: 3}, {Level: 0, MinTXID: 4, MaxTXID: 4},
	})
	wantIs(t, "DeleteLTXFiles with a bad level among them", err, ltx.ErrInvalidLevel)
	wantRanges(t, "left", list(t, r.Open(), 0, 0, false), "1-1 3-3 5-5 ")
}

// testDeleteAll: the replica goes, its neighbours stay.
func testDeleteAll(t *testing.T, r Replica) {
	neighbours := []string{
		"README", "generations/0123456789abcdef/snapshots/00000000.snapshot.lz4",
		"generations/0123456789abcdef/wal/00000000_00000000.wal.lz4", "lock.json",
	}
	for _, key := range neighbours {
		plant(t, r, key, []byte("stays"))
	}
	for level := ltx.MinLevel; level <= ltx.MaxLevel; level++ {
		for txid := ltx.TXID(1); txid <= 3; txid++ {
			write(t, r.Open(), level, txid, txid+1, makeFile(txid, txid+1, 0))
		}
	}
	plant(t, r, levelDir0(t, r)+ltx.FormatName(1, 2)+".tmp", []byte("a leftover"))
	if err := r.Open().DeleteAll(t.Context()); err != nil {
		t.Fatalf("DeleteAll: %v", err)
	}
	got := keys(t, r)
	slices.Sort(got)
	if diff := cmp.Diff(neighbours, got); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}

func levelDir0(t *testing.T, r Replica) string {
	t.Helper()
	for _, key := range keys(t, r) {
		if layout, level, _, _, err := ltx.ParseKey(key); err == nil && level == 0 {
			return layout.LevelPrefix(0)
		}
	}
	t.Fatal("nothing in level 0")
	return ""
}

// testConcurrentWrite: handles write different files, and the same one, at once.
func testConcurrentWrite(t *testing.T, r Replica) {
	const writers, each = 8, 12
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			c := r.Open()
			for i := range each {
				txid := ltx.TXID(w*each + i + 2)
				if _, err := c.WriteLTXFile(t.Context(), 0, txid, txid, bytes.NewReader(makeFile(txid, txid, 100))); err != nil {
					t.Errorf("write %s: %v", txid, err)
				}
				if _, err := c.WriteLTXFile(t.Context(), 0, 1, 1, bytes.NewReader(makeFile(1, 1, 1000*(w+1)))); err != nil {
					t.Errorf("write the shared file: %v", err)
				}
			}
		})
	}
	wg.Wait()
	got := list(t, r.Open(), 0, 0, true)
	if len(got) != writers*each+1 {
		t.Fatalf("%d files, want %d", len(got), writers*each+1)
	}
	shared := read(t, r.Open(), 0, 1, 1, 0, 0)
	if n := len(shared) - ltx.HeaderSize; n%1000 != 0 || !bytes.Equal(shared, makeFile(1, 1, n)) {
		t.Errorf("the shared file is a mix of versions, or cut: %d bytes", len(shared))
	}
}
