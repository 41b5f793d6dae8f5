package query

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	driver "modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"

	"github.com/replctl/replicate/sqlite"
)

// Writer takes the result of one statement after the other. [NewCSV], [NewJSON] and [NewJSONL] make
// writers.
type Writer interface {
	// Begin begins a result with these columns; there are none if the statement has no result.
	Begin(columns []string) error

	// Row takes a row of the result: a value for each column. It must not keep the slice.
	Row(values []any) error

	// End ends the result.
	End() error
}

// Error is what SQLite says is wrong with a statement.
type Error struct {
	Message string // in SQLite's words
	err     error
}

func (e *Error) Error() string { return e.Message }

func (e *Error) Unwrap() error { return e.err }

// Run runs one statement, with arguments as database/sql takes them, and gives its result to out.
// If the statement fails before its first row, out was not called. Then, and if it fails later, the
// error is an *[Error], [sqlite.ErrReplica] for a statement that writes, the cause of ctx, or an error
// of reading or of out.
func Run(ctx context.Context, conn *sql.Conn, statement string, out Writer, args ...any) error {
	exact, err := exactly(conn, statement)
	if err != nil {
		return explain(ctx, err)
	}
	rows, err := conn.QueryContext(ctx, exact.sql, args...)
	if err != nil {
		return explain(ctx, err)
	}
	defer rows.Close()
	columns := exact.columns
	if columns == nil {
		if columns, err = rows.Columns(); err != nil {
			return explain(ctx, err)
		}
	}
	if err := copyRows(rows, columns, out); err != nil {
		return explain(ctx, err)
	}
	return out.End()
}

func copyRows(rows *sql.Rows, columns []string, out Writer) error {
	values, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	begun := false
	for rows.Next() {
		if !begun {
			if err := out.Begin(columns); err != nil {
				return err
			}
			begun = true
		}
		if err := rows.Scan(into...); err != nil {
			return err
		}
		if err := out.Row(values); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil || begun {
		return err
	}
	return out.Begin(columns)
}

// rewritten is a statement as it is run, and the names of its columns if those are other ones now.
type rewritten struct {
	sql     string
	columns []string
}

// exactly returns a statement whose values the driver hands on as they are stored. The driver parses
// text in a column that is declared as a date, and an expression has no declared type.
func exactly(conn *sql.Conn, statement string) (rewritten, error) {
	info, err := describe(conn, statement)
	isDate := func(c driver.ColumnInfo) bool {
		return slices.Contains([]string{"DATE", "DATETIME", "TIMESTAMP"}, strings.ToUpper(c.DeclType))
	}
	if err != nil || !slices.ContainsFunc(info, isDate) {
		return rewritten{sql: statement}, err
	}
	table := "exact"
	for strings.Contains(strings.ToLower(statement), table) {
		table += "_"
	}
	var columns, names []string
	for i, c := range info {
		columns, names = append(columns, c.Name), append(names, fmt.Sprintf("c%d", i))
	}
	exact := fmt.Sprintf("WITH %s(%s) AS (\n%s\n) SELECT +%s FROM %s",
		table, strings.Join(names, ","), statement, strings.Join(names, ",+"), table)
	if _, err := describe(conn, exact); err != nil { // such as INSERT ... RETURNING
		return rewritten{sql: statement}, nil
	}
	return rewritten{exact, columns}, nil
}

// describe prepares a statement, and returns what SQLite says of its columns.
func describe(conn *sql.Conn, statement string) (info []driver.ColumnInfo, err error) {
	err = conn.Raw(func(c any) error {
		describer, ok := c.(interface {
			ColumnInfo(query string) ([]driver.ColumnInfo, error)
		})
		if !ok {
			return fmt.Errorf("%T is no connection of modernc.org/sqlite", c)
		}
		info, err = describer.ColumnInfo(statement)
		return err
	})
	return info, err
}

// explain returns an error in the terms of this package.
func explain(ctx context.Context, err error) error {
	var e *driver.Error
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil && (errors.Is(err, ctx.Err()) || errors.As(err, &e)):
		return context.Cause(ctx)
	case !errors.As(err, &e):
		return err
	case errors.Is(err, sqlite.ErrReplica) && e.Code()&0xff != codes.SQLITE_READONLY:
		return fmt.Errorf("%w; ATTACH and VACUUM would make a file", sqlite.ErrReplica)
	}
	switch e.Code() & 0xff {
	case codes.SQLITE_READONLY:
		return sqlite.ErrReplica
	case codes.SQLITE_ERROR, codes.SQLITE_MISMATCH, codes.SQLITE_TOOBIG, codes.SQLITE_RANGE, codes.SQLITE_CONSTRAINT:
		return &Error{message(e), err}
	}
	return err
}

// message is what SQLite says, without the kind and the number that the driver adds.
func message(e *driver.Error) string {
	s := strings.TrimSuffix(e.Error(), fmt.Sprintf(" (%d)", e.Code()))
	return strings.TrimPrefix(s, "SQL logic error: ")
}
