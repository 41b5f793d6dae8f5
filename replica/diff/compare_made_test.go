package diff_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/restore"
	"github.com/replctl/replicate/replica/view"
)

// made is a replica of a database that a test makes: a file for each transaction.
type made struct {
	t      testing.TB
	db     *sql.DB
	path   string
	store  blob.Store
	states [][]byte // after each transaction
}

func newMade(t testing.TB, store blob.Store, pragmas string) *made {
	t.Helper()
	m := &made{t: t, store: store, path: filepath.Join(t.TempDir(), "db")}
	db, err := sql.Open("sqlite", "file:"+m.path+"?_pragma=synchronous(0)&_pragma=journal_mode(memory)")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	m.db = db
	m.exec(pragmas)
	return m
}

func (m *made) exec(statements string, args ...any) {
	m.t.Helper()
	if _, err := m.db.Exec(statements, args...); err != nil {
		m.t.Fatalf("%.300s: %v", statements, err)
	}
}

// commit adds the file of a transaction: a snapshot where asked for, and else the changed pages.
func (m *made) commit(snapshot bool) {
	m.t.Helper()
	now, err := os.ReadFile(m.path)
	if err != nil {
		m.t.Fatal(err)
	}
	m.states = append(m.states, now)
	last := ltx.TXID(len(m.states))
	if last == 1 {
		m.write(ltx.SnapshotLevel, 1, 1)
		return
	}
	m.write(0, last, last)
	if snapshot {
		m.write(ltx.SnapshotLevel, 1, last)
	}
}

// write writes the file of some transactions.
func (m *made) write(level int, from, to ltx.TXID) {
	m.t.Helper()
	now := m.states[to-1]
	size := pageSizeOf(now)
	at := time.UnixMilli(1_700_000_000_000 + int64(to)*1000)
	opts := ltx.SnapshotOptions{MinTXID: from, TXID: to, Time: at, PageSize: uint32(size), Commit: uint32(len(now) / size)}
	page := func(pgno uint32, buf []byte) error {
		copy(buf, now[int(pgno-1)*size:])
		return nil
	}
	var b bytes.Buffer
	var err error
	if opts.Checksum = from == 1; opts.Checksum {
		_, err = ltx.WriteSnapshot(&b, opts, page)
	} else {
		_, err = ltx.WriteDelta(&b, opts, changedPages(size, m.states[from-2], now), page)
	}
	if err != nil {
		m.t.Fatal(err)
	}
	meta := map[string]string{replica.MetadataTimestamp: at.UTC().Format(time.RFC3339Nano)}
	key := ltx.LayoutS3.Key(level, from, to)
	_, err = m.store.Write(m.t.Context(), key, &b, blob.WriteOptions{ModTime: at, Metadata: meta})
	if err != nil {
		m.t.Fatal(err)
	}
}

func pageSizeOf(db []byte) int {
	if size := int(db[16])<<8 | int(db[17]); size != 1 {
		return size
	}
	return 65536
}

func changedPages(size int, before, now []byte) (pgnos []uint32) {
	for at := 0; at < len(now); at += size {
		if at+size > len(before) || !bytes.Equal(before[at:at+size], now[at:at+size]) {
			pgnos = append(pgnos, uint32(at/size+1))
		}
	}
	return pgnos
}

func (m *made) client() *replica.Client {
	return replica.NewClient("made", ltx.LayoutS3, func(context.Context) (blob.Store, error) { return m.store, nil })
}

func (m *made) view(txid int) *view.View {
	m.t.Helper()
	v, err := view.Open(m.t.Context(), m.client(), restore.Target{TXID: ltx.TXID(txid)}, view.Options{})
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { v.Close() })
	return v
}

// history makes random changes.
type history struct {
	*made
	rng    *rand.Rand
	vacuum bool
	names  int
}

// tables are the definitions of a history's tables.
var tables = []string{
	`CREATE TABLE plain(a TEXT, b BLOB, at DATETIME)`,
	`CREATE TABLE ided(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT COLLATE NOCASE UNIQUE, body BLOB)`,
	`CREATE TABLE keyed(k TEXT COLLATE NOCASE, n INTEGER, v BLOB, PRIMARY KEY(k, n)) WITHOUT ROWID`,
	`CREATE TABLE trimmed(k TEXT, n REAL, v, PRIMARY KEY(n DESC, k COLLATE RTRIM)) WITHOUT ROWID`,
	`CREATE TABLE simple(k PRIMARY KEY, v BLOB) WITHOUT ROWID`,
	`CREATE TABLE computed(a INTEGER, b INTEGER AS (a*2) STORED, c AS (a+1), d BLOB, UNIQUE(a))`,
	`CREATE TABLE child(id INTEGER PRIMARY KEY, of INTEGER REFERENCES ided(id) ON DELETE CASCADE, "odd ""name" BLOB)`,
	`CREATE TABLE named(rowid TEXT, oid TEXT, v BLOB)`,
	`CREATE VIRTUAL TABLE docs USING fts5(body)`,
}

// columns are those that a row is made of.
var columns = map[string]string{
	"plain": "a, b, at", "ided": "name, body", "keyed": "k, n, v", "trimmed": "k, n, v", "simple": "k, v",
	"computed": "a, d", "child": `of, "odd ""name"`, "named": "rowid, oid, v", "docs": "body",
}

func newHistory(t testing.TB, seed uint64) *history {
	rng := rand.New(rand.NewPCG(seed, 18))
	pick := func(of ...string) string { return of[rng.IntN(len(of))] }
	pragmas := fmt.Sprintf("PRAGMA page_size=%s; PRAGMA encoding='%s'; PRAGMA auto_vacuum=%s;",
		pick("512", "1024", "4096"), pick("UTF-8", "UTF-8", "UTF-8", "UTF-16le", "UTF-16be"), pick("0", "0", "1", "2"))
	h := &history{made: newMade(t, blob.NewMemory(), pragmas), rng: rng, vacuum: rng.IntN(3) == 0}
	for _, i := range rng.Perm(len(tables))[:4+rng.IntN(5)] {
		h.exec(tables[i])
	}
	h.exec("BEGIN")
	for range 2 + rng.IntN(3) {
		for _, name := range h.list("table") {
			h.insert(name, 5+h.rng.IntN(60))
		}
	}
	h.exec("COMMIT")
	h.commit(false)
	return h
}

// list is the objects of a kind that the history has made.
func (h *history) list(kind string) (names []string) {
	rows, err := h.db.Query(`SELECT name FROM sqlite_schema WHERE type = ? AND name NOT LIKE 'sqlite_%'
		AND name NOT LIKE 'docs_%' ORDER BY name`, kind)
	if err != nil {
		h.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			h.t.Fatal(err)
		}
		names = append(names, name)
	}
	return names
}

func (h *history) value() any {
	texts := []string{"", "a", "A", "b ", "b", "ä", "z\x00z", "it's", "\r\n", "Zz", "zz", "\U0001F600", "\uffee"}
	switch h.rng.IntN(6) {
	case 0:
		return nil
	case 1:
		return h.rng.Int64N(1 << h.rng.IntN(62))
	case 2:
		return h.rng.NormFloat64() * 1e10
	case 3:
		return texts[h.rng.IntN(len(texts))] + texts[h.rng.IntN(len(texts))]
	case 4:
		return h.blob(h.rng.IntN(40))
	}
	return h.blob(h.rng.IntN(3000))
}

func (h *history) blob(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(h.rng.Uint32())
	}
	return b
}

func (h *history) insert(table string, n int) {
	list := columns[table]
	if list == "" {
		return
	}
	marks := strings.Repeat(",?", strings.Count(list, ",")+1)[1:]
	for range n {
		args := make([]any, strings.Count(list, ",")+1)
		for i := range args {
			args[i] = h.value()
		}
		switch table {
		case "keyed", "trimmed":
			args[0], args[1] = fmt.Sprint(h.value()), h.rng.IntN(1000)
			if s, ok := args[2].([]byte); ok && h.rng.IntN(9) == 0 {
				args[0] = fmt.Sprintf("%x", s) // keys over overflow pages
			}
		case "simple":
			args[0] = h.value()
			if args[0] == nil {
				args[0] = h.rng.Int64()
			}
		case "docs":
			args[0] = fmt.Sprintf("word%d and %x", h.rng.IntN(100), h.blob(h.rng.IntN(30)))
		}
		h.exec("INSERT OR IGNORE INTO "+table+"("+list+") VALUES("+marks+")", args...)
	}
}

// change makes some changes of one transaction.
func (h *history) change() {
	h.exec("BEGIN")
	for range 1 + h.rng.IntN(4) {
		h.changeOne()
	}
	h.exec("COMMIT")
	switch h.rng.IntN(12) {
	case 0:
		if h.vacuum {
			h.exec("VACUUM")
		}
	case 1, 2:
		h.exec("PRAGMA incremental_vacuum(3)")
	}
	h.commit(h.rng.IntN(6) == 0)
	if n := ltx.TXID(len(h.states)); n > 4 && h.rng.IntN(4) == 0 {
		h.write(1, n-2, n)
	}
}

func (h *history) changeOne() {
	all := h.list("table")
	if len(all) == 0 {
		h.schema("")
		return
	}
	name := all[h.rng.IntN(len(all))]
	where := fmt.Sprintf(" WHERE abs(random() %% 100) < %d", 1+h.rng.IntN(10))
	if list := columns[name]; list != "" {
		// random() of SQLite is not seeded: a row is chosen by its number in the table
		where = fmt.Sprintf(" WHERE (SELECT count(*) FROM %s) > 0 AND %s", name, h.some(name))
	}
	switch h.rng.IntN(8) {
	case 0, 1:
		h.insert(name, 1+h.rng.IntN(20))
	case 2:
		h.exec("DELETE FROM " + name + where)
	case 3, 4:
		h.update(name, where)
	case 5: // of overflow pages only
		if last := lastColumn(name); last != "" && name != "docs" {
			h.exec(fmt.Sprintf(`UPDATE %s SET %s = CAST(substr(%[2]s, 1, length(%[2]s) - 2) || x'0102' AS BLOB)
				%s AND typeof(%[2]s) = 'blob'`, name, last, where))
		}
	default:
		h.schema(name)
	}
}

func lastColumn(table string) string {
	list := strings.Split(columns[table], ", ")
	return list[len(list)-1]
}

// some is a condition that some rows meet, always the same ones.
func (h *history) some(table string) string {
	n, m := 2+h.rng.IntN(12), h.rng.IntN(2)
	switch table {
	case "keyed", "trimmed":
		return fmt.Sprintf("CAST(n AS INTEGER) %% %d = %d", n, m)
	case "simple":
		return fmt.Sprintf("length(v) %% %d = %d", n, m)
	case "named":
		return fmt.Sprintf("_rowid_ %% %d = %d", n, m)
	}
	return fmt.Sprintf("rowid %% %d = %d", n, m)
}

func (h *history) update(name, where string) {
	last := lastColumn(name)
	if last == "" {
		return
	}
	v := h.value()
	if name == "docs" {
		v = "other words"
	}
	if name == "keyed" && h.rng.IntN(3) == 0 {
		h.exec("UPDATE keyed SET k = upper(k)" + where)
	}
	h.exec("UPDATE OR IGNORE "+name+" SET "+last+" = ?"+where, v)
}

// schema changes the schema.
func (h *history) schema(table string) {
	h.names++
	drop := func(kind string) {
		if names := h.list(kind); len(names) > 0 {
			h.exec(fmt.Sprintf(`DROP %s "%s"`, kind, names[h.rng.IntN(len(names))]))
		}
	}
	name := fmt.Sprintf("made%d", h.names)
	switch last := lastColumn(table); h.rng.IntN(12) {
	case 0:
		for _, i := range h.rng.Perm(len(tables)) {
			if made := strings.Fields(strings.ReplaceAll(tables[i], "(", " ")); made[2] != "TABLE" && columns[made[2]] != "" {
				h.exec(strings.Replace(tables[i], "CREATE TABLE", "CREATE TABLE IF NOT EXISTS", 1))
				h.insert(made[2], h.rng.IntN(20))
				break
			}
		}
	case 1:
		if table != "ided" && table != "" {
			h.exec("DROP TABLE " + table)
		}
	case 2, 3:
		if last != "" && table != "docs" {
			h.exec(fmt.Sprintf("CREATE INDEX %s ON %s(%s)", name, table, last))
		}
	case 4:
		drop("index")
	case 5:
		h.exec(fmt.Sprintf("CREATE VIEW %s AS SELECT 1 AS x -- %s\n;", name, name))
	case 6:
		drop("view")
	case 7:
		if last != "" && table != "docs" { // it acts on what a script writes, unless that drops it
			h.exec(fmt.Sprintf("CREATE TRIGGER %s AFTER INSERT ON %s BEGIN DELETE FROM %[2]s WHERE %s IS NULL; END",
				name, table, last))
		}
	case 8:
		drop("trigger")
	case 9:
		if table != "docs" && table != "" {
			h.exec(fmt.Sprintf("ALTER TABLE %s ADD COLUMN %s TEXT DEFAULT 'x'", table, name))
		}
	case 10:
		h.exec(fmt.Sprintf("PRAGMA user_version = %d", h.names))
	case 11:
		h.exec(fmt.Sprintf("CREATE TABLE %s(x INTEGER PRIMARY KEY, y); INSERT INTO %s VALUES(1, 2), (3, 4)", name, name))
	}
}
