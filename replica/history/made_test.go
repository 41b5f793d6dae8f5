package history_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/internal/testreplica"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
)

// past is an LTX replica that is made one transaction after the other.
type past struct {
	t        testing.TB
	db       *sql.DB
	path     string
	pageSize int
	store    *blob.Memory
	states   [][]byte // by transaction; that of 0 is nil
	rnd      *rand.Rand
}

// newPast makes a database with a table of noise, which is transaction 1.
func newPast(t testing.TB, seed uint64, pragmas string) *past {
	t.Helper()
	p := &past{t: t, path: filepath.Join(t.TempDir(), "past.db"), store: blob.NewMemory(), states: [][]byte{nil}}
	p.rnd = rand.New(rand.NewPCG(seed, 18))
	p.pageSize = 512 << p.rnd.IntN(4)
	var err error
	p.db, err = sql.Open("sqlite", "file:"+p.path+"?_pragma=synchronous(0)&_pragma=journal_mode(memory)")
	if err != nil {
		t.Fatal(err)
	}
	p.db.SetMaxOpenConns(1)
	t.Cleanup(func() { p.db.Close() })
	p.exec(fmt.Sprintf("PRAGMA page_size=%d; %s", p.pageSize, pragmas))
	p.exec("CREATE TABLE noise(id INTEGER PRIMARY KEY, a TEXT); CREATE INDEX by_a ON noise(a)")
	p.commit()
	return p
}

// exec runs statements, which are one transaction or more.
func (p *past) exec(statements string, args ...any) {
	p.t.Helper()
	if _, err := p.db.Exec(statements, args...); err != nil {
		p.t.Fatalf("%s: %v", statements, err)
	}
}

// begun is the time of a transaction.
func (p *past) time(txid ltx.TXID) time.Time {
	return time.UnixMilli(1_700_000_000_000 + int64(txid)*1000).UTC()
}

// commit makes the file of the next transaction: level 0, or a snapshot of the first.
func (p *past) commit() ltx.TXID {
	p.t.Helper()
	now, err := os.ReadFile(p.path)
	if err != nil {
		p.t.Fatal(err)
	}
	p.states = append(p.states, now)
	txid := ltx.TXID(len(p.states) - 1)
	if txid == 1 {
		p.write(ltx.SnapshotLevel, 1, txid)
	} else {
		p.write(0, txid, txid)
	}
	return txid
}

// write writes the file of some transactions.
func (p *past) write(level int, from, to ltx.TXID) {
	p.t.Helper()
	now, before := p.states[to], p.states[from-1]
	opts := ltx.SnapshotOptions{MinTXID: from, TXID: to, Time: p.time(to), PageSize: uint32(p.pageSize),
		Commit: uint32(len(now) / p.pageSize)}
	page := func(pgno uint32, buf []byte) error {
		copy(buf, now[int(pgno-1)*p.pageSize:])
		return nil
	}
	var b bytes.Buffer
	var err error
	if from == 1 {
		_, err = ltx.WriteSnapshot(&b, opts, page)
	} else {
		_, err = ltx.WriteDelta(&b, opts, p.changed(before, now), page)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	key := ltx.LayoutFile.Key(level, from, to)
	if _, err := p.store.Write(p.t.Context(), key, &b, blob.WriteOptions{ModTime: opts.Time}); err != nil {
		p.t.Fatal(err)
	}
}

// changed is the pages that differ.
func (p *past) changed(before, now []byte) (pgnos []uint32) {
	for at := 0; at < len(now); at += p.pageSize {
		if end := at + p.pageSize; end > len(before) || !bytes.Equal(before[at:end], now[at:end]) {
			pgnos = append(pgnos, uint32(at/p.pageSize)+1)
		}
	}
	return pgnos
}

// compact leaves one file of some transactions.
func (p *past) compact(from, to ltx.TXID) {
	p.t.Helper()
	p.write(1, from, to)
	for txid := from; txid <= to; txid++ {
		if err := p.store.Delete(p.t.Context(), []string{ltx.LayoutFile.Key(0, txid, txid)}); err != nil {
			p.t.Fatal(err)
		}
	}
}

// noise changes something that no test asks for.
func (p *past) noise() {
	for range 1 + p.rnd.IntN(4) {
		switch p.rnd.IntN(5) {
		case 0:
			p.exec("DELETE FROM noise WHERE id % 7 = ?", p.rnd.IntN(7))
		case 1:
			p.exec("UPDATE noise SET a = hex(randomblob(20)) WHERE id % 11 = ?", p.rnd.IntN(11))
		default:
			p.exec("INSERT INTO noise(a) VALUES (hex(zeroblob(?)) || ?)", p.rnd.IntN(p.pageSize), p.rnd.IntN(1000))
		}
	}
}

func (p *past) client() *replica.Client {
	return replica.NewClient("made", ltx.LayoutFile, func(context.Context) (blob.Store, error) { return p.store, nil })
}

// realClient is a client of a replica below testdata.
func realClient(t testing.TB, name string) *replica.Client {
	store := testreplica.Store(t, name)
	return replica.NewClient("memory", ltx.LayoutFile, func(context.Context) (blob.Store, error) { return store, nil })
}
