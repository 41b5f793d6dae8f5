package diff

import (
	"database/sql"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/replctl/replicate/sqlite/query"
)

// TestOrder: values are in the order in which SQLite has them.
func TestOrder(t *testing.T) {
	values := []any{nil, int64(math.MinInt64), int64(-1), int64(0), int64(1) << 53, int64(1)<<53 + 1, int64(math.MaxInt64),
		-1.5, 0.5, float64(1 << 53), 9.3e18, math.Inf(1), "", "a", "A", "b", "B ", "b ", "b", "ab", "z\x00a", "Z\x00b",
		"z\x00bb", "ä", "Ä", "\uffee", "\U0001F600", "[", "_", []byte{}, []byte("a"), []byte("A"), []byte{0xff}}
	for _, encoding := range []string{"UTF-8", "UTF-16le", "UTF-16be"} {
		for name := range collations {
			db, err := sql.Open("sqlite", ":memory:")
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			db.SetMaxOpenConns(1)
			create := fmt.Sprintf("PRAGMA encoding = '%s'; CREATE TABLE t(v COLLATE %s)", encoding, name)
			if _, err := db.Exec(create); err != nil {
				t.Fatal(err)
			}
			for _, v := range values {
				if _, err := db.Exec("INSERT INTO t VALUES (" + string(query.AppendLiteral(nil, v)) + ")"); err != nil {
					t.Fatal(err)
				}
			}
			rows, err := db.Query("SELECT a.v, b.v, CASE WHEN a.v < b.v THEN -1 ELSE a.v > b.v END FROM t AS a, t AS b " +
				"WHERE a.v IS NOT NULL AND b.v IS NOT NULL")
			if err != nil {
				t.Fatal(err)
			}
			for rows.Next() {
				var a, b any
				var want int
				if err := rows.Scan(&a, &b, &want); err != nil {
					t.Fatal(err)
				}
				if got := compareValues(a, b, name, encoding); got != want {
					t.Errorf("%s, %s: %#v and %#v: got %d, want %d", encoding, name, a, b, got, want)
				}
			}
			if err := rows.Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if !slices.IsSortedFunc([]any{nil, int64(1), "", []byte{}}, func(a, b any) int {
		return compareValues(a, b, binaryCollation, "UTF-8")
	}) {
		t.Error("NULL, numbers, texts and blobs are in another order")
	}
}
