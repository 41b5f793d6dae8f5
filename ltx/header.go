package ltx

import (
	"errors"
	"fmt"
	"io"
	"math"

	sltx "github.com/superfly/ltx"
)

// Errors about content, found with errors.Is. An error of the reader below is
// neither: it is passed on as it is.
var (
	// ErrTruncated: the file ends before its format does.
	ErrTruncated = errors.New("LTX file is truncated")
	// ErrCorrupt: the file's bytes contradict the format or each other.
	ErrCorrupt = errors.New("LTX file is corrupt")
)

const (
	pageHeaderSize = sltx.PageHeaderSize
	indexSizeLen   = 8

	// MinFileSize is the size in bytes of a file with no pages: header, end
	// marker of the pages, end marker of the index, its length, trailer.
	MinFileSize = HeaderSize + pageHeaderSize + 1 + indexSizeLen + TrailerSize

	// SQLite's own limit on the pages of a database: 2^32 - 2.
	maxCommit = math.MaxUint32 - 1

	// The last millisecond of the year 9999: later times have no RFC 3339
	// form.
	maxTimestamp = 253402300799999
)

// ParseHeader reads and checks the first HeaderSize bytes of a file; what
// follows them in b is not looked at.
func ParseHeader(b []byte) (Header, error) {
	if len(b) < HeaderSize {
		return Header{}, fmt.Errorf("header: %w: %d of %d bytes", ErrTruncated, len(b), HeaderSize)
	}
	var h Header
	if err := h.UnmarshalBinary(b[:HeaderSize]); err != nil {
		return Header{}, fmt.Errorf("header: %w: it begins with %q, not %q", ErrCorrupt, b[:len(sltx.Magic)], sltx.Magic)
	}
	if err := checkHeader(h); err != nil {
		return Header{}, fmt.Errorf("header: %w: %w", ErrCorrupt, err)
	}
	return h, nil
}

func checkHeader(h Header) error {
	if err := h.Validate(); err != nil {
		return err
	}
	if h.Commit > maxCommit {
		return fmt.Errorf("a database of %d pages, more than SQLite allows", h.Commit)
	}
	if h.Timestamp < 0 || h.Timestamp > maxTimestamp {
		return fmt.Errorf("timestamp of %d ms is not between 1970 and 9999", h.Timestamp)
	}
	return nil
}

// ReadHeader reads exactly HeaderSize bytes and parses them.
func ReadHeader(r io.Reader) (Header, error) {
	b := make([]byte, HeaderSize)
	n, err := readFull(r, b)
	if err != nil && !isEnd(err) {
		return Header{}, fmt.Errorf("read header: %w", err)
	}
	return ParseHeader(b[:n])
}

// isEnd reports whether a reader's error means that the file ends here. Only
// io.EOF itself does: one that is wrapped, or io.ErrUnexpectedEOF, can come from
// a connection that broke, and a whole file must not be called truncated for it.
func isEnd(err error) bool {
	return err == io.EOF //nolint:errorlint // see above
}

// readFull is io.ReadFull, but the end of the file is always io.EOF.
func readFull(r io.Reader, b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var m int
		m, err = r.Read(b[n:])
		n += m
	}
	if n == len(b) {
		err = nil
	}
	return n, err
}

func parseTrailer(b []byte, h Header) (Trailer, error) {
	var t Trailer
	if err := t.UnmarshalBinary(b); err != nil {
		return Trailer{}, fmt.Errorf("%w: %w", ErrTruncated, err)
	}
	if err := t.Validate(h); err != nil {
		return Trailer{}, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return t, nil
}

// CheckInfo compares a file's header with what a listing says about it: the
// transactions of its name, its level, and its size, where that is known (not
// zero). The error is [ErrCorrupt] or [ErrTruncated].
func CheckInfo(info *FileInfo, h Header) error {
	switch {
	case info == nil:
		return errNoFile
	case h.MinTXID != info.MinTXID || h.MaxTXID != info.MaxTXID:
		return fmt.Errorf("%w: named %s but the header says %s", ErrCorrupt,
			FormatName(info.MinTXID, info.MaxTXID), FormatName(h.MinTXID, h.MaxTXID))
	case info.Level == SnapshotLevel && !h.IsSnapshot():
		return fmt.Errorf("%w: at the snapshot level, but it begins at transaction %s", ErrCorrupt, h.MinTXID)
	case info.Size != 0:
		return checkSize(info.Size, h)
	}
	return nil
}

// checkSize bounds the size of a file by its header, from both sides.
func checkSize(size int64, h Header) error {
	smallest := int64(MinFileSize)
	if h.IsSnapshot() {
		smallest += dataPages(h) * (minFrame + minIndexEntry)
	}
	if size < smallest {
		return fmt.Errorf("%w: %d bytes, and the smallest with this header has %d", ErrTruncated, size, smallest)
	}
	if largest := MinFileSize + dataPages(h)*(maxFrame(h.PageSize)+maxIndexEntry); size > largest {
		return fmt.Errorf("%w: %d bytes, and the largest with this header has %d", ErrCorrupt, size, largest)
	}
	return nil
}

// dataPages is the number of pages of the database that can be in a file: all
// but the lock page.
func dataPages(h Header) int64 {
	n := int64(h.Commit)
	if h.Commit >= h.LockPgno() {
		n--
	}
	return n
}
