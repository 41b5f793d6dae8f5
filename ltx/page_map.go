package ltx

import (
	"errors"
	"fmt"
)

// Bounds of what a PageMap can address.
const (
	mapFileBits   = 20
	mapOffsetBits = 64 - mapFileBits
	maxMapFiles   = 1 << mapFileBits
)

// PageMap says in which of the files of a [Path] each page of the database is. It takes
// 12 bytes for a page, however many files there are.
//
// The outlines of the files are added from the newest to the oldest, as [Apply] reads
// them: the first version of a page is the one, and a page beyond the end of the database
// after some file does not survive that file. When [PageMap.Check] has returned nil, the
// map is complete, and safe for concurrent use.
type PageMap struct {
	files  []*FileInfo
	todo   int      // how many of files are still to be added
	size   int64    // of all files together
	header Header   // of the newest file
	post   Checksum // of the database
	ends   fileEnds // of the file that was added last
	left   pageSet

	at    []uint64 // the file's number and the frame's offset; 0 for a page in no file
	sizes []uint32 // of the frame
}

// NewPageMap begins a map of files, which are in the order of application, with their
// sizes.
func NewPageMap(files []*FileInfo) (*PageMap, error) {
	if err := checkOrder(files); err != nil {
		return nil, err
	}
	if len(files) > maxMapFiles {
		return nil, fmt.Errorf("a page map of %d files, and at most %d are possible", len(files), maxMapFiles)
	}
	m := &PageMap{files: files, todo: len(files)}
	for _, f := range files {
		if f.Size >= 1<<mapOffsetBits {
			return nil, &FileError{f, fmt.Errorf("%d bytes are too many for a page map", f.Size)}
		}
		m.size += f.Size
	}
	return m, nil
}

// Add adds the next older file. It makes the checks that Apply makes: that the file is the
// one of its name, that all files have the same page size, and that the checksum of
// the database which a file was made for is the one that the file before it has left. The
// error is a [*FileError].
func (m *PageMap) Add(o Outline) error {
	if m.todo == 0 || o.Index == nil {
		return errNoFile
	}
	f := m.files[m.todo-1]
	isNewest := m.todo == len(m.files)
	if isNewest {
		m.header, m.post = o.Header, o.Trailer.PostApplyChecksum
	}
	if err := checkSameDatabase(f, o.Header, m.header); err != nil {
		return &FileError{f, err}
	}
	ends := fileEnds{f, o.Header, o.Trailer}
	if isNewest {
		if err := m.begin(); err != nil {
			return &FileError{f, err}
		}
	} else if err := checkEnd(m.ends, ends); err != nil {
		return err
	}
	m.todo--
	m.ends = ends
	for i := range o.Index.Len() {
		pgno, offset, size := o.Index.At(i)
		if m.left.claim(pgno) {
			m.at[pgno-1] = uint64(m.todo)<<mapOffsetBits | uint64(offset)
			m.sizes[pgno-1] = uint32(size)
		}
	}
	m.left.truncate(o.Header.Commit)
	return nil
}

func (m *PageMap) begin() error {
	if most := m.size / (minFrame + minIndexEntry); dataPages(m.header) > most {
		return tooManyPages(m.header, most)
	}
	n := m.header.Commit
	m.left, m.at, m.sizes = newPageSet(n), make([]uint64, n), make([]uint32, n)
	return nil
}

func tooManyPages(h Header, most int64) error {
	return fmt.Errorf("%w: a database of %d pages, and all files have at most %d", ErrCorrupt, h.Commit, most)
}

// Check returns an error if a page of the database is in no file. The error is
// [ErrCorrupt].
func (m *PageMap) Check() error {
	if m.todo > 0 || len(m.files) == 0 {
		return errors.New("page map: files are missing")
	}
	err := m.left.checkComplete(m.header)
	m.left = pageSet{}
	return err
}

// Header is that of the newest file: it says what the database is.
func (m *PageMap) Header() Header { return m.header }

// SameChecksum reports whether the newest files of two maps leave databases of the same
// checksum, as far as both track it.
func (m *PageMap) SameChecksum(other *PageMap) bool {
	return m.header.NoChecksum() || other.header.NoChecksum() || m.post == other.post
}

// HasPages reports whether a database of so many pages, which read gives, has the checksum that the
// newest file has of its database. It is not known, and nothing is read, if that file tracks none.
func (m *PageMap) HasPages(pages uint32, read func(pgno uint32, page []byte) error) (same, known bool, err error) {
	switch {
	case m.header.NoChecksum() || m.post == 0:
		return false, false, nil
	case pages != m.header.Commit:
		return false, true, nil
	}
	sum, page := Checksum(0), make([]byte, m.header.PageSize)
	for pgno := uint32(1); pgno <= pages; pgno++ {
		if err := read(pgno, page); err != nil {
			return false, true, err
		}
		if pgno != m.header.LockPgno() {
			sum ^= pageChecksum(pgno, page)
		}
	}
	return ChecksumFlag|sum == m.post, true, nil
}

// Find returns which of the files has a page, and where its frame is. It returns false for
// the lock page, and for a page that
// the database does not have.
func (m *PageMap) Find(pgno uint32) (file int, offset, size int64, ok bool) {
	if pgno == 0 || int64(pgno) > int64(len(m.at)) || m.at[pgno-1] == 0 {
		return 0, 0, 0, false
	}
	at := m.at[pgno-1]
	return int(at >> mapOffsetBits), int64(at & (1<<mapOffsetBits - 1)), int64(m.sizes[pgno-1]), true
}

// checkEnd compares the checksum of the database that newer was made for with the one that
// older has left, where both files track it and one begins where the other ends.
func checkEnd(newer, older fileEnds) error {
	if newer.header.MinTXID != older.header.MaxTXID+1 || newer.header.NoChecksum() || older.header.NoChecksum() {
		return nil
	}
	if got, want := older.trailer.PostApplyChecksum, newer.header.PreApplyChecksum; got != want {
		return &FileError{newer.info, fmt.Errorf("%w: it applies to the database with checksum %s, but %s ends with %s",
			ErrCorrupt, want, IDOf(older.info), got)}
	}
	return nil
}
