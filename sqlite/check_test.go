package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// database is a closed database with some rows, alone in its directory.
func database(t testing.TB, journal string, page int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "some.db")
	c, err := makeDatabase(t.Context(), path, page, journal)
	must(t, err)
	_, err = c.ExecContext(t.Context(), `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 500)
		INSERT INTO log(word) SELECT randomblob(200) FROM n`)
	must(t, err)
	must(t, c.Close())
	return path
}

// edit changes a database with SQLite, in a way that only it can be told to.
func edit(t *testing.T, path, script string) {
	t.Helper()
	c, err := connect(t.Context(), path, readWrite, "writable_schema(1)")
	must(t, err)
	_, err = c.ExecContext(t.Context(), script)
	must(t, err)
	must(t, c.Close())
}

func TestCheckSound(t *testing.T) {
	for _, journal := range []string{"wal", "delete"} {
		for _, mode := range []CheckMode{CheckNone, CheckQuick, CheckFull} {
			path := database(t, journal, 4096)
			must(t, Check(t.Context(), path, mode))
			wantFiles(t, filepath.Dir(path), "some.db")
		}
	}
}

func TestCheckReadOnlyFile(t *testing.T) {
	path := database(t, "wal", 4096)
	must(t, os.Chmod(path, 0o400))
	must(t, Check(t.Context(), path, CheckFull))
	wantFiles(t, filepath.Dir(path), "some.db")
}

// Damage to each page of a database in turn: a check never passes a database in
// whose trees a page was replaced, and never panics.
func TestCheckDamagedPage(t *testing.T) {
	path := database(t, "wal", 4096)
	good, err := os.ReadFile(path)
	must(t, err)
	for pgno := 3; pgno <= len(good)/4096; pgno++ { // page 2 is auto_vacuum's map
		bad := append([]byte(nil), good...)
		copy(bad[(pgno-1)*4096:], strings.Repeat("damage", 100))
		must(t, os.WriteFile(path, bad, 0o600))
		var damage *CheckError
		if err := Check(t.Context(), path, CheckQuick); !errors.As(err, &damage) {
			t.Errorf("page %d: got %v, want a CheckError", pgno, err)
		}
	}
	wantFiles(t, filepath.Dir(path), "some.db")
}

// Only the full check compares an index with its table.
func TestCheckIndex(t *testing.T) {
	path := database(t, "wal", 4096)
	edit(t, path, `CREATE INDEX balance ON debit(balance); UPDATE sqlite_schema SET name = 'kept' WHERE name = 'balance'`)
	edit(t, path, `UPDATE sqlite_schema SET name = 'balance', sql = 'CREATE INDEX balance ON debit(-balance-7)'
		WHERE name = 'kept'`)
	must(t, Check(t.Context(), path, CheckQuick))
	var damage *CheckError
	if err := Check(t.Context(), path, CheckFull); !errors.As(err, &damage) {
		t.Fatalf("got %v, want a CheckError", err)
	}
	if got := len(damage.Messages); got != maxMessages || !damage.More {
		t.Errorf("got %d messages, more %v, want %d and more", got, damage.More, maxMessages)
	}
	wantEqual(t, damage.Path, path)
	wantEqual(t, damage.Mode, CheckFull)
}

func TestCheckRefuses(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.db")
	must(t, os.WriteFile(path, nil, 0o600))
	if err := Check(t.Context(), path, CheckQuick); !errors.Is(err, ErrEmpty) {
		t.Errorf("an empty file: got %v", err)
	}
	must(t, os.WriteFile(path, []byte(strings.Repeat("no database ", 1000)), 0o600))
	if err := Check(t.Context(), path, CheckQuick); !errors.Is(err, ErrNotDatabase) {
		t.Errorf("another file: got %v", err)
	}
	if err := Check(t.Context(), filepath.Join(dir, "missing"), CheckQuick); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: got %v", err)
	}
	wantFiles(t, dir, "x.db")
	whole := database(t, "wal", 4096)
	if err := Check(t.Context(), whole, CheckMode(7)); err == nil {
		t.Error("an unknown mode is no error")
	}
	must(t, os.WriteFile(whole+"-wal", []byte("content"), 0o600))
	if err := Check(t.Context(), whole, CheckQuick); err == nil || !strings.Contains(err.Error(), "-wal is beside it") {
		t.Errorf("a WAL beside the file: got %v", err)
	}
}

func TestCheckCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Check(ctx, database(t, "wal", 4096), CheckFull); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

func TestCheckErrorText(t *testing.T) {
	for _, c := range []struct {
		messages []string
		more     bool
		want     string
	}{
		{[]string{"bad"}, false, "check database x: bad"},
		{[]string{"bad", "worse"}, false, "check database x: bad (and 1 more)"},
		{[]string{"bad", "worse"}, true, "check database x: bad (and more than 1 others)"},
	} {
		wantEqual(t, (&CheckError{Path: "x", Messages: c.messages, More: c.more}).Error(), c.want)
	}
}

func TestSplit(t *testing.T) {
	long := strings.Repeat("é", maxMessage)
	wantEqual(t, split("ok"), nil)
	wantEqual(t, split("*** in database main ***\nTree 2 page 3: bad\nPage 4: never used"),
		[]string{"Tree 2 page 3: bad", "Page 4: never used"})
	wantEqual(t, split("x"+long), []string{"x" + long[:maxMessage-2] + "..."})
}

func TestCheckModeNames(t *testing.T) {
	for _, m := range []CheckMode{CheckNone, CheckQuick, CheckFull} {
		got, err := ParseCheckMode(m.String())
		must(t, err)
		wantEqual(t, got, m)
	}
	if _, err := ParseCheckMode("fast"); err == nil {
		t.Error("fast is a mode")
	}
	wantEqual(t, fmt.Sprint(CheckMode(9)), "CheckMode(9)")
}
