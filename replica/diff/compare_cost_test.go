package diff_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica/diff"
	"github.com/replctl/replicate/replica/restore"
	"github.com/replctl/replicate/replica/view"
)

// TestCost: one percent of the pages has changed, here and there. What is read is little more than
// these pages in both databases, and the pages that lead to them.
func TestCost(t *testing.T) {
	const rows, every = 60_000, 1_800 // 18 rows a page
	for _, c := range []struct {
		name, key, suffix, change string
		updated                   int64
		most                      float64 // percent of the bytes of the database
		snapshot                  bool    // of the second state
	}{
		{"rowid", "id INTEGER PRIMARY KEY", "", "UPDATE t SET v = randomblob(200) WHERE id %% %d = 0",
			rows / every, 3, false},
		{"a snapshot between", "id INTEGER PRIMARY KEY", "", "UPDATE t SET v = randomblob(200) WHERE id %% %d = 0",
			rows / every, 4, true},
		{"without rowid", "id INTEGER PRIMARY KEY", "WITHOUT ROWID", "UPDATE t SET v = randomblob(200) WHERE id %% %d = 0",
			rows / every, 8, false},
		{"nothing", "id INTEGER PRIMARY KEY", "", "UPDATE t SET v = v WHERE id = %d", 0, 0.5, false},
		{"an index", "id INTEGER PRIMARY KEY, n INTEGER UNIQUE", "", "UPDATE t SET v = randomblob(200) WHERE id %% %d = 0",
			rows / every, 3, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMade(t, blob.NewMemory(), "PRAGMA page_size=4096")
			m.exec(fmt.Sprintf(`CREATE TABLE t(%s, v) %s; CREATE TABLE other(id INTEGER PRIMARY KEY, v);
				WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < %d)
				INSERT INTO t(id, v) SELECT i, randomblob(200) FROM c;
				INSERT INTO other SELECT id, v FROM t WHERE id < 2000`, c.key, c.suffix, rows))
			m.commit(false)
			m.exec(fmt.Sprintf(c.change, every))
			m.commit(c.snapshot)
			from, to := m.view(1), m.view(2)
			read := func() (bytes, requests int64) {
				for _, v := range []*view.View{from, to} {
					bytes, requests = bytes+v.Stats().Bytes, requests+v.Stats().Requests
				}
				return bytes, requests
			}
			opened, openedBy := read()
			d, err := diff.Compare(t.Context(), from, to, diff.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			for _, table := range d.Tables {
				n, err := d.Count(t.Context(), table)
				if err != nil {
					t.Fatal(err)
				}
				if table.Name == "t" && n != (diff.Counts{Updated: c.updated}) || table.Name != "t" && n != (diff.Counts{}) {
					t.Errorf("%s: %+v", table.Name, n)
				}
			}
			bytes, requests := read()
			percent := 100 * float64(bytes-opened) / float64(len(m.states[1]))
			t.Logf("%d of %d pages changed; %.2f %% read, in %d requests",
				d.Pages.Changed, d.Pages.Total, percent, requests-openedBy)
			if percent > c.most {
				t.Errorf("%.2f %% of the database was read, and %v %% is enough", percent, c.most)
			}
		})
	}
}

// BenchmarkCompare compares two states between which one percent of the pages has changed, and restores
// both. REPLICATE_DIFF_MIB is the size of the database.
func BenchmarkCompare(b *testing.B) {
	size, err := strconv.Atoi(os.Getenv("REPLICATE_DIFF_MIB"))
	if err != nil {
		size = 16
	}
	rows := size * 4500
	m := newMade(b, blob.NewMemory(), "PRAGMA page_size=4096")
	m.exec(fmt.Sprintf(`CREATE TABLE t(id INTEGER PRIMARY KEY, v);
		WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < %d)
		INSERT INTO t(id, v) SELECT i, randomblob(200) FROM c`, rows))
	m.commit(false)
	m.exec("UPDATE t SET v = randomblob(200) WHERE id % 1800 = 0")
	m.commit(false)
	b.Run("compare", func(b *testing.B) {
		for b.Loop() {
			from, to := m.view(1), m.view(2)
			d, err := diff.Compare(b.Context(), from, to, diff.Options{})
			if err != nil {
				b.Fatal(err)
			}
			n, err := d.Count(b.Context(), d.Tables[0])
			if err != nil || n.Updated != int64(rows/1800) {
				b.Fatalf("%+v (%v)", n, err)
			}
			read := from.Stats().Bytes + to.Stats().Bytes
			b.ReportMetric(float64(read)*100/float64(len(m.states[1])), "%read")
			b.ReportMetric(float64(from.Stats().Requests+to.Stats().Requests), "requests")
			if err := d.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("restore both", func(b *testing.B) {
		for b.Loop() {
			for txid := range ltx.TXID(2) {
				path := filepath.Join(b.TempDir(), "db")
				target := restore.Target{TXID: txid + 1}
				if _, err := restore.File(b.Context(), m.client(), target, path, restore.FileOptions{}); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}
