package v3compat

import (
	"encoding/binary"
	"fmt"
	"io"
)

// What SQLite's file format says; see https://www.sqlite.org/fileformat2.html.
const (
	dbMagic      = "SQLite format 3\x00"
	dbHeaderSize = 100

	walMagic           = 0x377f0682 // the lowest bit says that checksums are big-endian
	walVersion         = 3007000
	walHeaderSize      = 32
	walFrameHeaderSize = 24

	minPageSize = 512
	maxPageSize = 65536
)

// contentError says what is wrong with the content of a whole object.
type contentError string

func (e contentError) Error() string { return string(e) }

func contentErrorf(format string, args ...any) error {
	return contentError(fmt.Sprintf(format, args...))
}

// checkSnapshot checks that r is a SQLite database file of whole pages.
func checkSnapshot(r io.Reader) error {
	var head [dbHeaderSize]byte
	n, err := drain(r, head[:])
	if err != nil {
		return err
	}
	if n < dbHeaderSize || string(head[:len(dbMagic)]) != dbMagic {
		return contentErrorf("not a SQLite database: its %d bytes do not start with %q", n, dbMagic)
	}
	pageSize := int64(binary.BigEndian.Uint16(head[16:]))
	if pageSize == 1 { // 65536 does not fit into the field
		pageSize = maxPageSize
	}
	if !isPageSize(pageSize) {
		return contentErrorf("not a SQLite database: page size %d", pageSize)
	}
	if n%pageSize != 0 {
		return contentErrorf("a SQLite database that is cut: its %d bytes are not whole pages of %d", n, pageSize)
	}
	return nil
}

// checkContent finds out how long the segment is and, where it is the first of
// its index, the log's page size.
func (s *segment) checkContent(r io.Reader) error {
	var head [walHeaderSize]byte
	n, err := drain(r, head[:])
	if err != nil {
		return err
	}
	if n == 0 {
		return contentErrorf("nothing in it")
	}
	if s.offset == 0 {
		if n < walHeaderSize {
			return contentErrorf("its %d bytes are not a WAL header", n)
		}
		if s.pageSize, err = walPageSize(head); err != nil {
			return err
		}
	}
	s.length = n
	return nil
}

// walPageSize checks the header of a log and returns its page size.
func walPageSize(head [walHeaderSize]byte) (int64, error) {
	word := func(i int) uint32 { return binary.BigEndian.Uint32(head[i:]) }
	pageSize := int64(word(8))
	switch magic := word(0); {
	case magic&^1 != walMagic:
		return 0, contentErrorf("no valid WAL header: it starts with %08x", magic)
	case word(4) != walVersion:
		return 0, contentErrorf("no valid WAL header: version %d", word(4))
	case !isPageSize(pageSize):
		return 0, contentErrorf("no valid WAL header: page size %d", pageSize)
	}
	var order binary.ByteOrder = binary.LittleEndian
	if word(0)&1 != 0 {
		order = binary.BigEndian
	}
	if s0, s1 := walChecksum(order, 0, 0, head[:24]); s0 != word(24) || s1 != word(28) {
		return 0, contentErrorf("no valid WAL header: its checksum is wrong")
	}
	return pageSize, nil
}

// walChecksum continues SQLite's checksum over data, whose length is a multiple
// of 8.
func walChecksum(order binary.ByteOrder, s0, s1 uint32, data []byte) (uint32, uint32) {
	for i := 0; i < len(data); i += 8 {
		s0 += order.Uint32(data[i:]) + s1
		s1 += order.Uint32(data[i+4:]) + s0
	}
	return s0, s1
}

func isPageSize(n int64) bool { return n >= minPageSize && n <= maxPageSize && n&(n-1) == 0 }

// drain reads r to its end, keeps the first bytes, and returns the length.
func drain(r io.Reader, head []byte) (int64, error) {
	return io.Copy(&headWriter{head}, r)
}

// headWriter keeps what comes first and drops the rest.
type headWriter struct{ head []byte }

func (w *headWriter) Write(p []byte) (int, error) {
	w.head = w.head[copy(w.head, p):]
	return len(p), nil
}
