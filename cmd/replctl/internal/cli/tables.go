package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/replctl/replicate/sqlite/query"
)

// tablesJSON is the tables of a database as of a moment.
type tablesJSON struct {
	queryJSON
	Tables []tableJSON `json:"tables"`
	costJSON
}

type tableJSON struct {
	Type  string `json:"type"` // table, view, index
	Name  string `json:"name"`
	Table string `json:"table,omitempty"` // of an index
	Rows  *int64 `json:"rows,omitempty"`  // with --count, of a table
	Bytes *int64 `json:"bytes,omitempty"` // with --bytes, of a table and an index
}

type tablesFlags struct {
	*viewFlags
	count, bytes bool
}

func newTablesCommand(a *app) *cobra.Command {
	flags := &tablesFlags{}
	cmd := &cobra.Command{
		Use:   "tables URL",
		Short: "List the tables of a database as of any moment",
		Long: `List the tables, views and indexes that the database had at a moment, without restoring it.
--count reads each table, or an index of it, whole; --bytes reads every page of the database.

` + viewHelp,
		Example: "  replctl tables s3://backups/db --timestamp 'yesterday 18:00' --count",
		Args:    oneURL,
	}
	flags.viewFlags = addView(cmd.Flags())
	cmd.Flags().BoolVar(&flags.count, "count", false, "count the rows of the tables")
	cmd.Flags().BoolVar(&flags.bytes, "bytes", false, "sum up the pages of tables and indexes")
	a.addJSON(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return a.tables(cmd.Context(), args[0], flags) }
	return cmd
}

// withDatabase opens the database of a command's flags, and lets use read it.
func (a *app) withDatabase(ctx context.Context, url string, flags *viewFlags,
	use func(context.Context, *database) error,
) error {
	target, err := flags.target.target()
	if err != nil {
		return err
	}
	r, err := a.openReplica(url)
	if err != nil {
		return err
	}
	ctx, cancel := flags.limited(ctx)
	defer cancel()
	m, err := a.openDatabase(ctx, r, target, flags)
	if err != nil {
		return err
	}
	defer m.close()
	if err := waitFor(ctx, func() error { return use(ctx, m) }); err != nil {
		return viewFailure(ctx, err)
	}
	m.say()
	return nil
}

func (a *app) tables(ctx context.Context, url string, flags *tablesFlags) error {
	return a.withDatabase(ctx, url, flags.viewFlags, func(ctx context.Context, m *database) error {
		tables, err := m.tables(ctx, flags)
		if err != nil {
			return err
		}
		if a.json {
			stats := m.view.Stats()
			return a.printJSON(tablesJSON{m.document(), tables, costJSON{stats.Requests, stats.Bytes}})
		}
		return a.printTables(tables, flags)
	})
}

// tables is what --count and --bytes ask for. The array is never null in JSON.
func (m *database) tables(ctx context.Context, flags *tablesFlags) ([]tableJSON, error) {
	objects, err := query.Schema(ctx, m.conn)
	if err != nil {
		return nil, err
	}
	var sizes map[string]int64
	if flags.bytes {
		if sizes, err = query.Sizes(ctx, m.conn); err != nil {
			return nil, err
		}
	}
	tables := []tableJSON{}
	for _, o := range objects {
		t := tableJSON{Type: o.Type, Name: o.Name}
		if o.Type == "index" {
			t.Table = o.Table
		}
		if flags.count && o.Type == "table" {
			n, err := query.Count(ctx, m.conn, o.Name)
			if err != nil {
				return nil, fmt.Errorf("tables: %w", err)
			}
			t.Rows = &n
		}
		if size, ok := sizes[o.Name]; ok {
			t.Bytes = &size
		}
		tables = append(tables, t)
	}
	return tables, nil
}

func (a *app) printTables(tables []tableJSON, flags *tablesFlags) error {
	if len(tables) == 0 {
		a.talk("no tables")
		return nil
	}
	g := newGrid("type", "name", "table", "rows", "bytes")
	g.right = []string{"rows", "bytes"}
	if !flags.count {
		g.hidden = append(g.hidden, "rows")
	}
	if !flags.bytes {
		g.hidden = append(g.hidden, "bytes")
	}
	for _, t := range tables {
		g.add(t.Type, t.Name, t.Table, optional(t.Rows), optional(t.Bytes))
	}
	return a.printGrid(g)
}

// optional is a number for people, or nothing.
func optional(n *int64) string {
	if n == nil {
		return ""
	}
	return fmt.Sprint(*n)
}
