package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"

	codes "modernc.org/sqlite/lib"
)

// busyTimeout is how long Open waits for a lock: for a writer of a database with
// a rollback journal to commit, or for another process to recover a WAL.
const busyTimeout = "busy_timeout(30000)"

// Parameters of SQLite's URI file names.
const (
	readWrite = "mode=rw"
	readOnly  = "mode=ro"
	immutable = "mode=ro&immutable=1"
)

// withoutLocks opens with SQLite's file system interface that takes no locks.
func withoutLocks() string {
	if runtime.GOOS == "windows" {
		return "mode=ro&vfs=win32-none"
	}
	return "mode=ro&vfs=unix-none"
}

// Open begins an image of a database file: a read transaction, as of now. A
// transaction that was committed before the call is in it. While ctx lasts: when
// it is done, reading the image fails.
//
// A writer that holds the database exclusively is waited for, up to half a minute.
// A missing file is [fs.ErrNotExist]; one that is not of SQLite is
// [ErrNotDatabase], one without any page [ErrEmpty].
func Open(ctx context.Context, path string) (*Image, error) {
	im, err := open(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, explain(err))
	}
	return im, nil
}

func open(ctx context.Context, path string) (*Image, error) {
	file, info, err := locate(path)
	if err != nil {
		return nil, err
	}
	if info.Size() == 0 {
		return nil, ErrEmpty // SQLite would remove a WAL beside it
	}
	im, err := begin(ctx, file, accessFor(file))
	if code(err) == codes.SQLITE_READONLY_ROLLBACK {
		im, err = begin(ctx, file, readWrite)
	}
	if lacksFile(err) && !exists(file+"-shm") && !exists(file+"-journal") {
		return beginAlone(ctx, file, err)
	}
	return im, err
}

// lacksFile tells that SQLite could not open a file that it needs, or not make it.
func lacksFile(err error) bool {
	return code(err)&0xff == codes.SQLITE_CANTOPEN || code(err) == codes.SQLITE_READONLY_DIRECTORY
}

// accessFor decides how to open a database. The last connection that closes a
// database checkpoints its WAL and removes it, unless it is read-only. So a WAL
// that is there already is read by a read-only connection, which leaves it alone;
// and without one the connection is such that the empty WAL it makes is removed
// with it.
func accessFor(file string) string {
	if info, err := os.Stat(file + "-wal"); err == nil && info.Size() > 0 {
		return readOnly
	}
	return readWrite
}

// beginAlone begins an image of a database in WAL mode where the index of the WAL
// cannot be made, because the directory is read-only. Without an index, no live
// connection is there, and there are no locks to agree on with one that comes: the
// image watches the files instead. SQLite reads an existing WAL with an index in
// memory when no other is to use it; where there is no WAL it has to be told that
// there will be none. Cause is returned when it is not such a database.
func beginAlone(ctx context.Context, file string, cause error) (*Image, error) {
	before, err := stateOf(file)
	if err != nil {
		return nil, err
	}
	access, pragmas := immutable, []string(nil)
	if before.wal.size > 0 {
		access, pragmas = withoutLocks(), []string{"locking_mode(exclusive)"}
	}
	im, err := begin(ctx, file, access, pragmas...)
	if lacksFile(err) {
		return nil, cause
	}
	if err != nil {
		return nil, err
	}
	im.unlocked = &before
	return im, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
