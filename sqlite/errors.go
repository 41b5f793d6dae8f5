package sqlite

import (
	"errors"
	"fmt"

	driver "modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"
)

var (
	// ErrNotDatabase means that the file is not a SQLite database: it is something
	// else, or it is encrypted.
	ErrNotDatabase = errors.New("not a database")

	// ErrEmpty means that the database has no page. SQLite takes a file of no bytes
	// for a database without tables; there is nothing in it to make an image of.
	ErrEmpty = errors.New("the database is empty: it has no page")

	// ErrChanged means that a database that had to be read without locks was
	// changed meanwhile, so that the pages read may not belong together.
	ErrChanged = errors.New("the database was changed while it was read without locks")
)

// explain is an error of SQLite as one of this package, where there is one.
func explain(err error) error {
	switch code(err) {
	case codes.SQLITE_NOTADB:
		return ErrNotDatabase
	case codes.SQLITE_READONLY_ROLLBACK:
		return fmt.Errorf("a journal left by a crash must be rolled back, which takes permission to write: %w", err)
	}
	return err
}

// IsAnswer reports whether an error is SQLite's own word on the SQL or on what the database has, and not one of
// reading, of the machine or of an interrupt, after which nothing is known.
func IsAnswer(err error) bool {
	switch code(err) & 0xff {
	case 0, codes.SQLITE_INTERRUPT, codes.SQLITE_IOERR, codes.SQLITE_CANTOPEN, codes.SQLITE_NOMEM, codes.SQLITE_FULL:
		return false
	}
	return true
}

// code is the extended result code of an error of SQLite, 0 for other errors.
func code(err error) int {
	var e *driver.Error
	if !errors.As(err, &e) {
		return 0
	}
	return e.Code()
}
