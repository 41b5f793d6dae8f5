package query

import (
	"context"
	"database/sql"
	"fmt"
)

// Object is a table or an index of a database.
type Object struct {
	Type  string // "table", "view", "index"
	Name  string
	Table string // of an index: the table that it is of; else Name
	SQL   string // that made it; empty for an index that a constraint made
}

// Schema returns the tables, views and indexes of the main database, each index after its table,
// tables in the order in which they were made. SQLite's own tables (sqlite_sequence, sqlite_stat1)
// are among them, sqlite_schema is not.
func Schema(ctx context.Context, conn *sql.Conn) ([]Object, error) {
	rows, err := conn.QueryContext(ctx, `SELECT o.type, o.name, o.tbl_name, ifnull(o.sql, '')
		FROM main.sqlite_schema AS o LEFT JOIN main.sqlite_schema AS t ON o.type = 'index' AND t.type = 'table'
			AND t.name = o.tbl_name
		WHERE o.type IN ('table', 'view', 'index') ORDER BY ifnull(t.rowid, o.rowid), o.type <> 'table', o.rowid`)
	if err != nil {
		return nil, fmt.Errorf("read schema: %w", explain(ctx, err))
	}
	defer rows.Close()
	var objects []Object
	for rows.Next() {
		var o Object
		if err := rows.Scan(&o.Type, &o.Name, &o.Table, &o.SQL); err != nil {
			return nil, fmt.Errorf("read schema: %w", err)
		}
		objects = append(objects, o)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read schema: %w", explain(ctx, err))
	}
	return objects, nil
}

// Count returns how many rows a table has. It reads the table, or one of its indexes, whole.
func Count(ctx context.Context, conn *sql.Conn, table string) (int64, error) {
	var n int64
	err := conn.QueryRowContext(ctx, "SELECT count(*) FROM main."+Identifier(table)).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count rows of %s: %w", table, explain(ctx, err))
	}
	return n, nil
}

// Sizes returns how many bytes the pages of each table and index take, by name. It reads every page
// of the database.
func Sizes(ctx context.Context, conn *sql.Conn) (map[string]int64, error) {
	rows, err := conn.QueryContext(ctx, "SELECT name, pgsize FROM dbstat('main', 1)")
	if err != nil {
		return nil, fmt.Errorf("read sizes: %w", explain(ctx, err))
	}
	defer rows.Close()
	sizes := map[string]int64{}
	for rows.Next() {
		var name string
		var size int64
		if err := rows.Scan(&name, &size); err != nil {
			return nil, fmt.Errorf("read sizes: %w", err)
		}
		sizes[name] += size
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read sizes: %w", explain(ctx, err))
	}
	return sizes, nil
}
