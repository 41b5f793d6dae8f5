package sqldb

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"database/sql/driver"
	"encoding/binary"
	"fmt"
)

// create makes the tables where they are missing, or are of an earlier version.
func (s *Store) create(ctx context.Context) error {
	err := s.on(ctx, s.isBroken, func(conn *sql.Conn) error {
		if err := s.check(ctx, conn); err != nil {
			return err
		}
		if done, err := s.migrations(ctx, conn); err != nil || done == len(s.sql.tables) {
			return err
		}
		return s.alone(ctx, conn, func(tx execer) error { return s.migrate(ctx, tx) })
	})
	if err != nil {
		return fmt.Errorf("prepare tables %s: %w", table(s.opts, "*"), refused(err))
	}
	return nil
}

// execer is a transaction, or a connection in one.
type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// migrations is how many migrations were made.
func (s *Store) migrations(ctx context.Context, db execer) (done int, err error) {
	var there bool
	if err := db.QueryRowContext(ctx, s.sql.migrated).Scan(&there); err != nil || !there {
		return 0, err
	}
	err = db.QueryRowContext(ctx, s.sql.migrants).Scan(&done)
	if err == nil && done > len(s.sql.tables) {
		err = unusable(fmt.Sprintf("they are of version %d, this program knows %d: use a later one", done, len(s.sql.tables)))
	}
	return done, err
}

// migrate makes the migrations that are missing, in a transaction that excludes others.
func (s *Store) migrate(ctx context.Context, tx execer) error {
	if s.dialect == PostgreSQL {
		if err := s.createSchema(ctx, tx); err != nil {
			return err
		}
	}
	done, err := s.migrations(ctx, tx)
	if err != nil {
		return err
	}
	for i := done; i < len(s.sql.tables); i++ {
		if _, err := tx.ExecContext(ctx, s.sql.tables[i]); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, s.sql.migrate, i+1); err != nil {
			return err
		}
	}
	return nil
}

// createSchema creates the schema if it is missing. IF NOT EXISTS alone would want the right
// to create one. The catalog itself is asked: to_regnamespace and IF NOT EXISTS may answer from
// a cache of this connection, which an advisory lock does not bring up to date.
func (s *Store) createSchema(ctx context.Context, tx execer) error {
	var there bool
	err := tx.QueryRowContext(ctx,
		"SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = $1)", s.opts.Schema).Scan(&there)
	if err != nil || there {
		return err
	}
	_, err = tx.ExecContext(ctx, "CREATE SCHEMA IF NOT EXISTS "+quote(s.opts.Schema))
	return err
}

// check refuses a server or a connection that would not keep the contract.
func (s *Store) check(ctx context.Context, conn *sql.Conn) error {
	if s.dialect == SQLite {
		return checkPragmas(ctx, conn, s.opts.Schema)
	}
	var standby bool
	var readOnly string
	err := conn.QueryRowContext(ctx, "SELECT pg_is_in_recovery(), current_setting('transaction_read_only')").
		Scan(&standby, &readOnly)
	switch {
	case err != nil:
		return err
	case standby:
		return errStandby
	case readOnly == "on":
		return unusable("transactions are read-only: default_transaction_read_only is on")
	}
	return nil
}

// alone runs fn in a transaction that excludes others that do the same, and on SQLite all
// other writers.
func (s *Store) alone(ctx context.Context, conn *sql.Conn, fn func(execer) error) error {
	if s.dialect == SQLite {
		return immediate(ctx, conn, fn)
	}
	tx, err := conn.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after a commit there is nothing to roll back
	// All prefixes share one lock, because a schema may be created.
	sum := sha256.Sum256([]byte("replicate tables"))
	if _, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock($1)",
		int64(binary.BigEndian.Uint64(sum[:]))); err != nil {
		return err
	}
	if err := fn(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// immediate runs fn in a transaction of SQLite that holds the write lock from its beginning.
func immediate(ctx context.Context, conn *sql.Conn, fn func(execer) error) error {
	if _, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := fn(conn)
	if err == nil {
		_, err = conn.ExecContext(ctx, "COMMIT")
	}
	if err != nil {
		if _, e := conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK"); e != nil {
			_ = conn.Raw(func(any) error { return driver.ErrBadConn }) // it is not used again
		}
	}
	return err
}
