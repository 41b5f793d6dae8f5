package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
)

// View is a database file that does not change: a replica/view.View is one. Where it has
// ReadAtContext, a statement whose context ends ends the read that it waits for.
type View interface {
	io.ReaderAt
	Size() int64
}

// contextReaderAt is a View whose reads can be ended.
type contextReaderAt interface {
	ReadAtContext(ctx context.Context, p []byte, off int64) (int, error)
}

// NamedView is a View under the name of its schema in SQL.
type NamedView struct {
	Name string
	View View
}

// ViewOptions are how views are opened. The zero value is a good one.
type ViewOptions struct {
	// TempDir is where SQLite keeps what does not fit in memory, such as a large sort: in
	// files that have no name, or lose it with the process. The system's directory if empty.
	TempDir string
}

// ErrReplica is in the chain of the error of SQL that writes.
var ErrReplica = errors.New("this is a replica: restore it first")

// OpenView returns a database handle for a view. It is an ordinary handle, of any number
// of connections, but nothing can be written through it: SQL that writes fails with
// [ErrReplica], and ATTACH and VACUUM INTO are refused, since they make files. Temporary
// tables are possible. A database in WAL mode is shown as one with a rollback journal:
// what was in its log is in the view.
//
// If the view cannot be read, the statement fails with the view's error, not with one of
// SQLite.
//
// Closing the handle does not close the view, which must be open until then.
func OpenView(v View) (*sql.DB, error) {
	return OpenViews(ViewOptions{}, NamedView{"main", v})
}

// OpenViews is OpenView for several views at once, at most 10 besides the first. The
// first is the schema main, whatever its name; the others are attached under their names.
func OpenViews(opts ViewOptions, views ...NamedView) (*sql.DB, error) {
	for _, v := range views {
		if v.View == nil || v.Name == "" || strings.ContainsRune(v.Name, 0) {
			return nil, fmt.Errorf("open view %q: want a name and a view", v.Name)
		}
	}
	if len(views) == 0 {
		return nil, errors.New("open view: none is given")
	}
	c := &viewConnector{views: views, conns: map[int64]*viewConn{}}
	var err error
	if c.vfs, err = newViewVFS(viewFS{c}, opts.TempDir); err != nil {
		return nil, fmt.Errorf("open view: %w", err)
	}
	return sql.OpenDB(c), nil
}

// viewConnector makes the connections of a handle.
type viewConnector struct {
	views []NamedView
	vfs   *viewVFS

	mu     sync.Mutex
	last   int64 // number of a connection
	conns  map[int64]*viewConn
	closed bool
}

// Driver implements driver.Connector.
func (c *viewConnector) Driver() driver.Driver { return viewDriver{} }

// viewDriver opens nothing by name.
type viewDriver struct{}

func (viewDriver) Open(string) (driver.Conn, error) {
	return nil, errors.New("a view has no name to open it by")
}

// Connect implements driver.Connector.
func (c *viewConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn := &viewConn{of: c, ctx: ctx}
	c.mu.Lock()
	c.last++
	conn.id = c.last
	c.conns[conn.id] = conn
	c.mu.Unlock()
	if err := conn.open(ctx); err != nil {
		c.forget(conn)
		return nil, fmt.Errorf("open view: %w", err)
	}
	return conn, nil
}

// forget is for a connection that is closed. The last one after Close frees the rest.
func (c *viewConnector) forget(conn *viewConn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.conns, conn.id)
	if c.closed && len(c.conns) == 0 {
		c.vfs.close()
	}
}

// Close implements io.Closer, which sql.DB calls.
func (c *viewConnector) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed && len(c.conns) == 0 {
		c.vfs.close()
	}
	c.closed = true
	return nil
}
