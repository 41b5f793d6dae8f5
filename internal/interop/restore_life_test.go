//go:build realtools

package interop

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// shape is how a database is laid out.
type shape struct {
	pageSize   int // bytes
	autoVacuum string
}

// shapes are the extremes of page sizes, and all that SQLite does with free pages.
var shapes = []shape{{512, "full"}, {1024, "incremental"}, {4096, "none"}, {65536, "full"}}

func (s shape) String() string { return fmt.Sprintf("%d-%s", s.pageSize, s.autoVacuum) }

func (s shape) settings() []string {
	return []string{fmt.Sprintf("page_size = %d", s.pageSize), "auto_vacuum = " + s.autoVacuum}
}

// rows are statements that insert n rows, each in some pages of its own where
// pages are small.
func (s shape) rows(n int) string {
	return fmt.Sprintf(
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < %d) "+
			"INSERT INTO thing (body) SELECT randomblob(%d + i) FROM n",
		n,
		min(3*s.pageSize, 6000),
	)
}

// pause is where the replicator is stopped, and the WAL emptied behind its back:
// v0.3 begins a new generation then.
const pause = ""

// life is what happens to a database; after each step its state is recorded.
func (s shape) life() [][]string {
	small := []string{s.rows(3), s.rows(1), s.rows(4), s.rows(1), s.rows(6), s.rows(2)}
	return [][]string{
		{
			"CREATE TABLE thing (id INTEGER PRIMARY KEY, body BLOB)",
			"CREATE INDEX thing_body ON thing (substr(body, 1, 9))",
			s.rows(90),
		},
		small,
		{"UPDATE thing SET body = randomblob(length(body) / 2) WHERE id % 3 = 0"},
		{"DELETE FROM thing WHERE id > 40 OR id % 5 = 0", "PRAGMA incremental_vacuum"},
		{"VACUUM", s.rows(2)},
		{pause},
		append(small, "CREATE TABLE other AS SELECT * FROM thing", "DELETE FROM thing"),
		{"DROP TABLE other", "VACUUM"},
		small,
	}
}

// moment is what a database was at a time at which nothing happened.
type moment struct {
	at   time.Time
	dump string
	last bool // before the replicator was stopped
}

// lived is a replica with the moments of its database.
type lived struct {
	t       *testing.T
	r       replctl
	url     string
	config  string // path of Litestream's
	db      *database
	moments []moment
}

// live has Litestream replicate a database through its life, and on until the
// replica has enough of what only time brings.
func live(
	t *testing.T,
	litestream string,
	r replctl,
	s shape,
	url string,
	config func(db string) string,
	enough func(l *lived) bool,
) *lived {
	t.Helper()
	l := &lived{
		t:      t,
		r:      r,
		url:    url,
		db:     openDatabase(t, s.settings()...),
		config: filepath.Join(t.TempDir(), "litestream.yml"),
	}
	must(t, os.WriteFile(l.config, []byte(config(l.db.path)), 0o600))
	d := replicate(t, litestream, config(l.db.path))
	for _, step := range s.life() {
		for _, sql := range step {
			if sql == pause {
				l.until(enough)
				d.stop()
				l.moments[len(l.moments)-1].last = true
				l.db.exec("PRAGMA wal_checkpoint(TRUNCATE)")
				l.db.insert()
				d = replicate(t, litestream, config(l.db.path))
			}
			l.db.exec(sql)
			time.Sleep(60 * time.Millisecond) // a daemon that looks every 50 ms may see each by itself
		}
		l.record()
	}
	for range 3 {
		l.until(enough)
	}
	d.stop()
	l.moments[len(l.moments)-1].last = true
	return l
}

// until writes, until the replica has enough, and records the state.
func (l *lived) until(enough func(l *lived) bool) {
	l.t.Helper()
	l.db.insert()
	writeUntil(l.t, l.db, "replica as it was wanted", func() bool { return enough(l) })
	l.record()
}

// contents is the dump without Litestream's own tables, which it writes to when
// it likes.
func contents(t *testing.T, db string) string {
	t.Helper()
	var kept strings.Builder
	for line := range strings.Lines(dump(t, db)) {
		if !strings.Contains(line, " _litestream_") {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

// record waits until the replica has the database's state, which by that is
// restored while Litestream writes, and for a time of which only this is true.
func (l *lived) record() {
	l.t.Helper()
	m := moment{dump: contents(l.t, l.db.path)}
	out := filepath.Join(l.t.TempDir(), "caught-up.db")
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		said, err := exec.Command(string(l.r), "restore", "--force", "-o", out, l.url).CombinedOutput()
		if err == nil && contents(l.t, out) == m.dump {
			break
		}
		if time.Now().After(deadline) {
			l.t.Fatalf("after a minute the replica has not the state of the database: restore said %s", said)
		}
	}
	const quiet = 30 * time.Millisecond // objects have their times in milliseconds
	time.Sleep(quiet)
	m.at = time.Now()
	time.Sleep(quiet)
	l.moments = append(l.moments, m)
}

// ours restores with replctl, and wants a state, unless that is nil.
func (l *lived) ours(want *moment, flags ...string) []byte {
	l.t.Helper()
	return l.restored(want, string(l.r), append(flags, l.url)...)
}

// theirs restores with Litestream, by its configuration: v0.3 takes no endpoint
// from a URL.
func (l *lived) theirs(want *moment, litestream string, flags ...string) []byte {
	l.t.Helper()
	return l.restored(want, litestream, append(flags, "-config", l.config, l.db.path)...)
}

func (l *lived) restored(want *moment, binary string, args ...string) []byte {
	l.t.Helper()
	out := restored(l.t, binary, args...)
	content, err := os.ReadFile(out) // before SQLite opens it
	must(l.t, err)
	if want != nil && contents(l.t, out) != want.dump {
		l.t.Errorf(
			"%s restore %s: another state than that of %v",
			filepath.Base(binary),
			strings.Join(args, " "),
			want.at.UTC(),
		)
	}
	must(l.t, os.Remove(out))
	return content
}

// same compares what both have restored.
func (l *lived) same(what string, ours, theirs []byte) {
	l.t.Helper()
	if !bytes.Equal(ours, theirs) {
		l.t.Errorf("%s: litestream restores another file, of %d bytes, than ours of %d", what, len(theirs), len(ours))
	}
}

// plan is replctl's for a moment.
func (l *lived) plan(m moment) record {
	l.t.Helper()
	return decoded(l.t, run(l.t, string(l.r), "plan", "--json", "--timestamp", stamp(m), l.url)).(record)
}

func stamp(m moment) string { return m.at.UTC().Format(time.RFC3339Nano) }
