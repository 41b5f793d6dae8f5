package ltx

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"io"

	sltx "github.com/superfly/ltx"
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
	r       *bufio.Reader
	header  Header
	trailer Trailer
	offset  int64
	err     error // sticky; io.EOF after the last check has passed

	page  []byte
	lz4   *lz4Decoder
	pgno  uint32
	pages int64

	crc  uint64   // of the file
	post Checksum // of the database, for snapshots

	// The page index that these pages must have: its length, and a hash of
	// it, so that it need not be kept.
	index    maphash.Hash
	indexLen int64
}

// NewDecoder reads the header from r.
func NewDecoder(r io.Reader) (*Decoder, error) {
	d := new(Decoder)
	return d, d.Reset(r)
}

// Reset makes the decoder read another file, with the buffers it has.
func (d *Decoder) Reset(r io.Reader) error {
	*d = Decoder{r: d.r, page: d.page, lz4: d.lz4, post: ChecksumFlag, index: d.index}
	d.index.Reset()
	d.header, d.err = d.readHeader(r)
	return d.err
}

func (d *Decoder) readHeader(r io.Reader) (Header, error) {
	var b [HeaderSize]byte
	n, err := readFull(r, b[:])
	d.offset = int64(n)
	if err != nil && !isEnd(err) {
		return Header{}, fmt.Errorf("read header: %w", err)
	}
	h, err := ParseHeader(b[:n])
	if err != nil {
		return Header{}, err
	}
	d.crc = crcUpdate(0, b[:])
	if size := max(32<<10, int(maxFrame(h.PageSize))); d.r == nil || d.r.Size() < size {
		d.r = bufio.NewReaderSize(r, size)
	} else {
		d.r.Reset(r)
	}
	if size := int(h.PageSize); cap(d.page) < size {
		d.page = make([]byte, size)
	} else {
		d.page = d.page[:size]
	}
	return h, nil
}

// release lets go of the reader.
func (d *Decoder) release() {
	if d.r != nil {
		d.r.Reset(nil)
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
	if d.err == nil {
		d.err = d.next()
	}
	if d.err != nil {
		return 0, nil, d.err
	}
	return d.pgno, d.page, nil
}

func (d *Decoder) next() error {
	var h sltx.PageHeader
	b, err := d.r.Peek(pageHeaderSize)
	if err != nil {
		return d.fail("page header", err)
	}
	if err := h.UnmarshalBinary(b); err != nil {
		return d.fail("page header", err)
	}
	start := d.offset
	d.take(b)
	if h.IsZero() {
		return d.finish()
	}
	if err := d.checkPageHeader(h); err != nil {
		return err
	}
	if h.Flags&sltx.PageHeaderFlagSize != 0 {
		err = d.readBlock()
	} else {
		err = d.readLZ4Frame()
	}
	if err != nil {
		return d.fail(fmt.Sprintf("page %d", h.Pgno), err)
	}
	d.addPage(h.Pgno, start)
	return nil
}

func (d *Decoder) checkPageHeader(h sltx.PageHeader) error {
	var problem string
	switch {
	case h.Flags&^sltx.PageHeaderFlagSize != 0:
		problem = fmt.Sprintf("unknown flags %04x", h.Flags)
	case h.Pgno <= d.pgno:
		problem = fmt.Sprintf("it follows page %d", d.pgno)
	case h.Pgno > d.header.Commit:
		problem = fmt.Sprintf("the database has %d pages", d.header.Commit)
	case h.Pgno == d.header.LockPgno():
		problem = "that is the lock page, which is never written"
	default:
		return nil
	}
	return fmt.Errorf("page %d before offset %d: %w: %s", h.Pgno, d.offset, ErrCorrupt, problem)
}

// readBlock reads a length and an LZ4 block. The length is part of the file's
// checksum, the block is not.
func (d *Decoder) readBlock() error {
	b, err := d.r.Peek(blockSizeLen)
	if err != nil {
		return err
	}
	n, err := blockLen(b, d.header.PageSize)
	if err != nil {
		return err
	}
	d.take(b)
	if b, err = d.r.Peek(n); err != nil {
		return err
	}
	if err := decodeBlock(d.page, b); err != nil {
		return err
	}
	d.skip(n)
	return nil
}

func (d *Decoder) readLZ4Frame() error {
	n, err := lz4FrameLen(d.r, int(maxFrame(d.header.PageSize))-pageHeaderSize)
	if err != nil {
		return err
	}
	b, err := d.r.Peek(n)
	if err != nil {
		return err
	}
	if d.lz4 == nil {
		d.lz4 = new(lz4Decoder)
	}
	if err := d.lz4.decode(d.page, b); err != nil {
		return err
	}
	d.skip(n)
	return nil
}

// addPage accounts for the page that was read: file checksum, database
// checksum, and the entry which the page index must have for it.
func (d *Decoder) addPage(pgno uint32, start int64) {
	d.pgno = pgno
	d.pages++
	d.crc = crcUpdate(d.crc, d.page)
	if d.header.IsSnapshot() && !d.header.NoChecksum() {
		d.post = ChecksumFlag | (d.post ^ pageChecksum(pgno, d.page))
	}
	var buf [maxIndexEntry]byte
	b := binary.AppendUvarint(buf[:0], uint64(pgno))
	b = binary.AppendUvarint(b, uint64(start))
	b = binary.AppendUvarint(b, uint64(d.offset-start))
	d.addIndex(b)
}

func (d *Decoder) addIndex(b []byte) {
	_, _ = d.index.Write(b) // never fails
	d.indexLen += int64(len(b))
}

// finish reads what follows the pages. Its success is io.EOF.
func (d *Decoder) finish() error {
	d.addIndex([]byte{0}) // the index's end marker
	if want := dataPages(d.header); d.header.IsSnapshot() && d.pages != want {
		return fmt.Errorf("snapshot: %w: %d of the %d pages of the database", ErrCorrupt, d.pages, want)
	}
	if err := d.checkIndex(); err != nil {
		return d.fail("page index", err)
	}
	if err := d.checkTrailer(); err != nil {
		return d.fail("trailer", err)
	}
	if _, err := d.r.Peek(1); err == nil {
		return fmt.Errorf("%w: bytes follow the trailer, which ends at %d", ErrCorrupt, d.offset)
	} else if !isEnd(err) {
		return d.fail("end of file", err)
	}
	return io.EOF
}

func (d *Decoder) checkIndex() error {
	var got maphash.Hash
	got.SetSeed(d.index.Seed())
	for left := d.indexLen; left > 0; {
		b, err := d.r.Peek(int(min(left, 4096)))
		if err != nil {
			return err
		}
		_, _ = got.Write(b)
		left -= int64(len(b))
		d.take(b)
	}
	if got.Sum64() != d.index.Sum64() {
		return fmt.Errorf("%w: it does not describe the %d pages of the file", ErrCorrupt, d.pages)
	}
	b, err := d.r.Peek(indexSizeLen)
	if err != nil {
		return err
	}
	if n := binary.BigEndian.Uint64(b); n != uint64(d.indexLen) {
		return fmt.Errorf("%w: its length is given as %d, but it has %d bytes", ErrCorrupt, n, d.indexLen)
	}
	d.take(b)
	return nil
}

func (d *Decoder) checkTrailer() error {
	b, err := d.r.Peek(TrailerSize)
	if err != nil {
		return err
	}
	if d.trailer, err = parseTrailer(b, d.header); err != nil {
		return err
	}
	if got := ChecksumFlag | Checksum(crcUpdate(d.crc, b[:TrailerSize-8])); got != d.trailer.FileChecksum {
		return fmt.Errorf("%w: file checksum %s, but its content gives %s", ErrCorrupt, d.trailer.FileChecksum, got)
	}
	known := d.header.IsSnapshot() || d.header.Commit == 0
	if known && !d.header.NoChecksum() && d.trailer.PostApplyChecksum != d.post {
		return fmt.Errorf("%w: database checksum %s, but its pages give %s", ErrCorrupt, d.trailer.PostApplyChecksum, d.post)
	}
	d.skip(TrailerSize)
	return nil
}

// take consumes the bytes just peeked, as part of the file's checksum.
func (d *Decoder) take(b []byte) {
	d.crc = crcUpdate(d.crc, b)
	d.skip(len(b))
}

// skip consumes n bytes that were peeked.
func (d *Decoder) skip(n int) {
	_, _ = d.r.Discard(n) // cannot fail: they are in the buffer
	d.offset += int64(n)
}

// fail says where an error happened. io.EOF is the end of the file where the
// format does not end.
func (d *Decoder) fail(part string, err error) error {
	if isEnd(err) {
		err = fmt.Errorf("%w: it ends after %d bytes", ErrTruncated, d.offset+int64(d.r.Buffered()))
		return fmt.Errorf("%s: %w", part, err)
	}
	return fmt.Errorf("%s at offset %d: %w", part, d.offset, err)
}
