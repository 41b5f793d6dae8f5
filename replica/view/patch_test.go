package view

import (
	"encoding/binary"
	"testing"

	"github.com/replctl/replicate/ltx"
)

// TestPatches: those of all files but the largest fit into their memory, and small files leave
// what they do not need to others.
func TestPatches(t *testing.T) {
	const mib = 1 << 20
	for name, c := range map[string]struct {
		sizes  []int64
		budget int64
		want   int64
	}{
		"a snapshot alone":     {[]int64{400 * mib}, 24 * mib, maxRange},
		"all fit":              {[]int64{400 * mib, 2 * mib, 3 * mib}, 24 * mib, maxRange},
		"shared":               {[]int64{400 * mib, 90 * mib, 90 * mib}, 8 * mib, 4 * mib},
		"small ones take less": {[]int64{400 * mib, 1 * mib, 90 * mib, 90 * mib}, 7 * mib, 3 * mib},
		"too many":             {[]int64{400 * mib, 90 * mib, 90 * mib}, minPatch, 0},
		"no memory":            {[]int64{400 * mib, 90 * mib}, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			l := new(layout)
			for _, size := range c.sizes {
				l.files = append(l.files, &stored{info: &ltx.FileInfo{Size: size}})
			}
			l.setPatches(c.budget)
			if l.base != l.files[0] || l.patch != c.want || l.patchOf(l.base) != 0 {
				t.Errorf("patches of %d bytes, want %d; of the largest file %d", l.patch, c.want, l.patchOf(l.base))
			}
			held := int64(0)
			for _, f := range l.files[1:] {
				held += min(f.info.Size, l.patchOf(f))
			}
			if held > c.budget {
				t.Errorf("patches of %d bytes in all, more than %d", held, c.budget)
			}
		})
	}
}

// interiorPage is one of a table, with these children.
func interiorPage(children []uint32) []byte {
	page := make([]byte, 65536)
	page[0] = 5
	cells := children[:len(children)-1]
	binary.BigEndian.PutUint16(page[3:], uint16(len(cells)))
	binary.BigEndian.PutUint32(page[8:], children[len(cells)])
	for i, c := range cells {
		at := 16384 + 8*i
		binary.BigEndian.PutUint16(page[12+2*i:], uint16(at))
		binary.BigEndian.PutUint32(page[at:], c)
	}
	return page
}

// TestTreeForgets pages that have leaves below them before those above them: with the root, a
// scan would lose its way.
func TestTreeForgets(t *testing.T) {
	const root, first, parents, leaves = 2, 1000, 40, 4000 // more leaves than maxChildren in all
	const commit = first + parents*(leaves+1)
	var tr tree
	var below []uint32
	for i := range uint32(parents) {
		below = append(below, first+i)
	}
	tr.add(root, interiorPage(below), commit)
	for i, pgno := range below {
		children := make([]uint32, leaves)
		for j := range children {
			children[j] = first + parents + uint32(i*leaves+j)
		}
		tr.add(pgno, interiorPage(children), commit)
		if tr.nodes[root] == nil || tr.nodes[pgno] == nil || tr.parents[pgno].of != tr.nodes[root] {
			t.Fatalf("after %d pages the root, or the last one, is forgotten", i+1)
		}
		if tr.children > maxChildren {
			t.Fatalf("%d children are known", tr.children)
		}
	}
	if tr.nodes[below[0]] != nil {
		t.Error("nothing was forgotten")
	}
}

// TestPageCacheLeaves memory to others, and takes it again.
func TestPageCacheLeaves(t *testing.T) {
	c, page := newPageCache(1024, 8*1024), make([]byte, 1024)
	fill := func() (n int) {
		for pgno := range uint32(20) {
			c.put(pgno, page)
		}
		for pgno := range uint32(20) {
			if c.has(pgno) {
				n++
			}
		}
		return n
	}
	if n := fill(); n != 8 {
		t.Errorf("%d pages, want 8", n)
	}
	if c.leave(5 * 1024); c.used.Len() != 3 || fill() != 3 {
		t.Errorf("%d pages, want 3", c.used.Len())
	}
	if c.leave(0); fill() != 8 {
		t.Errorf("%d pages, want 8 again", c.used.Len())
	}
}
