package diff

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"

	"github.com/replctl/replicate/replica/view"
	"github.com/replctl/replicate/sqlite"
)

// Options say what is compared. The zero value compares everything.
type Options struct {
	// Tables are the only tables to be compared, with their indexes and triggers. [ErrNoTable] if
	// one is in neither database.
	Tables []string

	// TempDir is where SQLite keeps what does not fit in memory; the system's directory if empty.
	TempDir string
}

// ErrNoTable: neither database has a table of that name.
var ErrNoTable = errors.New("no such table")

// ErrRefused: the rows of a table cannot be compared. The error says why.
var ErrRefused = errors.New("its rows cannot be compared")

// Op is what happened to a row or to an object of the schema.
type Op string

// The kinds of changes. Of objects of the schema, insert is CREATE and delete is DROP.
const (
	Insert Op = "insert"
	Update Op = "update"
	Delete Op = "delete"
)

// reverse is what undoes it.
func (o Op) reverse() Op {
	switch o {
	case Insert:
		return Delete
	case Delete:
		return Insert
	}
	return o
}

// Change is a change of the schema.
type Change struct {
	Op     Op
	Type   string // "table", "index", "view", "trigger", "column", "pragma"
	Name   string
	Table  string // that it belongs to; Name for a table or a view
	Before string // the SQL that made it, the type of a column, or the value of a pragma
	After  string
}

// Counts are numbers of rows.
type Counts struct{ Inserted, Updated, Deleted int64 }

// Pages are numbers of pages.
type Pages struct{ Changed, Total int64 }

// Diff is the difference between two databases. It reads the views, which must be open until
// it is closed. Its methods may be called one after the other, in any order; the zero Diff has no
// tables.
type Diff struct {
	Schema []Change // in the order in which the databases have the objects
	Tables []*Table // with rows that may differ, by name
	Notes  []string // what a reader should know: of a VACUUM, of what is not compared
	Pages  Pages    // how many of the second database are not known to be as in the first

	from, to *side
	same     func(pgno uint32) bool // nil if nothing is known of any page
}

// Row is a row that differs.
type Row struct {
	Op     Op
	Key    []any // values of Table.Key
	Before []any // values of Table.From; nil for Insert
	After  []any // values of Table.To; nil for Delete
}

// side is one of the databases.
type side struct {
	view  *view.View
	pages pageReader // of the view, or of the other one where they are the same
	db    *sql.DB

	reserved byte // bytes at the end of each page
	pragmas  map[string]string
	objects  []object
	tables   map[string]*table
}

// pageReader is a view, or two of them.
type pageReader interface {
	sqlite.View
	ReadAtContext(ctx context.Context, p []byte, off int64) (int, error)
}

// Compare reads both schemas, and finds out where rows may differ. The Diff must be closed.
func Compare(ctx context.Context, from, to *view.View, opts Options) (*Diff, error) {
	d := &Diff{}
	err := d.open(ctx, from, to, opts)
	if err != nil {
		_ = d.Close()
		return nil, fmt.Errorf("compare: %w", err)
	}
	return d, nil
}

func (d *Diff) open(ctx context.Context, from, to *view.View, opts Options) (err error) {
	var second pageReader = to
	if d.same, err = view.Same(ctx, from, to); err != nil {
		return err
	}
	if d.same != nil {
		second = sharedView{to, from, d.same}
	}
	if d.from, err = openSide(ctx, from, from, opts); err != nil {
		return fmt.Errorf("the first database: %w", err)
	}
	if d.to, err = openSide(ctx, to, second, opts); err != nil {
		return fmt.Errorf("the second database: %w", err)
	}
	if err := d.compareSchemas(opts.Tables); err != nil {
		return err
	}
	return d.findRanges(ctx)
}

// openSide opens a view and reads its schema.
func openSide(ctx context.Context, v *view.View, pages pageReader, opts Options) (*side, error) {
	db, err := sqlite.OpenViews(sqlite.ViewOptions{TempDir: opts.TempDir}, sqlite.NamedView{Name: "main", View: pages})
	if err != nil {
		return nil, err
	}
	s := &side{view: v, pages: pages, db: db}
	const reservedAt = 20
	var reserved [1]byte
	if _, err := pages.ReadAtContext(ctx, reserved[:], reservedAt); err != nil && v.Size() > 0 {
		_ = db.Close()
		return nil, err
	}
	s.reserved = reserved[0]
	if err := s.readSchema(ctx); err != nil {
		_ = db.Close()
		return nil, err
	}
	return s, nil
}

// Close frees what the Diff holds. It does not close the views.
func (d *Diff) Close() error {
	var err error
	for _, s := range []*side{d.from, d.to} {
		if s != nil {
			err = errors.Join(err, s.db.Close())
		}
	}
	return err
}

// Count counts the rows of a table that differ.
func (d *Diff) Count(ctx context.Context, t *Table) (Counts, error) {
	var c Counts
	for r, err := range d.Rows(ctx, t) {
		if err != nil {
			return Counts{}, err
		}
		switch r.Op {
		case Insert:
			c.Inserted++
		case Update:
			c.Updated++
		case Delete:
			c.Deleted++
		}
	}
	return c, nil
}

// Rows yields the rows of a table that differ, in the order of the key. The last pair may
// be an error. The slices of a row are the caller's.
func (d *Diff) Rows(ctx context.Context, t *Table) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		err := d.eachRow(ctx, t, func(r Row) error {
			if !yield(r, nil) {
				return errStop
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStop) {
			yield(Row{}, fmt.Errorf("compare rows of %s: %w", t.Name, err))
		}
	}
}

// errStop: the consumer wants no more rows.
var errStop = errors.New("stop")
