package ltx

import (
	"bufio"
	"fmt"
	"io"
)

// Decoder reads the pages of a file in order, and checks everything about the
// file that can be checked without other files:
//
//   - the header, as [ParseHeader] does;
//   - page numbers: ascending, within the database, never the lock page;
//   - each page has exactly the header's page size;
//   - the page index names exactly these pages, where they are;
//   - the checksum of the file, and nothing follows it;
//   - snapshots have every page, and the checksum of the database they give is
//     that of the trailer, if the file tracks it.
//
// What it cannot find is a change to compressed bytes that does not change the
// page: the file's checksum covers pages uncompressed.
//
// Memory is bounded by the page size, whatever the file says, and does not grow
// with the number of pages. A Decoder never panics and is not safe for
// concurrent use.
type Decoder struct {
	walker
	buf *bufio.Reader
	err error // sticky; io.EOF after the last check has passed

	page []byte
	lz4  lz4Decoder

	crc  uint64   // of the file, up to the last page read
	post Checksum // of the database, for snapshots
}

// NewDecoder reads the header from r.
func NewDecoder(r io.Reader) (*Decoder, error) {
	d := new(Decoder)
	return d, d.Reset(r)
}

// Reset makes the decoder read another file, with the buffers it has.
func (d *Decoder) Reset(r io.Reader) error {
	d.walker = walker{index: d.index}
	d.post = ChecksumFlag
	d.err = d.readHeader(r)
	return d.err
}

func (d *Decoder) readHeader(r io.Reader) error {
	var b [HeaderSize]byte
	n, err := readFull(r, b[:])
	d.offset = int64(n)
	if err != nil && !isEnd(err) {
		return fmt.Errorf("read header: %w", err)
	}
	h, err := ParseHeader(b[:n])
	if err != nil {
		return err
	}
	d.crc = crcUpdate(0, b[:])
	if size := max(32<<10, int(maxFrame(h.PageSize))); d.buf == nil || d.buf.Size() < size {
		d.buf = bufio.NewReaderSize(r, size)
	} else {
		d.buf.Reset(r)
	}
	if size := int(h.PageSize); cap(d.page) < size {
		d.page = make([]byte, size)
	} else {
		d.page = d.page[:size]
	}
	d.start(d.buf, h)
	return nil
}

// release lets go of the reader.
func (d *Decoder) release() {
	if d.buf != nil {
		d.buf.Reset(nil)
	}
}

// Header is the file's header.
func (d *Decoder) Header() Header { return d.header }

// Trailer is the file's trailer, after Next has returned io.EOF.
func (d *Decoder) Trailer() Trailer { return d.trailer }

// Pages is the number of pages read so far.
func (d *Decoder) Pages() int64 { return d.pages }

// Bytes is the number of bytes of the file read so far.
func (d *Decoder) Bytes() int64 { return d.offset }

// Next reads a page. The data is valid until the next call.
//
// After the last page, and only if every check has passed, the error is io.EOF;
// until then no page may be relied on. An error that is [ErrTruncated] or
// [ErrCorrupt] is about the file, any other comes from the reader.
func (d *Decoder) Next() (pgno uint32, page []byte, err error) {
	if d.err == nil && d.buf == nil {
		d.err = errNoFile
	}
	if d.err == nil {
		d.err = d.nextPage()
	}
	if d.err != nil {
		return 0, nil, d.err
	}
	return d.pgno, d.page, nil
}

func (d *Decoder) nextPage() error {
	h, frame, err := d.next()
	if isEnd(err) {
		if err := d.finish(); err != nil {
			return err
		}
		crc := crcAppend(d.crc, crcRemainder(d.tail), d.tailLen)
		if err := checkSums(d.header, d.trailer, crc, d.post); err != nil {
			return err
		}
		return io.EOF
	}
	if err != nil {
		return err
	}
	hashed, err := d.lz4.decodeFrame(d.page, frame)
	if err != nil {
		return fmt.Errorf("page %d at offset %d: %w", h.Pgno, d.offset-int64(len(frame)), err)
	}
	d.crc = crcUpdate(crcUpdate(d.crc, frame[:hashed]), d.page)
	if d.header.IsSnapshot() && !d.header.NoChecksum() {
		d.post = ChecksumFlag | (d.post ^ pageChecksum(h.Pgno, d.page))
	}
	return nil
}
