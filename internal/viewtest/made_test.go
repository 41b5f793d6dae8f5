package viewtest

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
)

// shape is how a database is made.
type shape struct {
	pageSize  int
	rows      int
	rounds    int // of changes, each of which is a file
	perRound  int // rows changed
	withIndex bool
	checksums bool
}

// dataset is a replica that was made, and the database that it has.
type dataset struct {
	objects map[string][]byte
	times   map[string]time.Time
	db      []byte
	pages   int
	states  [][]byte // the database after each transaction, if it is small
}

const begin = 1_700_000_000_000 // ms

// make makes a database and its replica: a snapshot of transaction 1, and a file of level 0
// for each round.
func makeDataset(t testing.TB, s shape) *dataset {
	t.Helper()
	d := &dataset{objects: map[string][]byte{}, times: map[string]time.Time{}}
	path := filepath.Join(t.TempDir(), "made.db")
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=synchronous(0)&_pragma=cache_size(-100000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	exec := func(format string, args ...any) {
		t.Helper()
		if _, err := db.Exec(fmt.Sprintf(format, args...)); err != nil {
			t.Fatal(err)
		}
	}
	exec("PRAGMA page_size=%d", s.pageSize)
	exec("CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT, note TEXT)")
	exec(`WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c WHERE i < %d)
		INSERT INTO users SELECT i, 'user ' || (i * 7919 %% %d), hex(randomblob(150)) FROM c`, s.rows, s.rows)
	if s.withIndex {
		exec("CREATE INDEX by_name ON users(name)")
	}
	var before []byte
	for txid := ltx.TXID(1); int(txid) <= s.rounds+1; txid++ {
		if txid > 1 {
			exec("UPDATE users SET note = hex(randomblob(150)) WHERE id %% %d = %d", max(1, s.rows/max(1, s.perRound)), txid)
			exec("INSERT INTO users(name, note) VALUES ('new %d', hex(randomblob(2500)))", txid)
		}
		now, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		d.add(t, s, txid, before, now)
		before = now
		if s.rows <= 5000 {
			d.states = append(d.states, now)
		}
	}
	d.db, d.pages = before, len(before)/s.pageSize
	return d
}

// add adds the file of a transaction.
func (d *dataset) add(t testing.TB, s shape, txid ltx.TXID, before, now []byte) {
	t.Helper()
	if before == nil {
		d.addRange(t, s, ltx.SnapshotLevel, 1, txid, nil, now)
	} else {
		d.addRange(t, s, 0, txid, txid, before, now)
	}
}

// addRange adds the file of the transactions from one to another, which have changed the
// database from before to now.
func (d *dataset) addRange(t testing.TB, s shape, level int, from, to ltx.TXID, before, now []byte) {
	t.Helper()
	opts := ltx.SnapshotOptions{MinTXID: from, TXID: to, Time: time.UnixMilli(begin + int64(to)*1000),
		PageSize: uint32(s.pageSize), Commit: uint32(len(now) / s.pageSize), Checksum: s.checksums && from == 1}
	page := func(pgno uint32, buf []byte) error {
		copy(buf, now[int(pgno-1)*s.pageSize:])
		return nil
	}
	var b bytes.Buffer
	var err error
	if from == 1 {
		_, err = ltx.WriteSnapshot(&b, opts, page)
	} else {
		_, err = ltx.WriteDelta(&b, opts, changed(s.pageSize, before, now), page)
	}
	if err != nil {
		t.Fatal(err)
	}
	key := ltx.LayoutS3.Key(level, from, to)
	d.objects[key], d.times[key] = b.Bytes(), opts.Time
}

// changed is the pages that differ.
func changed(pageSize int, before, now []byte) (pgnos []uint32) {
	for pgno := 1; pgno <= len(now)/pageSize; pgno++ {
		at, end := (pgno-1)*pageSize, pgno*pageSize
		if end > len(before) || !bytes.Equal(before[at:end], now[at:end]) {
			pgnos = append(pgnos, uint32(pgno))
		}
	}
	return pgnos
}

// fill writes the replica to a store.
func (d *dataset) fill(t testing.TB, store blob.Store) {
	t.Helper()
	for key, content := range d.objects {
		opts := blob.WriteOptions{ModTime: d.times[key],
			Metadata: map[string]string{replica.MetadataTimestamp: d.times[key].UTC().Format(time.RFC3339Nano)}}
		if _, err := store.Write(t.Context(), key, bytes.NewReader(content), opts); err != nil {
			t.Fatal(err)
		}
	}
}

// client is a client of a store with a replica in it.
func clientOf(store blob.Store) *replica.Client {
	return replica.NewClient("made", ltx.LayoutS3, func(context.Context) (blob.Store, error) { return store, nil })
}

func (d *dataset) sorted() []string {
	var keys []string
	for key := range d.objects {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
