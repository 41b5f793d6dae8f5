package sqlite_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/replctl/replicate/sqlite"
)

// made is the content of a database file that SQL has made.
func made(t testing.TB, script ...string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "made.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range script {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func rowsOf(n int) string {
	return fmt.Sprintf(`CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT);
		WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c WHERE i < %d)
		INSERT INTO t SELECT i, hex(randomblob(50)) FROM c`, n)
}

func openView(t testing.TB, views ...sqlite.NamedView) *sql.DB {
	t.Helper()
	db, err := sqlite.OpenViews(sqlite.ViewOptions{TempDir: t.TempDir()}, views...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func TestViewAnswers(t *testing.T) {
	content := made(t, "PRAGMA journal_mode=WAL", rowsOf(1000))
	if content[18] != 2 {
		t.Fatalf("the database is not in WAL mode: %d", content[18])
	}
	db, err := sqlite.OpenView(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			var n, schema int
			var check string
			err := errors.Join(db.QueryRow("SELECT count(*) FROM t WHERE id > ?", 10).Scan(&n),
				db.QueryRow("SELECT count(*) FROM sqlite_schema").Scan(&schema),
				db.QueryRow("PRAGMA integrity_check").Scan(&check))
			if err != nil || n != 990 || schema != 1 || check != "ok" {
				t.Errorf("got %d rows, %d tables, %q, %v", n, schema, check, err)
			}
		})
	}
	wg.Wait()
}

// TestViewRefuses: no SQL writes to the view, or makes a file.
func TestViewRefuses(t *testing.T) {
	dir := t.TempDir()
	db := openView(t, sqlite.NamedView{Name: "main", View: bytes.NewReader(made(t, rowsOf(10)))})
	file := filepath.Join(dir, "made.db")
	for _, write := range []string{"INSERT INTO t VALUES (99, 'x')", "DROP TABLE t", "CREATE TABLE u(x)", "VACUUM",
		"UPDATE t SET v = 1", "PRAGMA user_version = 7; CREATE INDEX i ON t(v)"} {
		if _, err := db.Exec(write); !errors.Is(err, sqlite.ErrReplica) {
			t.Errorf("%s: %v", write, err)
		}
	}
	for _, attach := range []string{"ATTACH '%s' AS x", "ATTACH 'file:%s?vfs=unix&mode=rwc' AS x", "VACUUM INTO '%s'",
		"VACUUM INTO 'file:%s?vfs=unix'", "ATTACH ':memory:' AS x", "ATTACH '' AS x"} {
		query := attach
		if strings.Contains(attach, "%s") {
			query = fmt.Sprintf(attach, file)
		}
		if _, err := db.Exec(query); !errors.Is(err, sqlite.ErrReplica) || !strings.Contains(err.Error(), "attached") {
			t.Errorf("%s: %v", query, err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) > 0 {
		t.Errorf("files were made: %v, %v", entries, err)
	}
	if _, err := db.Exec("CREATE TEMP TABLE mine AS SELECT * FROM t"); err != nil {
		t.Errorf("temporary table: %v", err)
	}
}

// TestViewSorts: a sort that does not fit in SQLite's memory goes to a file without a name.
func TestViewSorts(t *testing.T) {
	dir := t.TempDir()
	content := made(t, rowsOf(200_000))
	opts := sqlite.ViewOptions{TempDir: dir}
	db, err := sqlite.OpenViews(opts, sqlite.NamedView{Name: "main", View: bytes.NewReader(content)})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query("SELECT v FROM t ORDER BY v")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n, last := 0, ""
	for ; rows.Next(); n++ {
		var v string
		if err := rows.Scan(&v); err != nil || v < last {
			t.Fatalf("row %d: %q after %q, %v", n, v, last, err)
		}
		last = v
	}
	if rows.Err() != nil || n != 200_000 {
		t.Errorf("%d rows, %v", n, rows.Err())
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("left in the directory for temporary files: %v, %v", entries, err)
	}
}

// failing fails from a number of reads on.
type failing struct {
	*bytes.Reader
	left atomic.Int64
	err  error
}

func (f *failing) ReadAt(p []byte, off int64) (int, error) {
	if f.left.Add(-1) < 0 {
		return 0, f.err
	}
	return f.Reader.ReadAt(p, off)
}

// TestViewFails: whichever read fails, the statement fails with that read's error.
func TestViewFails(t *testing.T) {
	cause := errors.New("access denied")
	content := made(t, rowsOf(1000), "CREATE INDEX i ON t(v)")
	for _, query := range []string{"SELECT count(*), max(v) FROM t", "PRAGMA integrity_check",
		"SELECT v FROM t ORDER BY v", "PRAGMA quick_check"} {
		for n := int64(0); ; n++ {
			v := &failing{Reader: bytes.NewReader(content), err: cause}
			v.left.Store(n)
			err := drain(openView(t, sqlite.NamedView{Name: "main", View: v}), query)
			if v.left.Load() >= 0 {
				if err != nil {
					t.Errorf("%s: %v", query, err)
				}
				break
			}
			if !errors.Is(err, cause) {
				t.Fatalf("%s: read %d failed, got %v", query, n, err)
			}
		}
	}
}

func drain(db *sql.DB, query string) error {
	defer db.Close()
	rows, err := db.Query(query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
	}
	return rows.Err()
}

// stuck reads nothing until the context ends, once told.
type stuck struct {
	*bytes.Reader
	on    atomic.Bool
	reads chan struct{}
}

func (s *stuck) ReadAtContext(ctx context.Context, p []byte, off int64) (int, error) {
	if s.on.Load() {
		s.reads <- struct{}{}
		<-ctx.Done()
		return 0, context.Cause(ctx)
	}
	return s.ReadAt(p, off)
}

// TestViewCancel: the end of a statement's context ends the read that it waits for.
func TestViewCancel(t *testing.T) {
	v := &stuck{Reader: bytes.NewReader(made(t, rowsOf(50_000))), reads: make(chan struct{})}
	db := openView(t, sqlite.NamedView{Name: "main", View: v})
	if err := db.Ping(); err != nil {
		t.Fatal(err)
	}
	v.on.Store(true)
	cause := errors.New("interrupted")
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		<-v.reads
		cancel(cause)
	}()
	var n int
	if err := db.QueryRowContext(ctx, "SELECT count(v) FROM t").Scan(&n); !errors.Is(err, cause) &&
		!errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	v.on.Store(false)
	if err := db.QueryRow("SELECT count(v) FROM t").Scan(&n); err != nil || n != 50_000 {
		t.Errorf("afterwards: %d, %v", n, err)
	}
}

// TestViewsCompare: two states in one statement.
func TestViewsCompare(t *testing.T) {
	a := made(t, rowsOf(10))
	b := made(t, rowsOf(13))
	db := openView(t, sqlite.NamedView{Name: "main", View: bytes.NewReader(a)},
		sqlite.NamedView{Name: `it's "later"`, View: bytes.NewReader(b)})
	for range 3 { // connections
		conn, err := db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		var n int
		query := `SELECT count(*) FROM "it's ""later""".t WHERE id NOT IN (SELECT id FROM main.t)`
		if err := conn.QueryRowContext(t.Context(), query).Scan(&n); err != nil || n != 3 {
			t.Errorf("got %d, %v", n, err)
		}
		if _, err := conn.ExecContext(t.Context(), "ATTACH ':memory:' AS y"); err == nil {
			t.Error("a third database was attached")
		}
	}
	if _, err := sqlite.OpenViews(sqlite.ViewOptions{}); err == nil {
		t.Error("no view was opened")
	}
	if _, err := sqlite.OpenView(nil); err == nil {
		t.Error("nil was opened")
	}
}
