package view

import (
	"slices"

	"github.com/replctl/replicate/internal/btree"
)

const (
	// maxChildren bounds what a tree remembers: pages that interior pages point to.
	maxChildren = 64 << 10

	// maxDepth is more than a b-tree of SQLite can have.
	maxDepth = 20
)

// tree is what is known of the b-trees of the database: the interior pages that were read
// last. A scan of a table reads the children of each in their order.
type tree struct {
	nodes    map[uint32]*interior
	parents  map[uint32]child
	order    []*interior // as they were added
	children int         // of all nodes
	added    int         // how many nodes were
}

// interior is an interior page of a b-tree.
type interior struct {
	pgno     uint32
	children []uint32
	next     int     // the child that is read next, if they are read in order
	stream   *stream // of those who read them in order
	above    bool    // its children are interior pages too
}

// child is a page by its place in its parent.
type child struct {
	of *interior
	at int
}

// add remembers a page, if it is an interior page.
func (t *tree) add(pgno uint32, page []byte, commit uint32) {
	if t.nodes[pgno] != nil {
		return
	}
	children := childrenOf(pgno, page, commit)
	if len(children) == 0 {
		return
	}
	if t.nodes == nil {
		t.nodes, t.parents = map[uint32]*interior{}, map[uint32]child{}
	}
	for len(t.order) > 0 && t.children+len(children) > maxChildren {
		t.forget(max(0, slices.IndexFunc(t.order, func(n *interior) bool { return !n.above }))) // the others are few
	}
	n := &interior{pgno: pgno, children: children, next: -1}
	t.nodes[pgno] = n
	t.order = append(t.order, n)
	t.added++
	t.children += len(children)
	for i, c := range children {
		t.parents[c] = child{n, i}
		n.above = n.above || t.nodes[c] != nil
	}
	if p, ok := t.parents[pgno]; ok {
		p.of.above = true
	}
}

// forget forgets one of the pages, by its place in their order.
func (t *tree) forget(i int) {
	n := t.order[i]
	t.order = slices.Delete(t.order, i, i+1)
	t.children -= len(n.children)
	delete(t.nodes, n.pgno)
	for _, c := range n.children {
		if t.parents[c].of == n {
			delete(t.parents, c)
		}
	}
}

// childrenOf is the children of an interior page in their order; nil for another page.
func childrenOf(pgno uint32, page []byte, commit uint32) []uint32 {
	if !btree.IsInterior(pgno, page) {
		return nil
	}
	children, err := btree.Children(pgno, page)
	outside := func(c uint32) bool { return c < 2 || c > commit }
	if err != nil || len(children) < 2 || slices.ContainsFunc(children, outside) {
		return nil
	}
	return children
}

// walk goes through the pages that a scan reads from a page on, that page included. Visit
// returns false to end it. It is told whether a page that the tree does not know must be
// an interior page; if it knows it after the visit, the walk goes on with its children.
// Beyond one that stays unknown it visits only interior pages.
func (t *tree) walk(pgno uint32, visit func(pgno uint32, unknown bool) bool) {
	w := walk{t: t, visit: visit}
	if !w.down(pgno, false, 0) {
		return
	}
	for depth := 0; depth < maxDepth; depth++ {
		p, ok := t.parents[pgno]
		if !ok {
			return
		}
		for _, c := range p.of.children[p.at+1:] {
			if !w.down(c, p.of.above, 0) {
				return
			}
		}
		pgno = p.of.pgno
	}
}

type walk struct {
	t       *tree
	visit   func(pgno uint32, unknown bool) bool
	blocked bool // by an interior page that is not known
}

// down visits a page and what is below it.
func (w *walk) down(pgno uint32, isInterior bool, depth int) bool {
	unknown := isInterior && w.t.nodes[pgno] == nil
	if w.blocked && !unknown {
		return false
	}
	if depth > maxDepth || !w.visit(pgno, unknown) {
		return false
	}
	n := w.t.nodes[pgno]
	if n == nil {
		w.blocked = w.blocked || unknown
		return true
	}
	for _, c := range n.children {
		if !w.down(c, n.above, depth+1) {
			return false
		}
	}
	return true
}
