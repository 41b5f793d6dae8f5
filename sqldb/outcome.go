package sqldb

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/replctl/replicate/cas"
)

// kind is what the error of a statement says.
type kind int

const (
	unknown kind = iota // the statement was perhaps applied
	certain             // it was not, and never will be
	again               // it was not, and may be sent again
)

// judge tells what the error of one statement says, which is a transaction of its own.
func (d Dialect) judge(err error) kind {
	// Package driver: ErrBadConn must not be returned if the statement was perhaps performed.
	if errors.Is(err, driver.ErrBadConn) {
		return again
	}
	if d == SQLite {
		return judgeSQLite(err)
	}
	return judgePostgreSQL(err)
}

// sqlState is the SQLSTATE of an error of PostgreSQL, or empty. The errors of pgx and pq
// have it.
func sqlState(err error) string {
	var e interface{ SQLState() string }
	if errors.As(err, &e) {
		return e.SQLState()
	}
	return ""
}

func judgePostgreSQL(err error) kind {
	state := sqlState(err)
	switch {
	case state == "40003": // statement_completion_unknown
		return unknown
	case state == "40001", state == "40P01": // could not be serialized; deadlock
		return again
	case len(state) != 5:
		return unknown
	}
	switch state[:2] {
	case "08", "57", "58", "XX": // connection, operator, system, internal
		return unknown
	}
	return certain
}

// The result codes of SQLite that a statement gives before it commits
// (https://sqlite.org/rescode.html). FULL and IOERR are not among them: they may come after
// the commit was written to the WAL, and recovery would find it there.
const (
	sqliteError      = 1
	sqlitePerm       = 3
	sqliteBusy       = 5
	sqliteLocked     = 6
	sqliteReadOnly   = 8
	sqliteCorrupt    = 11
	sqliteCantOpen   = 14
	sqliteTooBig     = 18
	sqliteConstraint = 19
	sqliteMismatch   = 20
	sqliteAuth       = 23
	sqliteNotADB     = 26

	sqliteBusySnapshot = sqliteBusy | 2<<8
)

// sqliteCode is the result code of an error, or 0. The errors of modernc.org/sqlite have it.
func sqliteCode(err error) int {
	var e interface{ Code() int }
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}

func judgeSQLite(err error) kind {
	code := sqliteCode(err)
	if code == sqliteBusySnapshot {
		return again
	}
	switch code & 0xff {
	case sqliteError, sqlitePerm, sqliteBusy, sqliteLocked, sqliteReadOnly, sqliteCorrupt, sqliteCantOpen, sqliteTooBig,
		sqliteConstraint, sqliteMismatch, sqliteAuth, sqliteNotADB:
		return certain
	}
	return unknown
}

// written is the error of a write: indeterminate unless it is certain.
func (d Dialect) written(err error) error {
	if err == nil || errors.Is(err, cas.ErrConflict) {
		return err
	}
	if d.judge(err) == unknown {
		return fmt.Errorf("%w: %w", cas.ErrIndeterminate, err)
	}
	return refused(err)
}

// refused marks a refusal for want of a right as fs.ErrPermission.
func refused(err error) error {
	if state := sqlState(err); state == "42501" || strings.HasPrefix(state, "28") {
		return fmt.Errorf("%w: %w", fs.ErrPermission, err)
	}
	return err
}
