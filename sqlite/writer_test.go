package sqlite

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"testing"
)

// A plan is what a writer process does to a database.
type plan struct {
	Path    string
	Journal string // journal mode
	Page    int    // page size
	Seed    uint64
	Spill   bool // end in the middle of a transaction that has reached the disk
	Commits int  // with Spill: before that
}

// runWriter is the main function of a writer process. It writes a line per
// commit, and ends when its standard input does.
func runWriter(text string) int {
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	var p plan
	err := json.Unmarshal([]byte(text), &p)
	if err == nil {
		err = p.run()
	}
	fmt.Println("error", err)
	return 1
}

func (p plan) run() error {
	ctx := context.Background()
	c, err := makeDatabase(ctx, p.Path, p.Page, p.Journal)
	if err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(p.Seed, 1))
	for i := 0; !p.Spill || i < p.Commits; i++ {
		if err := commit(ctx, c, random); err != nil {
			return err
		}
		if p.Journal == "wal" && i%7 == 6 && !p.Spill {
			if err := checkpoint(ctx, c, random); err != nil {
				return err
			}
		}
		fmt.Println("commit")
	}
	if err := spill(ctx, c); err != nil {
		return err
	}
	fmt.Println("commit")
	select {} // to be killed
}

// makeDatabase makes the tables of the invariant: the balances of both accounts
// tables add up to zero, and counter holds the rows of log.
func makeDatabase(ctx context.Context, path string, page int, journal string) (*connection, error) {
	c, err := connect(ctx, path, "mode=rwc", "busy_timeout(60000)", fmt.Sprintf("page_size(%d)", page),
		"auto_vacuum(full)", "journal_mode("+journal+")", "synchronous(off)", "wal_autocheckpoint(10)")
	if err != nil {
		return nil, err
	}
	_, err = c.ExecContext(ctx, `
		BEGIN IMMEDIATE;
		CREATE TABLE debit(id INTEGER PRIMARY KEY, balance INTEGER);
		CREATE TABLE credit(id INTEGER PRIMARY KEY, balance INTEGER);
		CREATE TABLE log(id INTEGER PRIMARY KEY, word BLOB);
		CREATE INDEX word ON log(substr(word, 1, 16));
		CREATE TABLE counter(rows INTEGER, commits INTEGER);
		INSERT INTO counter VALUES (0, 0);
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 200)
			INSERT INTO debit SELECT i, 0 FROM n;
		INSERT INTO credit SELECT * FROM debit;
		COMMIT`)
	return c, err
}

// commit is a transaction that keeps the invariant.
func commit(ctx context.Context, c *connection, random *rand.Rand) error {
	n, rows := random.IntN(1000), 1+random.IntN(8)
	script := fmt.Sprintf(`
		BEGIN IMMEDIATE;
		UPDATE debit SET balance = balance - %[1]d WHERE id = %[2]d;
		UPDATE credit SET balance = balance + %[1]d WHERE id = %[3]d;
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < %[4]d)
			INSERT INTO log(word) SELECT randomblob(20 + abs(random()) %% 3000) FROM n;
		DELETE FROM log WHERE id %% 40 = %[5]d AND (SELECT count(*) FROM log) > 200;
		UPDATE counter SET rows = (SELECT count(*) FROM log), commits = commits + 1;
		COMMIT`, n, 1+random.IntN(200), 1+random.IntN(200), rows, random.IntN(40))
	_, err := c.ExecContext(ctx, script)
	return err
}

// checkpoint runs a checkpoint that gives up, rather than wait, where readers are
// in its way.
func checkpoint(ctx context.Context, c *connection, random *rand.Rand) error {
	mode := []string{"PASSIVE", "RESTART", "TRUNCATE"}[random.IntN(3)]
	_, err := c.ExecContext(ctx, `
		PRAGMA busy_timeout = 0;
		PRAGMA wal_checkpoint(`+mode+`);
		PRAGMA busy_timeout = 60000`)
	return err
}

// spill begins a transaction against the invariant that is too large for the
// cache, so that its pages are in the file, or in the WAL, before any commit.
func spill(ctx context.Context, c *connection) error {
	_, err := c.ExecContext(ctx, `
		PRAGMA cache_size = 5;
		PRAGMA synchronous = normal;
		BEGIN IMMEDIATE;
		UPDATE debit SET balance = 12345;
		UPDATE log SET word = randomblob(2000);
		DELETE FROM credit`)
	return err
}

// A writer is a process that writes to a database.
type writer struct {
	t     *testing.T
	cmd   *exec.Cmd
	stdin io.Closer

	mu      sync.Mutex
	changed sync.Cond
	commits int
	ended   string // its last words
}

func startWriter(t *testing.T, p plan) *writer {
	t.Helper()
	text, err := json.Marshal(p)
	must(t, err)
	exe, err := os.Executable()
	must(t, err)
	w := &writer{t: t, cmd: exec.Command(exe)}
	w.changed.L = &w.mu
	w.cmd.Env = append(os.Environ(), writerVariable+"="+string(text))
	w.cmd.Stderr = os.Stderr
	w.stdin, err = w.cmd.StdinPipe()
	must(t, err)
	stdout, err := w.cmd.StdoutPipe()
	must(t, err)
	must(t, w.cmd.Start())
	go w.follow(stdout)
	t.Cleanup(w.kill)
	return w
}

func (w *writer) follow(stdout io.Reader) {
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		w.mu.Lock()
		if lines.Text() == "commit" {
			w.commits++
		} else {
			w.ended = lines.Text()
		}
		w.mu.Unlock()
		w.changed.Broadcast()
	}
	w.mu.Lock()
	w.ended += "."
	w.mu.Unlock()
	w.changed.Broadcast()
}

// await waits until the writer has told of its n-th transaction.
func (w *writer) await(n int) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.commits < n {
		if w.ended != "" {
			w.t.Fatalf("the writer ended: %s", w.ended)
		}
		w.changed.Wait()
	}
}

// kill kills the writer as a crash would, and waits until it is gone.
func (w *writer) kill() {
	if w.cmd.ProcessState == nil {
		w.cmd.Process.Kill()
		w.cmd.Wait()
		w.stdin.Close()
	}
}
