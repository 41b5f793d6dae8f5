package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	driver "modernc.org/sqlite"
)

// locate is the absolute path of a database file with symbolic links resolved,
// as SQLite does it: the names of the WAL and of the journal derive from it.
func locate(path string) (string, fs.FileInfo, error) {
	if strings.ContainsRune(path, 0) {
		return "", nil, fs.ErrInvalid
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", nil, bare(err)
	}
	if !info.Mode().IsRegular() {
		return "", nil, fmt.Errorf("not a regular file: %w", ErrNotDatabase)
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", nil, bare(err)
	}
	real, err = filepath.Abs(real)
	return real, info, err
}

// bare is the cause of an error of package os, without the operation and the path
// that our own message names.
func bare(err error) error {
	if e, ok := err.(*fs.PathError); ok { //nolint:errorlint // as os returned it
		return e.Err
	}
	return err
}

// connection is the one connection of a pool of its own.
type connection struct {
	*sql.Conn
	pool *sql.DB
}

// connect opens a database file. Params are SQLite's own, of URI file names. The
// pragmas are run in their order, which the library would not keep to.
func connect(ctx context.Context, path, params string, pragmas ...string) (*connection, error) {
	connector, err := driver.NewConnector(uri(path) + "?" + params)
	if err != nil {
		return nil, err
	}
	pool := sql.OpenDB(connector)
	conn, err := pool.Conn(ctx)
	if err != nil {
		pool.Close()
		return nil, err
	}
	c := &connection{conn, pool}
	for _, pragma := range pragmas {
		if _, err := c.ExecContext(ctx, "PRAGMA "+pragma); err != nil {
			c.Close()
			return nil, err
		}
	}
	return c, nil
}

// uri is the file name of an absolute path as a URI, without parameters.
func uri(path string) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // a drive of Windows: file:///C:/...
	}
	return "file://" + (&url.URL{Path: path}).EscapedPath()
}

// Close closes the connection and its pool.
func (c *connection) Close() error {
	err := c.Conn.Close()
	if e := c.pool.Close(); err == nil {
		err = e
	}
	return err
}
