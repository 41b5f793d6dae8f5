package history

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/replctl/replicate/internal/btree"
	"github.com/replctl/replicate/internal/ordered"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/sqlite"
	"github.com/replctl/replicate/sqlite/query"
)

// maxDepth is more than a b-tree of SQLite can have.
const maxDepth = 20

const (
	// treeReads is how many pages of a level of a b-tree are read at a time.
	treeReads = 8

	schemaTable = "sqlite_schema"
)

// owners says which table each page of a database belongs to, as far as the interior pages of the
// b-trees tell: overflow pages, and pages that are free, belong to none. The pages of an index
// belong to its table. It takes 8 bytes for a page.
type owners struct {
	cookie uint32              // of the schema
	roots  map[uint32]string   // the table of each b-tree, by its root
	of     []uint32            // the root of the b-tree that a page is in, by its number; 0 for none
	inner  map[uint32][]uint32 // the children of the interior pages
}

// table is the table of a page; empty for none.
func (o *owners) table(pgno uint32) string {
	if o == nil || int(pgno) >= len(o.of) {
		return ""
	}
	return o.roots[o.of[pgno]]
}

// tables are the names of all tables.
func (o *owners) tables() []string {
	return slices.Compact(slices.Sorted(maps.Values(o.roots)))
}

// findOwners reads the b-trees of a step. What is known of the step before is used again, unless
// that is nil: the pages of the step are all that have changed since. It returns before itself if
// nothing has changed that it is made of.
func findOwners(ctx context.Context, s *step, before *owners) (*owners, error) {
	w := &treeWalk{ctx: ctx, step: s, before: before, changed: map[uint32]bool{}}
	for _, pgno := range s.pages {
		w.changed[pgno] = true
	}
	if s.whole {
		w.before = nil
	} else if before != nil && !w.isTouched() {
		return before, nil
	}
	head := make([]byte, 100)
	if err := w.read(head, 0); err != nil {
		return nil, err
	}
	o := &owners{cookie: binary.BigEndian.Uint32(head[40:]), inner: map[uint32][]uint32{}}
	o.of = make([]uint32, s.db.Size()/int64(s.pageSize)+1)
	if w.before != nil && w.before.cookie == o.cookie {
		o.roots = w.before.roots
	} else if err := w.readRoots(o); err != nil {
		return nil, err
	}
	for _, root := range slices.Sorted(maps.Keys(o.roots)) {
		if err := w.walk(o, root); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// treeWalk goes through the interior pages of b-trees.
type treeWalk struct {
	ctx     context.Context
	step    *step
	before  *owners
	changed map[uint32]bool
}

// isTouched reports whether a page has changed that may say where others are: page 1, an interior
// page, or one that was in no b-tree.
func (w *treeWalk) isTouched() bool {
	for pgno := range w.changed {
		if pgno == 1 || w.before.table(pgno) == "" || w.before.inner[pgno] != nil {
			return true
		}
	}
	return false
}

func (w *treeWalk) read(b []byte, off int64) error {
	_, err := readAt(w.ctx, w.step.db, b, off)
	if err == io.EOF { //nolint:errorlint // as an io.ReaderAt returns it
		return fmt.Errorf("%w: a page at %d is beyond the end of the database", ltx.ErrCorrupt, off)
	}
	return err
}

// readRoots asks SQLite for the roots.
func (w *treeWalk) readRoots(o *owners) error {
	db, err := sqlite.OpenView(w.step.db)
	if err != nil {
		return err
	}
	defer db.Close()
	conn, err := db.Conn(w.ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	o.roots = map[uint32]string{1: schemaTable}
	const roots = "SELECT rootpage, tbl_name FROM sqlite_schema WHERE rootpage > 0"
	return query.Run(w.ctx, conn, roots, rowFunc(func(row []any) error {
		root, ok1 := row[0].(int64)
		name, ok2 := row[1].(string)
		if !ok1 || !ok2 || root >= int64(len(o.of)) {
			return fmt.Errorf("%w: the schema has root %v of %v", ltx.ErrCorrupt, row[0], row[1])
		}
		o.roots[uint32(root)] = name
		return nil
	}))
}

// rowFunc is a query.Writer of rows.
type rowFunc func(row []any) error

func (rowFunc) Begin([]string) error  { return nil }
func (f rowFunc) Row(row []any) error { return f(row) }
func (rowFunc) End() error            { return nil }

// walk goes down a b-tree, level by level. All leaves are on one level, so that one page tells
// whether the others of its level are interior pages.
func (w *treeWalk) walk(o *owners, root uint32) error {
	level := []uint32{root}
	for range maxDepth {
		for _, pgno := range level {
			if pgno == 0 || int(pgno) >= len(o.of) || o.of[pgno] != 0 {
				return fmt.Errorf("%w: page %d is in the b-tree of %s, and in another place or nowhere",
					ltx.ErrCorrupt, pgno, o.roots[root])
			}
			o.of[pgno] = root
		}
		first, err := w.children(w.ctx, level[0])
		if err != nil || first == nil {
			return err
		}
		next := slices.Clone(first)
		o.inner[level[0]] = first
		at := 1
		for children, err := range ordered.Map(w.ctx, treeReads, ordered.Slice(level[1:]), w.children) {
			if err != nil {
				return err
			}
			if children != nil {
				o.inner[level[at]] = children
			}
			next = append(next, children...)
			at++
		}
		level = next
	}
	return fmt.Errorf("%w: the b-tree of %s does not end", ltx.ErrCorrupt, o.roots[root])
}

// children are those of an interior page; nil for another page.
func (w *treeWalk) children(ctx context.Context, pgno uint32) ([]uint32, error) {
	if w.before != nil && !w.changed[pgno] && w.before.table(pgno) != "" {
		return w.before.inner[pgno], nil
	}
	page := make([]byte, w.step.pageSize)
	one := *w
	one.ctx = ctx
	if err := one.read(page, int64(pgno-1)*int64(w.step.pageSize)); err != nil {
		return nil, err
	}
	return btree.Children(pgno, page)
}
