package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"strings"

	msqlite "modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"
)

// innerConn is what a connection of the SQLite driver is.
type innerConn interface {
	driver.Conn
	driver.ConnPrepareContext
	driver.ConnBeginTx
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// viewConn is a connection to views. It knows the context of the call that SQLite reads
// for, and why a read failed: neither passes through SQLite.
type viewConn struct {
	innerConn
	of    *viewConnector
	id    int64
	held  *sql.Conn       // innerConn, for sqlite.Limit
	pool  *sql.DB         // of held
	ctx   context.Context //nolint:containedctx // of the call under way
	cause error           // of the first read that failed in it
}

// single is a connector of one connection that is open already.
type single struct {
	driver.Connector
	conn driver.Conn
}

func (s single) Connect(context.Context) (driver.Conn, error) { return s.conn, nil }

func (c *viewConn) open(ctx context.Context) error {
	connector, err := msqlite.NewConnector(c.uri(0))
	if err != nil {
		return err
	}
	conn, err := connector.Connect(ctx)
	if err != nil {
		return c.explain(err)
	}
	inner, ok := conn.(innerConn)
	if !ok {
		conn.Close()
		return fmt.Errorf("the SQLite driver has a connection of type %T", conn)
	}
	c.innerConn = inner
	c.pool = sql.OpenDB(single{connector, inner})
	if c.held, err = c.pool.Conn(ctx); err == nil {
		err = c.prepare(ctx)
	}
	if err != nil {
		c.close()
	}
	return err
}

// prepare attaches the other views, and closes the door behind them.
func (c *viewConn) prepare(ctx context.Context) error {
	statements := []string{"PRAGMA cell_size_check = ON"} // what is damaged shows earlier
	for i, v := range c.of.views[1:] {
		statements = append(statements, fmt.Sprintf("ATTACH '%s' AS %s", c.uri(i+1), quoteName(v.Name)))
	}
	for _, sql := range statements {
		if _, err := c.ExecContext(ctx, sql, nil); err != nil {
			return err
		}
	}
	_, err := msqlite.Limit(c.held, codes.SQLITE_LIMIT_ATTACHED, 0)
	return err
}

func quoteName(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// uri is the name of a view's file for this connection.
func (c *viewConn) uri(view int) string {
	return fmt.Sprintf("file:%s?vfs=%s&mode=ro&immutable=1", viewPath(c.id, view), c.of.vfs.name)
}

// Close implements driver.Conn.
func (c *viewConn) Close() error {
	defer c.of.forget(c)
	return c.close()
}

func (c *viewConn) close() error {
	if c.held != nil {
		_ = c.held.Close()
	}
	return c.pool.Close() // which closes the connection
}

// call calls the driver, and explains its error.
func (c *viewConn) call(ctx context.Context, f func() error) error {
	c.ctx, c.cause = ctx, nil
	return c.explain(f())
}

// explain is the error of a call. A read that failed fails the call, even where SQLite
// has gone on, as integrity_check does.
func (c *viewConn) explain(err error) error {
	switch {
	case c.cause != nil:
		return c.cause
	case code(err)&0xff == codes.SQLITE_READONLY:
		return fmt.Errorf("%w: %w", ErrReplica, err)
	case code(err) == codes.SQLITE_ERROR && strings.Contains(err.Error(), "too many attached databases"):
		return fmt.Errorf("%w: ATTACH and VACUUM would make a file: %w", ErrReplica, err)
	}
	return err
}

// ExecContext implements driver.ExecerContext.
func (c *viewConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	var r driver.Result
	err := c.call(ctx, func() (err error) {
		r, err = c.innerConn.ExecContext(ctx, query, args)
		return err
	})
	return r, err
}

// QueryContext implements driver.QueryerContext.
func (c *viewConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	return c.rows(ctx, func() (driver.Rows, error) { return c.innerConn.QueryContext(ctx, query, args) })
}

func (c *viewConn) rows(ctx context.Context, query func() (driver.Rows, error)) (driver.Rows, error) {
	var rows driver.Rows
	err := c.call(ctx, func() (err error) {
		rows, err = query()
		return err
	})
	if err != nil {
		if rows != nil {
			rows.Close()
		}
		return nil, err
	}
	inner, ok := rows.(innerRows)
	if !ok {
		rows.Close()
		return nil, fmt.Errorf("the SQLite driver has rows of type %T", rows)
	}
	return &viewRows{inner, c, ctx}, nil
}

// PrepareContext implements driver.ConnPrepareContext.
func (c *viewConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	var s driver.Stmt
	err := c.call(ctx, func() (err error) {
		s, err = c.innerConn.PrepareContext(ctx, query)
		return err
	})
	if err != nil {
		if s != nil {
			s.Close()
		}
		return nil, err
	}
	inner, ok := s.(innerStmt)
	if !ok {
		s.Close()
		return nil, fmt.Errorf("the SQLite driver has a statement of type %T", s)
	}
	return &viewStmt{inner, c}, nil
}

// ColumnInfo describes the columns of a query without running it. It is the method of the SQLite
// driver's connections, for [sql.Conn.Raw].
func (c *viewConn) ColumnInfo(query string) (info []msqlite.ColumnInfo, err error) {
	describer, ok := c.innerConn.(interface {
		ColumnInfo(query string) ([]msqlite.ColumnInfo, error)
	})
	if !ok {
		return nil, fmt.Errorf("the SQLite driver has a connection of type %T", c.innerConn)
	}
	err = c.call(context.Background(), func() (err error) {
		info, err = describer.ColumnInfo(query)
		return err
	})
	return info, err
}

// Prepare implements driver.Conn.
func (c *viewConn) Prepare(query string) (driver.Stmt, error) {
	return c.PrepareContext(context.Background(), query)
}

// BeginTx implements driver.ConnBeginTx.
func (c *viewConn) BeginTx(ctx context.Context, opts driver.TxOptions) (tx driver.Tx, err error) {
	err = c.call(ctx, func() (err error) {
		tx, err = c.innerConn.BeginTx(ctx, opts)
		return err
	})
	return tx, err
}

// innerStmt is what a statement of the SQLite driver is.
type innerStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

type viewStmt struct {
	innerStmt
	conn *viewConn
}

// ExecContext implements driver.StmtExecContext.
func (s *viewStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (r driver.Result, err error) {
	err = s.conn.call(ctx, func() (err error) {
		r, err = s.innerStmt.ExecContext(ctx, args)
		return err
	})
	return r, err
}

// QueryContext implements driver.StmtQueryContext.
func (s *viewStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return s.conn.rows(ctx, func() (driver.Rows, error) { return s.innerStmt.QueryContext(ctx, args) })
}

// innerRows is what rows of the SQLite driver are.
type innerRows interface {
	driver.Rows
	driver.RowsColumnTypeDatabaseTypeName
	driver.RowsColumnTypeLength
	driver.RowsColumnTypeNullable
	driver.RowsColumnTypePrecisionScale
	driver.RowsColumnTypeScanType
}

type viewRows struct {
	innerRows
	conn *viewConn
	ctx  context.Context //nolint:containedctx // of the query
}

// Next implements driver.Rows.
func (r *viewRows) Next(dest []driver.Value) error {
	return r.conn.call(r.ctx, func() error { return r.innerRows.Next(dest) })
}
