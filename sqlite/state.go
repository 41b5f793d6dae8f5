package sqlite

import (
	"errors"
	"io/fs"
	"os"
)

// state is what can be seen of a database's files without a lock. A writer in WAL
// mode changes the WAL with every commit, and the file with every checkpoint.
type state struct {
	db, wal fileState
}

type fileState struct {
	size     int64
	modified int64 // in ns since 1970
}

func stateOf(file string) (state, error) {
	db, err := fileStateOf(file)
	if err != nil {
		return state{}, err
	}
	wal, err := fileStateOf(file + "-wal")
	return state{db, wal}, err
}

// fileStateOf is the state of a file, the zero value if it does not exist.
func fileStateOf(path string) (fileState, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fileState{}, nil
	}
	if err != nil {
		return fileState{}, err
	}
	return fileState{info.Size(), info.ModTime().UnixNano()}, nil
}
