//go:build realtools

package interop

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// litestream is the binary that an environment variable names.
func litestream(t *testing.T, env, version string) string {
	t.Helper()
	binary := os.Getenv(env)
	if binary == "" {
		t.Fatalf("%s must name the binary of Litestream %s", env, version)
	}
	// What "go install" made knows its version from its build record only.
	record, err := exec.Command("go", "version", "-m", binary).Output()
	if err != nil {
		t.Fatalf("%s: %v", env, err)
	}
	if !strings.Contains(string(record), "\tgithub.com/benbjohnson/litestream\t"+version+"\t") &&
		!strings.Contains(string(run(t, binary, "version")), version) {
		t.Fatalf("%s: %s is not Litestream %s", env, binary, version)
	}
	return binary
}

func litestream05(t *testing.T) string { return litestream(t, "LITESTREAM_05", "v0.5.18") }
func litestream03(t *testing.T) string { return litestream(t, "LITESTREAM_03", "v0.3.13") }

// run returns what a command prints.
func run(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s%s", filepath.Base(name), strings.Join(args, " "), err, &stdout, &stderr)
	}
	return stdout.Bytes()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// restored restores to a new file, which it returns.
func restored(t *testing.T, binary string, args ...string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "restored.db")
	run(t, binary, append([]string{"restore", "-o", out}, args...)...)
	return out
}

func dump(t *testing.T, db string) string {
	t.Helper()
	return string(run(t, "sqlite3", "-readonly", db, ".dump"))
}

func fileSum(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// database is a database with a connection that stays open, as an application's
// would: the last one to close checkpoints and removes the WAL.
type database struct {
	t    *testing.T
	path string
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Scanner
	rows int
}

// The settings are pragmas that have to come before the first table.
func openDatabase(t *testing.T, settings ...string) *database {
	t.Helper()
	db := &database{t: t, path: filepath.Join(t.TempDir(), "app.db")}
	db.cmd = exec.CommandContext(t.Context(), "sqlite3", "-batch", db.path)
	var err error
	db.in, err = db.cmd.StdinPipe()
	must(t, err)
	out, err := db.cmd.StdoutPipe()
	must(t, err)
	db.cmd.Stderr = db.cmd.Stdout
	must(t, db.cmd.Start())
	t.Cleanup(func() { _ = db.cmd.Wait() }) // the context, which has ended by then, kills it
	db.out = bufio.NewScanner(out)
	for _, setting := range settings {
		db.exec("PRAGMA " + setting)
	}
	db.exec("PRAGMA journal_mode = wal; PRAGMA wal_autocheckpoint = 0; PRAGMA busy_timeout = 10000")
	db.exec("CREATE TABLE note (id INTEGER PRIMARY KEY, body TEXT NOT NULL)")
	return db
}

// exec runs statements and waits for them.
func (db *database) exec(sql string) {
	db.t.Helper()
	_, err := fmt.Fprintf(db.in, "%s;\nSELECT '--done--';\n", sql)
	must(db.t, err)
	for db.out.Scan() {
		switch line := db.out.Text(); {
		case line == "--done--":
			return
		case strings.Contains(strings.ToLower(line), "error"):
			db.t.Fatalf("sqlite3: %s", line)
		}
	}
	db.t.Fatalf("sqlite3 has ended: %v", db.out.Err())
}

// insert is one transaction.
func (db *database) insert() {
	db.t.Helper()
	db.rows++
	db.exec(fmt.Sprintf("INSERT INTO note (body) SELECT printf('%%d ', %d) || hex(randomblob(300))", db.rows))
}

// daemon is "litestream replicate".
type daemon struct {
	t   *testing.T
	cmd *exec.Cmd
	log bytes.Buffer
}

func replicate(t *testing.T, binary, config string) *daemon {
	t.Helper()
	path := filepath.Join(t.TempDir(), "litestream.yml")
	must(t, os.WriteFile(path, []byte(config), 0o600))
	ctx, cancel := context.WithCancel(context.Background())
	d := &daemon{t: t, cmd: exec.CommandContext(ctx, binary, "replicate", "-config", path)}
	d.cmd.Stdout, d.cmd.Stderr = &d.log, &d.log
	must(t, d.cmd.Start())
	t.Cleanup(func() { // of a test that has not come to its end
		cancel()
		d.wait()
	})
	return d
}

// stop lets it finish what it has to write.
func (d *daemon) stop() {
	d.t.Helper()
	must(d.t, d.cmd.Process.Signal(syscall.SIGTERM))
	d.wait()
}

func (d *daemon) wait() {
	d.t.Helper()
	if d.cmd.ProcessState != nil {
		return // it has ended
	}
	_ = d.cmd.Wait() // its exit status is 0 or 1, by version
	if d.t.Failed() {
		d.t.Logf("litestream says:\n%s", &d.log)
	}
}

// writeUntil writes transactions until what the daemon made is enough. Between
// them it lets a daemon that looks every 50 ms see each by itself.
func writeUntil(t *testing.T, db *database, what string, enough func() bool) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Minute)
	for tick := time.NewTicker(100 * time.Millisecond); !enough(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("litestream made no %s within five minutes", what)
		}
		db.insert()
	}
}

func countFiles(t *testing.T, pattern string) int {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	must(t, err)
	return len(paths)
}
