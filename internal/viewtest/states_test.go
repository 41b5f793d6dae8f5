package viewtest

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/internal/testreplica"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/restore"
	"github.com/replctl/replicate/replica/view"
	"github.com/replctl/replicate/sqlite"
)

func openView(t testing.TB, src replica.Source, target restore.Target, opts view.Options) *view.View {
	t.Helper()
	v, err := view.Open(t.Context(), src, target, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() })
	return v
}

func handle(t testing.TB, v sqlite.View) *sql.DB {
	t.Helper()
	db, err := sqlite.OpenView(v)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// dump is every row of every table, and the schema.
func dump(ctx context.Context, db *sql.DB) (string, error) {
	out, err := rowsOf(ctx, db, "SELECT name, sql FROM sqlite_schema ORDER BY name")
	if err != nil {
		return "", err
	}
	rows, err := db.QueryContext(ctx, "SELECT name FROM sqlite_schema WHERE type = 'table'")
	if err != nil {
		return "", err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return "", err
		}
		content, err := rowsOf(ctx, db, `SELECT * FROM "`+name+`"`)
		if err != nil {
			return "", err
		}
		out += content
	}
	return out, rows.Err()
}

func rowsOf(ctx context.Context, db *sql.DB, query string) (string, error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	values, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "%v\n", values)
	}
	return b.String(), rows.Err()
}

// TestMoments: at every recorded moment of real replicas, SQL through the view answers as
// over the restored database.
func TestMoments(t *testing.T) {
	for name, layout := range map[string]ltx.Layout{"v0.5": ltx.LayoutFile, "v0.3": ltx.LayoutFile} {
		store := testreplica.Store(t, name)
		c := replica.NewClient("memory", layout, func(context.Context) (blob.Store, error) { return store, nil })
		targets := []restore.Target{{}}
		for _, instant := range testreplica.Expected(t, name).Instants {
			targets = append(targets, restore.Target{Timestamp: instant.At})
		}
		for _, target := range targets {
			var restored bytes.Buffer
			if _, err := restore.To(t.Context(), c, target, &restored, restore.Options{}); err != nil {
				t.Fatal(err)
			}
			want, err := dump(t.Context(), handle(t, bytes.NewReader(restored.Bytes())))
			if err != nil {
				t.Fatal(err)
			}
			db := handle(t, openView(t, c, target, view.Options{}))
			got, err := dump(t.Context(), db)
			if err != nil || got != want || want == "" {
				t.Errorf("%s at %v: %v, a dump of %d bytes, want %d", name, target, err, len(got), len(want))
			}
			var check string
			if err := db.QueryRow("PRAGMA integrity_check").Scan(&check); err != nil || check != "ok" {
				t.Errorf("%s at %v: integrity check: %q, %v", name, target, check, err)
			}
		}
	}
}

// TestPageSizes: random pages of random states of databases of all page sizes.
func TestPageSizes(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for _, pageSize := range []int{512, 1024, 2048, 4096, 8192, 16384, 32768, 65536} {
		d := makeDataset(t, shape{pageSize: pageSize, rows: 300, rounds: 5, perRound: 20, withIndex: true,
			checksums: pageSize == 1024})
		store := blob.NewMemory()
		d.fill(t, store)
		for range 4 {
			txid := rnd.IntN(len(d.states)) + 1
			want := d.states[txid-1]
			v := openView(t, clientOf(store), restore.Target{TXID: ltx.TXID(txid)},
				view.Options{PageCache: 4 * int64(pageSize), ReadAhead: 64 << 10})
			if v.Size() != int64(len(want)) || int(v.PageSize()) != pageSize || int(v.State().TXID) != txid {
				t.Fatalf("page size %d, transaction %d: got %d, %d, %v", pageSize, txid, v.Size(), v.PageSize(), v.State())
			}
			buf := make([]byte, pageSize)
			for range 32 {
				off := rnd.Int64N(int64(len(want)/pageSize)) * int64(pageSize)
				if _, err := v.ReadAt(buf, off); err != nil || !bytes.Equal(buf, want[off:off+int64(pageSize)]) {
					t.Errorf("page size %d, transaction %d: the page at %d differs: %v", pageSize, txid, off, err)
				}
			}
			all, err := io.ReadAll(io.NewSectionReader(v, 0, v.Size()))
			if err != nil || !bytes.Equal(all, want) {
				t.Errorf("page size %d, transaction %d: the file differs: %v", pageSize, txid, err)
			}
		}
	}
}
