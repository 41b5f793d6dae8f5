package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
)

// ErrInUse means that a process has the database open.
var ErrInUse = errors.New("a process has the database open")

// CheckUnused returns [ErrInUse] if a process has a database open, so that it must not
// be replaced: the process would go on with files that have no name, and what it writes
// would be lost. It looks at the database, its -wal, its -shm and its -journal. A
// missing file is nobody's; another error means that it could not be found out.
//
// It takes no lock. It sees
//
//   - every lock of SQLite: that of a transaction, and that which a connection to a
//     database in WAL mode holds all the time;
//   - on Linux, for the owner of the files and for root, every open descriptor, and so
//     an idle connection to a database with a rollback journal, which holds no lock.
//     Filesystems without leases (fcntl F_SETLEASE) do not show it.
//
// It does not see processes of other hosts on a network filesystem without locks. On
// Windows it sees nothing, and need not: the system refuses to replace a file that
// SQLite has open.
//
// A database that this process itself has open is found without opening it once more:
// closing any descriptor of a file drops all POSIX locks that the process has on it.
func CheckUnused(path string) error {
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		err := checkUnused(path + suffix)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("look whether a process has %s open: %w", path+suffix, bare(err))
		}
	}
	return nil
}
