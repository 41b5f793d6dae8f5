package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
)

// rowSize is about what a row takes.
const rowSize = 1000

// database is a SQLite database with a table of text, in WAL mode, that is never
// checkpointed by itself.
type database struct {
	path string
	conn *sql.DB
	rows int
	rand *rand.Rand
}

// newDatabase makes one of about size bytes.
func newDatabase(ctx context.Context, dir string, size int64) (*database, error) {
	path := filepath.Join(dir, "db")
	conn, err := sql.Open("sqlite", "file:"+filepath.ToSlash(path)+"?_pragma=journal_mode(wal)&_pragma=wal_autocheckpoint(0)&_pragma=synchronous(off)")
	if err != nil {
		return nil, err
	}
	conn.SetMaxOpenConns(1)
	db := &database{path: path, conn: conn, rows: int(size / rowSize), rand: rand.New(rand.NewPCG(1, 1))}
	return db, errors.Join(db.fill(ctx), db.checkpoint(ctx))
}

func (db *database) fill(ctx context.Context) error {
	if _, err := db.conn.ExecContext(ctx, "CREATE TABLE t (id INTEGER PRIMARY KEY, body TEXT)"); err != nil {
		return err
	}
	return db.transaction(ctx, "INSERT INTO t (body, id) VALUES (?, ?)", 0, 1)
}

// change rewrites every step-th row, in one transaction.
func (db *database) change(ctx context.Context, from, step int) error {
	return db.transaction(ctx, "UPDATE t SET body = ? WHERE id = ?", from, step)
}

func (db *database) transaction(ctx context.Context, statement string, from, step int) error {
	tx, err := db.conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	stmt, err := tx.PrepareContext(ctx, statement)
	if err != nil {
		return err
	}
	for id := from; id < db.rows; id += step {
		if _, err := stmt.ExecContext(ctx, db.text(), id); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// checkpoint empties the WAL.
func (db *database) checkpoint(ctx context.Context) error {
	var busy, log, done int
	err := db.conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &log, &done)
	if err == nil && busy != 0 {
		err = fmt.Errorf("checkpoint of %s: busy", db.path)
	}
	return err
}

// text compresses to about half, as much text in databases does.
func (db *database) text() string {
	var b strings.Builder
	for b.Len() < rowSize-40 {
		fmt.Fprintf(&b, "%s %x ", words[db.rand.IntN(len(words))], db.rand.Uint32N(1<<20))
	}
	return b.String()
}

var words = strings.Fields(`invoice customer delivered pending cancelled account street number
	reference payment received warehouse shipment priority standard returned`)
