package diff

import (
	"context"
	"encoding/binary"
	"errors"
	"math/bits"
	"slices"
	"strings"

	"github.com/replctl/replicate/internal/btree"
	"github.com/replctl/replicate/replica/view"
)

// batchBytes is how much is fetched at once, of each view: a part of the cache of pages.
const batchBytes = 4 << 20

// maxDepth is more than a b-tree of SQLite can have.
const maxDepth = 20

// sharedView is the second view, but pages that are the same in the first are read there: each is read
// once.
type sharedView struct {
	*view.View
	first *view.View
	same  func(pgno uint32) bool
}

// ReadAt implements io.ReaderAt.
func (v sharedView) ReadAt(p []byte, off int64) (int, error) {
	return v.ReadAtContext(context.Background(), p, off)
}

// ReadAtContext reads a page, or a part of one.
func (v sharedView) ReadAtContext(ctx context.Context, p []byte, off int64) (int, error) {
	size := int64(v.PageSize())
	if pgno := off / size; (off+int64(len(p))-1)/size == pgno && v.same(uint32(pgno+1)) {
		return v.first.ReadAtContext(ctx, p, off)
	}
	return v.View.ReadAtContext(ctx, p, off)
}

// fetch reads pages of the second database, or the first, that are read next.
func (d *Diff) fetch(ctx context.Context, second bool, pgnos []uint32) error {
	if !second {
		return d.from.view.Fetch(ctx, pgnos)
	}
	var first []uint32
	own := slices.DeleteFunc(slices.Clone(pgnos), func(pgno uint32) bool {
		if d.same == nil || !d.same(pgno) {
			return false
		}
		first = append(first, pgno)
		return true
	})
	if err := d.from.view.Fetch(ctx, first); err != nil {
		return err
	}
	return d.to.view.Fetch(ctx, own)
}

// pageSet is a set of pages.
type pageSet []uint64

func newPageSet(pages int64) pageSet { return make(pageSet, pages/64+1) }

func (s pageSet) has(pgno uint32) bool {
	return int(pgno/64) < len(s) && s[pgno/64]&(1<<(pgno%64)) != 0
}

func (s pageSet) add(pgno uint32) { s[pgno/64] |= 1 << (pgno % 64) }

// remove removes a page, if it is there.
func (s pageSet) remove(pgno uint32) {
	if s.has(pgno) {
		s[pgno/64] &^= 1 << (pgno % 64)
	}
}

// equal reports whether two sets have the same pages.
func (s pageSet) equal(other pageSet) bool {
	short, long := s, other
	if len(short) > len(long) {
		short, long = long, short
	}
	return slices.Equal(short, long[:len(short)]) &&
		!slices.ContainsFunc(long[len(short):], func(w uint64) bool { return w != 0 })
}

// finder finds out to which table each changed page belongs.
type finder struct {
	ctx   context.Context //nolint:containedctx // of the call of Compare
	d     *Diff
	size  int64
	left  [2]pageSet // changed pages of both databases whose place is not known
	found []uint32   // changed pages of the second whose place is known, but not that of their overflow pages
}

// findRanges finds the ranges of keys in which rows may differ.
func (d *Diff) findRanges(ctx context.Context) error {
	for _, t := range d.Tables {
		t.spans = everything
	}
	f := &finder{ctx: ctx, d: d, size: int64(d.to.view.PageSize())}
	if f.size > 0 {
		d.Pages.Total = d.to.view.Size() / f.size
	}
	if d.Pages.Changed = d.Pages.Total; d.same == nil {
		return nil
	}
	f.mark()
	err := f.find()
	if errors.Is(err, btree.ErrMalformed) {
		for _, t := range d.Tables {
			t.spans = everything
		}
		return nil
	}
	return err
}

// mark finds the changed pages.
func (f *finder) mark() {
	f.d.Pages.Changed = 0
	for i, s := range []*side{f.d.from, f.d.to} {
		f.left[i] = newPageSet(s.view.Size() / f.size)
		for pgno := uint32(1); int64(pgno) <= s.view.Size()/f.size; pgno++ {
			if !f.d.same(pgno) {
				f.left[i].add(pgno)
				f.d.Pages.Changed += int64(i)
			}
		}
	}
	const most = 90 // percent
	if f.d.Pages.Changed*100 > f.d.Pages.Total*most && f.d.Pages.Total > 10 {
		f.d.Notes = append(f.d.Notes, "nearly every page is another one, as after a VACUUM: nearly everything is read")
	}
	f.left[0].remove(1)
	f.left[1].remove(1)
}

// find finds the ranges of each table. It is done as soon as the place of every changed page is known.
// The pages that are left then are overflow pages. Rows on changed pages lead to some of them. A page
// that is still left belongs to a row on an unchanged page, and nothing leads to it.
func (f *finder) find() error {
	for _, t := range f.d.Tables {
		if f.isDone() && t.isWalkable(f.d) {
			t.spans = nil
			continue
		}
		if err := f.table(t); err != nil {
			return err
		}
	}
	for _, next := range []func() error{f.overflow, f.freelist, f.pointerMap, f.others} {
		if !f.isLeft() {
			return nil
		}
		if err := next(); err != nil {
			return err
		}
	}
	if f.isLeft() {
		f.d.Notes = append(f.d.Notes,
			"overflow pages were overwritten, of rows whose own pages are the same: all rows are compared")
		for _, t := range f.d.Tables {
			t.spans = everything
		}
	}
	return nil
}

// isDone reports whether the place of every changed page is known.
func (f *finder) isDone() bool {
	empty := func(s pageSet) bool { return !slices.ContainsFunc(s, func(w uint64) bool { return w != 0 }) }
	return empty(f.left[0]) && empty(f.left[1])
}

// isLeft reports whether there is a page whose place is known in neither database. Only such a one
// may be an overflow page of the same row in both.
func (f *finder) isLeft() bool {
	n := 0
	for i := range min(len(f.left[0]), len(f.left[1])) {
		n += bits.OnesCount64(f.left[0][i] & f.left[1][i])
	}
	return n > 0
}

// isWalkable reports whether rows on the same page are the same rows, and pages have an order that
// the walk knows.
func (t *Table) isWalkable(d *Diff) bool {
	if t.isOther || t.Refused != nil || d.from.encoding() != d.to.encoding() {
		return false
	}
	for i := range min(len(t.from.columns), len(t.to.columns)) {
		if a, b := t.from.columns[i], t.to.columns[i]; !strings.EqualFold(a.name, b.name) || a.typ != b.typ {
			return false
		}
	}
	descends := slices.ContainsFunc(t.to.key, func(k keyColumn) bool { return k.descending })
	return t.to.hasRowid() || !descends && d.to.encoding() == "UTF-8"
}

// table finds the ranges of a table: those of the leaves that have changed, or that only one of the
// databases has in this table.
func (f *finder) table(t *Table) error {
	var walked [2]*walker
	for i, of := range []*table{t.from, t.to} {
		if of == nil {
			continue
		}
		var err error
		if walked[i], err = f.account(i, of.root); err != nil {
			return err
		}
	}
	switch {
	case !t.isWalkable(f.d):
		return nil
	case !walked[0].changed && !walked[1].changed && walked[0].seen.equal(walked[1].seen):
		t.spans = nil
		return nil
	}
	var found [2]spanList
	for i, of := range []*table{t.from, t.to} {
		found[i] = spanList{key: t.to.key, encoding: f.d.to.encoding()}
		w := &walker{f: f, side: i, of: of, spans: &found[i], isClean: func(pgno uint32) bool {
			return f.d.same(pgno) && walked[1-i].seen.has(pgno)
		}}
		if err := w.run(of.root); err != nil {
			return err
		}
		t.pages[i] = found[i].pages
	}
	t.spans = mergeSpans(found[0], found[1])
	return nil
}

// account notes the place of all pages of a b-tree but for overflow pages.
func (f *finder) account(side int, root uint32) (*walker, error) {
	w := &walker{f: f, side: side, seen: newPageSet(f.side(side).view.Size() / f.size)}
	return w, w.run(root)
}

// place notes that the place of a page is known, and reports whether the page has changed.
func (f *finder) place(side int, pgno uint32) bool {
	if !f.left[side].has(pgno) {
		return false
	}
	f.left[side].remove(pgno)
	if side == 1 {
		f.found = append(f.found, pgno)
	}
	return true
}

// overflow notes the overflow pages of the cells of changed pages, of the second database: what is
// left has no place in both.
func (f *finder) overflow() error {
	found := f.found
	f.found = nil
	for batch := range slices.Chunk(found, int(max(1, batchBytes/f.size))) {
		if !f.isLeft() {
			return nil
		}
		if err := f.d.fetch(f.ctx, true, batch); err != nil {
			return err
		}
		for _, pgno := range batch {
			n, err := f.node(1, pgno)
			if err != nil {
				return err
			}
			for i := range n.Cells() {
				if err := f.chain(n, i); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// chain notes the overflow pages of a cell of the second database.
func (f *finder) chain(n *btree.Node, i int) error {
	c, err := n.Cell(i)
	if err != nil {
		return err
	}
	for more := int64(c.Size) - int64(len(c.Local)); n.HoldsRows() && more > 0; more -= int64(n.Usable - 4) {
		f.left[1].remove(c.Overflow)
		page, err := f.page(1, c.Overflow)
		if err != nil {
			return err
		}
		c.Overflow = binary.BigEndian.Uint32(page)
	}
	return nil
}

// freelist notes the pages of the second database that are free.
func (f *finder) freelist() error {
	header, err := f.page(1, 1)
	if err != nil {
		return err
	}
	for trunk, n := binary.BigEndian.Uint32(header[32:]), int64(0); trunk != 0; n++ {
		if f.left[1].remove(trunk); n > f.d.Pages.Total {
			return btree.ErrMalformed
		}
		page, err := f.page(1, trunk)
		if err != nil {
			return err
		}
		count := int64(binary.BigEndian.Uint32(page[4:]))
		for i := range min(count, f.size/4-2) {
			if pgno := binary.BigEndian.Uint32(page[8+4*i:]); int64(pgno) <= f.d.Pages.Total {
				f.left[1].remove(pgno)
			}
		}
		trunk = binary.BigEndian.Uint32(page)
	}
	return nil
}

// pointerMap notes the pages of the second database that auto_vacuum keeps for itself.
func (f *finder) pointerMap() error {
	header, err := f.page(1, 1)
	if err != nil || binary.BigEndian.Uint32(header[52:]) == 0 {
		return err
	}
	const lockByte = 1 << 30
	step := (f.size-int64(header[20]))/5 + 1
	for pgno := int64(2); pgno <= f.d.Pages.Total; pgno += step {
		f.left[1].remove(uint32(pgno))
		if pgno == lockByte/f.size+1 && pgno < f.d.Pages.Total {
			f.left[1].remove(uint32(pgno + 1))
		}
	}
	return nil
}

// others notes the pages of all other b-trees of the second database: the schema, indexes, and tables that
// are not compared.
func (f *finder) others() error {
	roots := []uint32{1}
	for _, o := range f.d.to.objects {
		compared := func(t *Table) bool { return o.kind == "table" && t.Name == o.name }
		if o.root > 1 && !slices.ContainsFunc(f.d.Tables, compared) {
			roots = append(roots, o.root)
		}
	}
	for _, root := range roots {
		if !f.isLeft() {
			return nil
		}
		if _, err := f.account(1, root); err != nil {
			return err
		}
		if err := f.overflow(); err != nil {
			return err
		}
	}
	return nil
}

// page reads a page of one of the databases.
func (f *finder) page(side int, pgno uint32) ([]byte, error) {
	s := f.side(side)
	if pgno == 0 || int64(pgno) > s.view.Size()/f.size {
		return nil, btree.ErrMalformed
	}
	page := make([]byte, f.size)
	_, err := s.pages.ReadAtContext(f.ctx, page, int64(pgno-1)*f.size)
	return page, err
}

func (f *finder) side(i int) *side {
	if i == 0 {
		return f.d.from
	}
	return f.d.to
}

func (f *finder) node(side int, pgno uint32) (*btree.Node, error) {
	page, err := f.page(side, pgno)
	if err != nil {
		return nil, err
	}
	return btree.Parse(pgno, page, int(f.size)-int(f.side(side).reserved))
}
