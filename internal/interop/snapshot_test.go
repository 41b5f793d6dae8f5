//go:build realtools

package interop

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSnapshotRestored: Litestream restores what "replctl snapshot" wrote of a closed
// database, also when there is a second one.
func TestSnapshotRestored(t *testing.T) {
	t.Parallel()
	litestream, r := litestream05(t), buildReplctl(t)
	for _, s := range shapes {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			db, replica := filepath.Join(dir, "app.db"), filepath.Join(dir, "replica")
			var dumps []string
			for i, sql := range []string{
				strings.Join(s.settings(), "; PRAGMA ") + "; CREATE TABLE thing (id INTEGER PRIMARY KEY, body BLOB); " + s.rows(50),
				"journal_mode = wal; DELETE FROM thing WHERE id > 20; VACUUM; " + s.rows(3),
			} {
				run(t, "sqlite3", db, "PRAGMA "+sql)
				run(t, string(r), "snapshot", db, replica)
				dumps = append(dumps, dump(t, db))
				txid := fmt.Sprintf("%016x", i+1)
				if dump(t, restored(t, litestream, "file://"+replica)) != dumps[i] {
					t.Errorf("snapshot %s: the restored database is another", txid)
				}
				if fileSum(t, restored(t, litestream, "-txid", txid, "file://"+replica)) != fileSum(t, db) {
					t.Errorf("snapshot %s: the restored file is another", txid)
				}
			}
			if dump(t, restored(t, litestream, "-txid", "0000000000000001", "file://"+replica)) != dumps[0] {
				t.Error("after the second snapshot the first restores to another database")
			}
		})
	}
}

// account is a database in which every transaction moves a sum from one row to
// another, and counts itself.
const account = `PRAGMA journal_mode = wal; PRAGMA busy_timeout = 10000;
BEGIN IMMEDIATE;
CREATE TABLE account (id INTEGER PRIMARY KEY, sum INTEGER, filler BLOB);
CREATE TABLE moved (id INTEGER PRIMARY KEY, sum INTEGER);
CREATE TABLE counter (n INTEGER);
INSERT INTO counter VALUES (0);
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM n WHERE i < 999)
  INSERT INTO account SELECT i, 100, randomblob(2000) FROM n;
COMMIT;
`

const move = `BEGIN IMMEDIATE;
UPDATE account SET sum = sum - 7, filler = randomblob(2000) WHERE id = %d;
INSERT INTO moved (sum) VALUES (7);
UPDATE account SET sum = sum + 7 WHERE id = %d;
UPDATE counter SET n = n + 1;
COMMIT;
`

// startLoad moves sums in another process, without a pause, until the test ends or
// stop is called.
func startLoad(t *testing.T, db string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, "sqlite3", "-batch", db)
	in, err := cmd.StdinPipe()
	must(t, err)
	_, err = io.WriteString(in, account)
	must(t, err)
	must(t, cmd.Start())
	go func() {
		for i := 0; err == nil; i++ { // until the process is gone
			_, err = fmt.Fprintf(in, move, i*17%1000, i*31%1000)
		}
	}()
	stop = func() { cancel(); _ = cmd.Wait() }
	t.Cleanup(stop)
	return stop
}

// moves wants a consistent state, and returns after how many transactions it is.
func moves(t *testing.T, db string) (n int) {
	t.Helper()
	const query = "SELECT (SELECT n FROM counter) || ' ' || (SELECT count(*) FROM moved) || ' ' || " +
		"(SELECT sum(sum) FROM account); " +
		"PRAGMA integrity_check"
	var counted, sum int
	var sound string
	_, err := fmt.Sscan(string(run(t, "sqlite3", "-readonly", db, query)), &n, &counted, &sum, &sound)
	if err != nil || counted != n || sum != 100_000 || sound != "ok" {
		t.Errorf("after %d transactions there are %d rows, a sum of %d; the check says %q, %v", n, counted, sum, sound, err)
	}
	return n
}

// TestSnapshotUnderLoad: what Litestream restores from snapshots of a database that is
// written to all the time is a state that it had.
func TestSnapshotUnderLoad(t *testing.T) {
	t.Parallel()
	litestream, r := litestream05(t), buildReplctl(t)
	dir := t.TempDir()
	db, replica := filepath.Join(dir, "app.db"), filepath.Join(dir, "replica")
	stop := startLoad(t, db)
	counted := func() bool { return exec.Command("sqlite3", "-readonly", db, "SELECT 1/n FROM counter").Run() == nil }
	for deadline := time.Now().Add(time.Minute); !counted(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("after a minute there is no database")
		}
	}
	last := -1
	for i := range 6 {
		before := moves(t, db)
		run(t, string(r), "snapshot", db, replica)
		after := moves(t, db)
		n := moves(t, restored(t, litestream, "file://"+replica))
		if n < before || n > after || n < last {
			t.Errorf(
				"snapshot %d: a state of %d transactions, taken between %d and %d, after one of %d",
				i,
				n,
				before,
				after,
				last,
			)
		}
		last = n
	}
	stop()
	run(t, string(r), "snapshot", db, replica) // of what a killed process left
	if n, want := moves(t, restored(t, litestream, "file://"+replica)), moves(t, db); n != want {
		t.Errorf("of the database as it was left: %d transactions, want %d", n, want)
	}
	t.Logf("%d transactions", last)
}

// TestSnapshotContinued: Litestream replicates on from a snapshot, and replctl writes
// one where Litestream has stopped.
func TestSnapshotContinued(t *testing.T) {
	t.Parallel()
	litestream, r := litestream05(t), buildReplctl(t)
	dir := filepath.Join(t.TempDir(), "replica")
	testSnapshotContinued(t, litestream, r, dir, func(db string) string {
		return config05(db, fmt.Sprintf("{type: file, path: %s, sync-interval: 50ms}", dir))
	})
}

func testSnapshotContinued(t *testing.T, litestream string, r replctl, url string, config func(db string) string) {
	t.Helper()
	l := &lived{t: t, r: r, url: url, db: openDatabase(t), config: filepath.Join(t.TempDir(), "litestream.yml")}
	must(t, os.WriteFile(l.config, []byte(config(l.db.path)), 0o600))
	for _, command := range [][]string{{"snapshot"}, {"snapshot", "--continue"}} {
		l.db.insert()
		run(t, string(r), append(command, l.db.path, url)...)
		l.record()
		l.db.insert() // while nobody looks
		d := replicate(t, litestream, config(l.db.path))
		for range 4 {
			l.db.insert()
			l.record()
		}
		if len(command) > 1 {
			writeUntil(t, l.db, "files of all levels", func() bool { return compacted(l) })
			l.record()
		}
		d.stop()
		if out, err := exec.Command(string(r), "snapshot", l.db.path, url).CombinedOutput(); err == nil ||
			!strings.Contains(string(out), "--continue") {
			t.Errorf("a snapshot on top of a replicator's files: %v, want it refused\n%s", err, out)
		}
	}
	for i := range l.moments {
		m := &l.moments[i]
		l.same(stamp(*m), l.ours(m, "--timestamp", stamp(*m)), l.theirs(m, litestream, "-timestamp", stamp(*m)))
	}
	last := &l.moments[len(l.moments)-1]
	l.same("latest", l.ours(last), l.theirs(last, litestream))
	if problems := l.r.json(t, url, "inspect", "--read", "all").(record)["problems"].([]any); len(problems) > 0 {
		t.Errorf("problems: %v", problems)
	}
}
