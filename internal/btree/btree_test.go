package btree_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/replctl/replicate/internal/btree"
	_ "github.com/replctl/replicate/sqlite"
)

// FuzzNode: whatever a page holds, it is a b-tree page or an error.
func FuzzNode(f *testing.F) {
	for _, page := range pagesOf(f) {
		f.Add(page, uint32(2), 3)
	}
	f.Fuzz(func(t *testing.T, page []byte, pgno uint32, columns int) {
		if len(page) < 512 || len(page) > 65536 {
			return
		}
		n, err := btree.Parse(pgno, page, len(page))
		if err != nil {
			return
		}
		for i := range n.Cells() {
			n.Child(i)
			c, err := n.Cell(i)
			if err != nil {
				continue
			}
			if uint64(len(c.Local)) > c.Size {
				t.Errorf("cell %d has %d bytes of %d", i, len(c.Local), c.Size)
			}
			values, err := btree.ParseRecord(c.Local, columns&0xff)
			if err == nil && len(values) != columns&0xff {
				t.Errorf("%d values, want %d", len(values), columns&0xff)
			}
		}
	})
}

// pagesOf is the pages of a small database.
func pagesOf(t testing.TB) (pages [][]byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`PRAGMA page_size = 512;
		CREATE TABLE t(a, b, c);
		CREATE TABLE k(a, b, c, PRIMARY KEY(a, b)) WITHOUT ROWID;
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50)
		INSERT INTO t SELECT i, hex(zeroblob(i * 9)), i / 3.0 FROM n;
		INSERT INTO k SELECT * FROM t`); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Collect(slices.Chunk(content, 512))
}
