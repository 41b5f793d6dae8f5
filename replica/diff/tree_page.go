package diff

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// errMalformed: a page of a b-tree is not what the walk takes it for. SQLite says what is wrong with it
// when it reads it.
var errMalformed = errors.New("a b-tree page is malformed")

// The types of the pages of a b-tree.
const (
	interiorIndex = 2
	interiorTable = 5
	leafIndex     = 10
	leafTable     = 13
)

// fileHeader is the size of the header before the first page's b-tree.
const fileHeader = 100

// node is a page of a b-tree.
type node struct {
	page   []byte
	kind   byte
	cells  []int // offsets
	right  uint32
	usable int // bytes of a page
}

// isInterior reports whether other pages are below it.
func (n *node) isInterior() bool { return n.kind == interiorIndex || n.kind == interiorTable }

func parseNode(pgno uint32, page []byte, usable int) (*node, error) {
	at := 0
	if pgno == 1 {
		at = fileHeader
	}
	if len(page) < at+12 || usable > len(page) {
		return nil, errMalformed
	}
	n := &node{page: page, kind: page[at], usable: usable}
	pointers := at + 8
	switch n.kind {
	case interiorIndex, interiorTable:
		n.right = binary.BigEndian.Uint32(page[at+8:])
		pointers += 4
	case leafIndex, leafTable:
	default:
		return nil, errMalformed
	}
	count := int(binary.BigEndian.Uint16(page[at+3:]))
	if pointers+2*count > len(page) {
		return nil, errMalformed
	}
	for i := range count {
		cell := int(binary.BigEndian.Uint16(page[pointers+2*i:]))
		if cell < pointers || cell+4 > len(page) {
			return nil, errMalformed
		}
		n.cells = append(n.cells, cell)
	}
	return n, nil
}

// child is the page below an interior page that is before cell i, or after the last.
func (n *node) child(i int) uint32 {
	if i == len(n.cells) {
		return n.right
	}
	return binary.BigEndian.Uint32(n.page[n.cells[i]:])
}

// Children returns the pages below an interior page of a b-tree, in their order; nil for a leaf.
func Children(pgno uint32, page []byte) ([]uint32, error) {
	n, err := parseNode(pgno, page, len(page))
	if err != nil {
		return nil, fmt.Errorf("page %d: %w", pgno, err)
	}
	if !n.isInterior() {
		return nil, nil
	}
	children := make([]uint32, 0, len(n.cells)+1)
	for i := range len(n.cells) + 1 {
		children = append(children, n.child(i))
	}
	return children, nil
}

// payload is what a cell holds, as far as the page has it.
type payload struct {
	rowid    int64 // of a table
	size     uint64
	local    []byte
	overflow uint32 // the first page with the rest; 0 for none
}

// cell parses a cell.
func (n *node) cell(i int) (p payload, err error) {
	b := n.page[n.cells[i]:]
	if n.isInterior() {
		b = b[4:]
	}
	var size, rowid uint64
	if n.kind == interiorTable {
		rowid, _, err = varint(b)
		return payload{rowid: int64(rowid)}, err
	}
	if size, b, err = varint(b); err != nil {
		return p, err
	}
	if n.kind == leafTable {
		if rowid, b, err = varint(b); err != nil {
			return p, err
		}
	}
	p = payload{rowid: int64(rowid), size: size}
	local := n.localSize(size)
	if local > len(b) || size > math.MaxInt32 {
		return p, errMalformed
	}
	p.local = b[:local]
	if uint64(local) < size {
		if b = b[local:]; len(b) < 4 {
			return p, errMalformed
		}
		p.overflow = binary.BigEndian.Uint32(b)
	}
	return p, nil
}

// localSize is how much of a payload is on the page (section 1.6 of SQLite's file format).
func (n *node) localSize(size uint64) int {
	usable := uint64(n.usable)
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
	return 0, nil, errMalformed
}

// parseRecord returns the first n values of a record of UTF-8 text. The record may be cut after them.
func parseRecord(record []byte, n int) ([]any, error) {
	size, rest, err := varint(record)
	if err != nil || size > uint64(len(record)) || uint64(len(record)-len(rest)) > size {
		return nil, errMalformed
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
		return nil, nil, fmt.Errorf("%w: serial type %d", errMalformed, kind)
	default:
		size = (kind - (text - 1)) / 2
	}
	if size > uint64(len(b)) {
		return nil, nil, errMalformed
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
