package v3compat

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/replctl/replicate/internal/sqlitewal"
)

// What SQLite's file format says; see https://www.sqlite.org/fileformat2.html.
const (
	dbMagic      = "SQLite format 3\x00"
	dbHeaderSize = 100
)

// contentError says what is wrong with the content of a whole object.
type contentError string

func (e contentError) Error() string { return string(e) }

func (e contentError) Is(target error) bool { return target == ErrContent }

func contentErrorf(format string, args ...any) error {
	return contentError(fmt.Sprintf(format, args...))
}

// checkSnapshot checks that r is a SQLite database file of whole pages.
func checkSnapshot(r io.Reader) error {
	var head [dbHeaderSize]byte
	n, err := drain(r, head[:])
	if err == nil {
		_, err = dbPageSize(head[:], n)
	}
	return err
}

// dbPageSize checks a database file of n bytes by its header and returns its
// page size: 0 for a file of no bytes, which is a database with nothing in it.
func dbPageSize(head []byte, n int64) (int64, error) {
	if n == 0 {
		return 0, nil
	}
	if n < dbHeaderSize || string(head[:len(dbMagic)]) != dbMagic {
		return 0, contentErrorf("not a SQLite database: its %d bytes do not start with %q", n, dbMagic)
	}
	pageSize := int64(binary.BigEndian.Uint16(head[16:]))
	if pageSize == 1 { // 65536 does not fit into the field
		pageSize = sqlitewal.MaxPageSize
	}
	if !sqlitewal.IsPageSize(pageSize) {
		return 0, contentErrorf("not a SQLite database: page size %d", pageSize)
	}
	if n%pageSize != 0 {
		return 0, contentErrorf("a SQLite database that is cut: its %d bytes are not whole pages of %d", n, pageSize)
	}
	return pageSize, nil
}

// checkContent finds out how long the segment is and, where it is the first of
// its index, the log's page size.
func (s *segment) checkContent(r io.Reader) error {
	var head [sqlitewal.HeaderSize]byte
	n, err := drain(r, head[:])
	if err != nil {
		return err
	}
	if n == 0 {
		return contentErrorf("nothing in it")
	}
	if s.Pos.Offset == 0 {
		h, err := sqlitewal.ParseHeader(head[:min(n, sqlitewal.HeaderSize)])
		if err != nil {
			return contentError(err.Error())
		}
		s.pageSize = int64(h.PageSize)
	}
	s.length = n
	return nil
}

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
