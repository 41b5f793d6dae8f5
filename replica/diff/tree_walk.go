package diff

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/replctl/replicate/internal/btree"
)

// walker walks through a b-tree in the order of the key. It reads the interior pages, and one leaf.
type walker struct {
	f    *finder
	side int

	// Where it is to note the place of pages:

	seen    pageSet // all pages of the b-tree but for overflow pages; nil for another walk
	changed bool    // one of them

	// Where it is to find ranges of keys:

	of      *table
	isClean func(pgno uint32) bool
	spans   *spanList
}

func (w *walker) run(root uint32) error {
	height, err := w.height(root)
	if err != nil {
		return err
	}
	return w.down(root, span{}, height)
}

// height is how many interior pages are above a leaf: as many above each.
func (w *walker) height(pgno uint32) (int, error) {
	for height := range maxDepth {
		n, err := w.f.node(w.side, pgno)
		if err != nil || !n.IsInterior() {
			return height, err
		}
		pgno = n.Child(0)
	}
	return 0, btree.ErrMalformed
}

// down visits a page, which has the keys of a range, and what is below it.
func (w *walker) down(pgno uint32, keys span, height int) error {
	if pgno == 0 || int64(pgno) > w.f.side(w.side).view.Size()/w.f.size {
		return btree.ErrMalformed
	}
	if w.seen != nil {
		if w.seen.has(pgno) {
			return btree.ErrMalformed
		}
		w.seen.add(pgno)
		w.changed = w.f.place(w.side, pgno) || w.changed
	}
	if height == 0 {
		if w.spans != nil && !w.isClean(pgno) {
			w.spans.add(keys, pgno)
		}
		return nil
	}
	n, err := w.f.node(w.side, pgno)
	if err != nil {
		return err
	}
	if !n.IsInterior() {
		return btree.ErrMalformed
	}
	return w.children(pgno, n, keys, height)
}

func (w *walker) children(pgno uint32, n *btree.Node, keys span, height int) error {
	step := int(max(1, batchBytes/w.f.size))
	lo := keys.lo
	for i := range n.Cells() + 1 {
		if i%step == 0 && height > 1 {
			var next []uint32
			for k := i; k < min(i+step, n.Cells()+1); k++ {
				next = append(next, n.Child(k))
			}
			if err := w.f.d.fetch(w.f.ctx, w.side == 1, next); err != nil {
				return err
			}
		}
		hi := keys.hi
		if i < n.Cells() && w.spans != nil {
			var err error
			if hi, err = w.key(n, i); err != nil {
				return err
			}
		}
		after := n.HoldsRows() && (i > 0 || keys.after)
		if err := w.down(n.Child(i), span{lo: lo, hi: hi, after: after}, height-1); err != nil {
			return err
		}
		if i == n.Cells() || w.spans == nil {
			continue
		}
		if lo = hi; !n.HoldsRows() { // the key itself is below
			if rowid := hi[0].(int64); rowid < math.MaxInt64 {
				lo = []any{rowid + 1}
			}
		} else if !w.isClean(pgno) {
			w.spans.add(span{lo: hi, hi: hi}, 0)
		}
	}
	return nil
}

// maxKey bounds how large a row is whose key is read here.
const maxKey = 1 << 20

// key is the key of a cell of an interior page.
func (w *walker) key(n *btree.Node, i int) ([]any, error) {
	c, err := n.Cell(i)
	if err != nil {
		return nil, err
	}
	if !n.HoldsRows() {
		return []any{c.Rowid}, nil
	}
	values, err := btree.ParseRecord(c.Local, len(w.of.key))
	if err == nil || c.Overflow == 0 || c.Size > maxKey {
		return values, err
	}
	record := slices.Clone(c.Local)
	for uint64(len(record)) < c.Size {
		page, err := w.f.page(w.side, c.Overflow)
		if err != nil {
			return nil, err
		}
		c.Overflow = binary.BigEndian.Uint32(page)
		record = append(record, page[4:n.Usable]...)
	}
	return btree.ParseRecord(record[:c.Size], len(w.of.key))
}

// maxSpans bounds how many ranges of a table are told apart.
const maxSpans = 64 << 10

// spanList is ranges of keys in their order.
type spanList struct {
	key      []keyColumn
	encoding string
	spans    []span
	pages    []uint32 // the leaves that have changed
}

// add adds a range that begins where the last one ends, or later. It has the keys of a leaf, or is
// one key, and pgno 0.
func (l *spanList) add(s span, pgno uint32) {
	if pgno != 0 {
		l.pages = append(l.pages, pgno)
	}
	s.pages[0] = len(l.pages)
	if n := len(l.spans); n > 0 && l.touches(l.spans[n-1].hi, s.lo) {
		l.spans[n-1].hi, l.spans[n-1].pages = s.hi, s.pages
		return
	}
	if l.spans = append(l.spans, s); len(l.spans) <= maxSpans {
		return
	}
	half := l.spans[:0]
	for pair := range slices.Chunk(l.spans, 2) {
		last := pair[len(pair)-1]
		half = append(half, span{pair[0].lo, last.hi, pair[0].after, last.pages})
	}
	l.spans = half
}

// touches reports whether there is no key between the end of one range and the beginning of
// another, which does not begin before it.
func (l *spanList) touches(hi, lo []any) bool {
	if hi == nil || lo == nil || compareKeys(hi, lo, l.key, l.encoding) >= 0 {
		return true
	}
	a, ok := hi[0].(int64)
	b, ok2 := lo[0].(int64)
	return len(hi) == 1 && ok && ok2 && a+1 == b && a < math.MaxInt64
}

// before reports whether a range begins before another.
func (l *spanList) before(a, b span) bool {
	if a.lo == nil || b.lo == nil {
		return a.lo == nil
	}
	c := compareKeys(a.lo, b.lo, l.key, l.encoding)
	return c < 0 || c == 0 && b.after
}

// ends reports whether a range ends before another.
func (l *spanList) ends(a, b span) bool {
	return a.hi != nil && (b.hi == nil || compareKeys(a.hi, b.hi, l.key, l.encoding) < 0)
}

// mergeSpans is the ranges of two lists.
func mergeSpans(a, b spanList) (all []span) {
	var pages [2]int
	for i, k := 0, 0; i < len(a.spans) || k < len(b.spans); {
		var s span
		if k == len(b.spans) || i < len(a.spans) && a.before(a.spans[i], b.spans[k]) {
			s = a.spans[i]
			i, pages[0] = i+1, s.pages[0]
		} else {
			s = b.spans[k]
			k, pages[1] = k+1, s.pages[0]
		}
		s.pages = pages
		if n := len(all); n > 0 && a.touches(all[n-1].hi, s.lo) {
			if all[n-1].pages = pages; a.ends(all[n-1], s) {
				all[n-1].hi = s.hi
			}
			continue
		}
		all = append(all, s)
	}
	return all
}
