package ltx

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"
)

// PageIndex says where in a file each page is. It takes 12 bytes for a page.
//
// Page frames lie end to end from the header on, so a page ends where the next
// begins, and an index that has a hole, an overlap, or an end other than that of
// the page frames is corrupt.
type PageIndex struct {
	pgnos  []uint32
	starts []int64
	end    int64
}

// Len is the number of pages; 0 for nil.
func (x *PageIndex) Len() int {
	if x == nil {
		return 0
	}
	return len(x.pgnos)
}

// At is the i-th page in ascending order, and where its frame is. i is less than Len.
func (x *PageIndex) At(i int) (pgno uint32, offset, size int64) {
	end := x.end
	if i+1 < len(x.starts) {
		end = x.starts[i+1]
	}
	return x.pgnos[i], x.starts[i], end - x.starts[i]
}

// Lookup finds the frame of a page; ok is false if the file does not have it.
func (x *PageIndex) Lookup(pgno uint32) (offset, size int64, ok bool) {
	if x == nil {
		return 0, 0, false
	}
	i, ok := slices.BinarySearch(x.pgnos, pgno)
	if !ok {
		return 0, 0, false
	}
	_, offset, size = x.At(i)
	return offset, size, true
}

// readIndex reads an index of exactly length bytes. Its frames must fill the
// file from the header to end.
func readIndex(r io.Reader, length, end int64, h Header) (*PageIndex, error) {
	br := bufio.NewReader(io.LimitReader(r, length))
	x := &PageIndex{end: HeaderSize}
	if h.IsSnapshot() { // its number of pages is known: no memory need be taken twice
		n := min(dataPages(h), length/minIndexEntry)
		x.pgnos, x.starts = make([]uint32, 0, n), make([]int64, 0, n)
	}
	for {
		pgno, err := readUvarint(br)
		if err != nil {
			return nil, err
		}
		if pgno == 0 {
			break
		}
		if err := x.readEntry(br, pgno, end, h); err != nil {
			return nil, err
		}
	}
	switch _, err := br.ReadByte(); {
	case err == nil:
		return nil, fmt.Errorf("%w: bytes follow its end marker", ErrCorrupt)
	case !isEnd(err):
		return nil, err
	case x.end != end:
		return nil, fmt.Errorf("%w: its last page ends at %d, the page frames at %d", ErrCorrupt, x.end, end)
	case h.IsSnapshot() && int64(x.Len()) != dataPages(h):
		return nil, fmt.Errorf("%w: %d of the %d pages of a snapshot", ErrCorrupt, x.Len(), dataPages(h))
	}
	return x, nil
}

func (x *PageIndex) readEntry(r io.ByteReader, pgno uint64, end int64, h Header) error {
	offset, err := readUvarint(r)
	if err != nil {
		return err
	}
	size, err := readUvarint(r)
	if err != nil {
		return err
	}
	var last uint32
	if n := x.Len(); n > 0 {
		last = x.pgnos[n-1]
	}
	switch {
	case pgno <= uint64(last) || pgno > uint64(h.Commit) || pgno == uint64(h.LockPgno()):
		return fmt.Errorf("%w: page %d after page %d in a database of %d pages", ErrCorrupt, pgno, last, h.Commit)
	case offset != uint64(x.end):
		return fmt.Errorf("%w: page %d at offset %d, where %d is next", ErrCorrupt, pgno, offset, x.end)
	case size < minFrame || size > uint64(maxFrame(h.PageSize)), int64(size) > end-x.end:
		return fmt.Errorf("%w: page %d has %d bytes at offset %d", ErrCorrupt, pgno, size, offset)
	}
	x.pgnos = append(x.pgnos, uint32(pgno))
	x.starts = append(x.starts, x.end)
	x.end += int64(size)
	return nil
}

// readUvarint reads a number in its shortest form, the only one that writers
// use.
func readUvarint(r io.ByteReader) (uint64, error) {
	var v uint64
	for shift := 0; ; shift += 7 {
		b, err := r.ReadByte()
		switch {
		case isEnd(err):
			return 0, fmt.Errorf("%w: it ends without its end marker", ErrCorrupt)
		case err != nil:
			return 0, err
		case b == 0 && shift > 0, shift == 63 && b > 1:
			return 0, fmt.Errorf("%w: a number in it is not in its shortest form or exceeds %d", ErrCorrupt,
				uint64(math.MaxUint64))
		}
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return v, nil
		}
	}
}

// indexLength is the length of the index by the 8 bytes before the trailer,
// checked against the size of the file.
func indexLength(b []byte, size int64) (int64, error) {
	n := binary.BigEndian.Uint64(b)
	if room := size - MinFileSize + 1; n < 1 || n > uint64(room) {
		return 0, fmt.Errorf("%w: an index of %d bytes in a file of %d", ErrCorrupt, n, size)
	}
	return int64(n), nil
}
