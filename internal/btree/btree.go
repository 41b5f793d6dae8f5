// Package btree reads pages of SQLite's b-trees, as section 1.6 of its file format has them
// (https://sqlite.org/fileformat2.html#b_tree_pages), and what their cells hold. It trusts no byte.
package btree

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// ErrMalformed: a page is not one of a b-tree, or a record is none. SQLite says what is wrong with it when it
// reads it.
var ErrMalformed = errors.New("a b-tree page is malformed")

// The types of the pages of a b-tree.
const (
	interiorIndex = 2
	interiorTable = 5
	leafIndex     = 10
	leafTable     = 13
)

// fileHeader is the size of the header before the first page's b-tree.
const fileHeader = 100

// Node is a page of a b-tree.
type Node struct {
	Usable int // bytes of a page, but for those that are reserved at its end

	page  []byte
	kind  byte
	cells []int // offsets
	right uint32
}

// IsInterior reports whether other pages are below it.
func (n *Node) IsInterior() bool { return n.kind == interiorIndex || n.kind == interiorTable }

// IsInterior reports whether a page looks like an interior one, at the price of a look: most pages are none.
func IsInterior(pgno uint32, page []byte) bool {
	at := begin(pgno)
	return at < len(page) && (page[at] == interiorIndex || page[at] == interiorTable)
}

// HoldsRows reports whether its cells hold rows: those of the interior pages of a table by rowid hold keys alone.
func (n *Node) HoldsRows() bool { return n.kind != interiorTable }

// Cells is how many cells it has.
func (n *Node) Cells() int { return len(n.cells) }

// Parse reads the structure of a page, whose number decides where its b-tree begins. Cells may still be
// malformed.
func Parse(pgno uint32, page []byte, usable int) (*Node, error) {
	at := begin(pgno)
	if len(page) < at+12 || usable > len(page) {
		return nil, ErrMalformed
	}
	n := &Node{page: page, kind: page[at], Usable: usable}
	pointers := at + 8
	switch n.kind {
	case interiorIndex, interiorTable:
		n.right = binary.BigEndian.Uint32(page[at+8:])
		pointers += 4
	case leafIndex, leafTable:
	default:
		return nil, ErrMalformed
	}
	count := int(binary.BigEndian.Uint16(page[at+3:]))
	if pointers+2*count > len(page) {
		return nil, ErrMalformed
	}
	for i := range count {
		cell := int(binary.BigEndian.Uint16(page[pointers+2*i:]))
		if cell < pointers || cell+4 > len(page) {
			return nil, ErrMalformed
		}
		n.cells = append(n.cells, cell)
	}
	return n, nil
}

// begin is where the b-tree of a page begins.
func begin(pgno uint32) int {
	if pgno == 1 {
		return fileHeader
	}
	return 0
}

// Child is the page below an interior page that is before cell i, or after the last.
func (n *Node) Child(i int) uint32 {
	if i == len(n.cells) {
		return n.right
	}
	return binary.BigEndian.Uint32(n.page[n.cells[i]:])
}

// Children returns the pages below an interior page of a b-tree, in their order; nil for a leaf.
func Children(pgno uint32, page []byte) ([]uint32, error) {
	n, err := Parse(pgno, page, len(page))
	if err != nil {
		return nil, fmt.Errorf("page %d: %w", pgno, err)
	}
	if !n.IsInterior() {
		return nil, nil
	}
	children := make([]uint32, 0, len(n.cells)+1)
	for i := range len(n.cells) + 1 {
		children = append(children, n.Child(i))
	}
	return children, nil
}

// Payload is what a cell holds, as far as the page has it.
type Payload struct {
	Rowid    int64 // of a table
	Size     uint64
	Local    []byte
	Overflow uint32 // the first page with the rest; 0 for none
}

// Cell parses a cell.
func (n *Node) Cell(i int) (p Payload, err error) {
	b := n.page[n.cells[i]:]
	if n.IsInterior() {
		b = b[4:]
	}
	var size, rowid uint64
	if n.kind == interiorTable {
		rowid, _, err = varint(b)
		return Payload{Rowid: int64(rowid)}, err
	}
	if size, b, err = varint(b); err != nil {
		return p, err
	}
	if n.kind == leafTable {
		if rowid, b, err = varint(b); err != nil {
			return p, err
		}
	}
	p = Payload{Rowid: int64(rowid), Size: size}
	local := n.localSize(size)
	if local > len(b) || size > math.MaxInt32 {
		return p, ErrMalformed
	}
	p.Local = b[:local]
	if uint64(local) < size {
		if b = b[local:]; len(b) < 4 {
			return p, ErrMalformed
		}
		p.Overflow = binary.BigEndian.Uint32(b)
	}
	return p, nil
}

// localSize is how much of a payload is on the page (section 1.6 of SQLite's file format).
func (n *Node) localSize(size uint64) int {
	usable := uint64(n.Usable)
	most := (usable-12)*64/255 - 23
	if n.kind == leafTable {
		most = usable - 35
	}
	least := (usable-12)*32/255 - 23
	if size <= most {
		return int(size)
	}
	if local := least + (size-least)%(usable-4); local <= most {
		return int(local)
	}
	return int(least)
}

// varint reads an integer of one to nine bytes.
func varint(b []byte) (v uint64, rest []byte, err error) {
	for i := range min(len(b), 9) {
		if i == 8 {
			return v<<8 | uint64(b[i]), b[9:], nil
		}
		v = v<<7 | uint64(b[i]&0x7f)
		if b[i] < 0x80 {
			return v, b[i+1:], nil
		}
	}
	return 0, nil, ErrMalformed
}

// ParseRecord returns the first n values of a record of UTF-8 text. The record may be cut after them.
func ParseRecord(record []byte, n int) ([]any, error) {
	size, rest, err := varint(record)
	if err != nil || size > uint64(len(record)) || uint64(len(record)-len(rest)) > size {
		return nil, ErrMalformed
	}
	types, body := record[len(record)-len(rest):size], record[size:]
	values := make([]any, 0, n)
	for len(values) < n {
		var kind uint64
		if kind, types, err = varint(types); err != nil {
			return nil, err
		}
		var v any
		if v, body, err = parseValue(kind, body); err != nil {
			return nil, err
		}
		values = append(values, v)
	}
	return values, nil
}

func parseValue(kind uint64, b []byte) (v any, rest []byte, err error) {
	const text = 13
	sizes := []uint64{0, 1, 2, 3, 4, 6, 8, 8, 0, 0}
	var size uint64
	switch {
	case kind < uint64(len(sizes)):
		size = sizes[kind]
	case kind < text-1:
		return nil, nil, fmt.Errorf("%w: serial type %d", ErrMalformed, kind)
	default:
		size = (kind - (text - 1)) / 2
	}
	if size > uint64(len(b)) {
		return nil, nil, ErrMalformed
	}
	content, rest := b[:size], b[size:]
	switch {
	case kind == 0:
	case kind == 7:
		v = math.Float64frombits(binary.BigEndian.Uint64(content))
	case kind == 8, kind == 9:
		v = int64(kind - 8)
	case kind >= text && kind%2 == 1:
		v = string(content)
	case kind >= text-1:
		v = append([]byte{}, content...)
	default:
		n := int64(int8(content[0]))
		for _, c := range content[1:] {
			n = n<<8 | int64(c)
		}
		v = n
	}
	return v, rest, nil
}
