package ltx

import (
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"io"

	sltx "github.com/superfly/ltx"
)

// A window shows a file piece by piece: bufio.Reader is one.
type window interface {
	peeker
	// Discard consumes n bytes that were shown.
	Discard(n int) (int, error)
	// Buffered is how many bytes can be shown without reading more.
	Buffered() int
}

// A walker goes through a file frame by frame, without looking into the pages.
// It makes all checks of [Decoder] but those of page contents and checksums.
type walker struct {
	r       window
	header  Header
	trailer Trailer
	offset  int64

	pgno  uint32
	pages int64

	// The page index that these pages must have: its length, and a hash of
	// it, so that it need not be kept.
	index    maphash.Hash
	indexLen int64

	// What the file's checksum covers after the pages.
	tail    uint64 // crcUpdate, begun at ^0
	tailLen int64
}

// start begins after the header.
func (w *walker) start(r window, h Header) {
	*w = walker{r: r, header: h, offset: HeaderSize, index: w.index, tail: ^uint64(0)}
	w.index.Reset()
}

// next consumes a page frame, which is valid until the window is next used. It
// is io.EOF when there are no more, but the rest of the file has yet to be
// read: see finish.
func (w *walker) next() (h sltx.PageHeader, frame []byte, err error) {
	b, err := w.r.Peek(pageHeaderSize)
	if err != nil {
		return h, nil, w.fail("page header", err)
	}
	if err := h.UnmarshalBinary(b); err != nil {
		return h, nil, w.fail("page header", err)
	}
	if h.IsZero() {
		w.take(b)
		return h, nil, io.EOF
	}
	if err := w.checkPageHeader(h); err != nil {
		return h, nil, err
	}
	n, err := w.frameLen(h)
	if err == nil {
		frame, err = w.r.Peek(n)
	}
	if err != nil {
		return h, nil, w.fail(fmt.Sprintf("page %d", h.Pgno), err)
	}
	w.addPage(h.Pgno, n)
	return h, frame, nil
}

func (w *walker) checkPageHeader(h sltx.PageHeader) error {
	var problem string
	switch {
	case h.Flags&^sltx.PageHeaderFlagSize != 0:
		problem = fmt.Sprintf("unknown flags %04x", h.Flags)
	case h.Pgno <= w.pgno:
		problem = fmt.Sprintf("it follows page %d", w.pgno)
	case h.Pgno > w.header.Commit:
		problem = fmt.Sprintf("the database has %d pages", w.header.Commit)
	case h.Pgno == w.header.LockPgno():
		problem = "that is the lock page, which is never written"
	default:
		return nil
	}
	return fmt.Errorf("page %d at offset %d: %w: %s", h.Pgno, w.offset, ErrCorrupt, problem)
}

// frameLen is the length of the frame with header h that the window is at.
func (w *walker) frameLen(h sltx.PageHeader) (int, error) {
	if h.Flags&sltx.PageHeaderFlagSize == 0 {
		n, err := lz4FrameLen(behindHeader{w.r}, int(maxFrame(w.header.PageSize))-pageHeaderSize)
		return pageHeaderSize + n, err
	}
	b, err := w.r.Peek(blockStart)
	if err != nil {
		return 0, err
	}
	n, err := blockLen(b[pageHeaderSize:], w.header.PageSize)
	return blockStart + n, err
}

// behindHeader shows what follows a page header.
type behindHeader struct{ window }

func (p behindHeader) Peek(n int) ([]byte, error) {
	b, err := p.window.Peek(pageHeaderSize + n)
	return b[min(pageHeaderSize, len(b)):], err
}

// addPage consumes a frame of n bytes, and notes the entry that the page index
// must have for it.
func (w *walker) addPage(pgno uint32, n int) {
	var buf [maxIndexEntry]byte
	b := binary.AppendUvarint(buf[:0], uint64(pgno))
	b = binary.AppendUvarint(b, uint64(w.offset))
	b = binary.AppendUvarint(b, uint64(n))
	w.addIndex(b)
	w.pgno = pgno
	w.pages++
	w.skip(n)
}

func (w *walker) addIndex(b []byte) {
	_, _ = w.index.Write(b) // never fails
	w.indexLen += int64(len(b))
}

// finish reads what follows the pages, up to the end of the file.
func (w *walker) finish() error {
	w.addIndex([]byte{0}) // the index's end marker
	if want := dataPages(w.header); w.header.IsSnapshot() && w.pages != want {
		return fmt.Errorf("snapshot: %w: %d of the %d pages of the database", ErrCorrupt, w.pages, want)
	}
	if err := w.checkIndex(); err != nil {
		return w.fail("page index", err)
	}
	if err := w.readTrailer(); err != nil {
		return w.fail("trailer", err)
	}
	if _, err := w.r.Peek(1); err == nil {
		return fmt.Errorf("%w: bytes follow the trailer, which ends at %d", ErrCorrupt, w.offset)
	} else if !isEnd(err) {
		return w.fail("end of file", err)
	}
	return nil
}

func (w *walker) checkIndex() error {
	var got maphash.Hash
	got.SetSeed(w.index.Seed())
	for left := w.indexLen; left > 0; {
		b, err := w.r.Peek(int(min(left, 4096)))
		if err != nil {
			return err
		}
		_, _ = got.Write(b)
		left -= int64(len(b))
		w.take(b)
	}
	if got.Sum64() != w.index.Sum64() {
		return fmt.Errorf("%w: it does not describe the %d pages of the file", ErrCorrupt, w.pages)
	}
	b, err := w.r.Peek(indexSizeLen)
	if err != nil {
		return err
	}
	if n := binary.BigEndian.Uint64(b); n != uint64(w.indexLen) {
		return fmt.Errorf("%w: its length is given as %d, but it has %d bytes", ErrCorrupt, n, w.indexLen)
	}
	w.take(b)
	return nil
}

func (w *walker) readTrailer() error {
	b, err := w.r.Peek(TrailerSize)
	if err != nil {
		return err
	}
	if w.trailer, err = parseTrailer(b, w.header); err != nil {
		return err
	}
	w.take(b[:TrailerSize-8])
	w.skip(8) // the file's checksum
	return nil
}

// take consumes the bytes just peeked, as part of the file's checksum.
func (w *walker) take(b []byte) {
	w.tail = crcUpdate(w.tail, b)
	w.tailLen += int64(len(b))
	w.skip(len(b))
}

// skip consumes n bytes that were peeked.
func (w *walker) skip(n int) {
	_, _ = w.r.Discard(n) // cannot fail: they are in the buffer
	w.offset += int64(n)
}

// checkSums compares a file's trailer with what its content gives: the CRC of
// the file, and the checksum of all its pages.
func checkSums(h Header, t Trailer, crc uint64, post Checksum) error {
	if got := ChecksumFlag | Checksum(crc); got != t.FileChecksum {
		return fmt.Errorf("trailer: %w: file checksum %s, but its content gives %s", ErrCorrupt, t.FileChecksum, got)
	}
	known := h.IsSnapshot() || h.Commit == 0
	if known && !h.NoChecksum() && t.PostApplyChecksum != post {
		return fmt.Errorf("trailer: %w: database checksum %s, but its pages give %s", ErrCorrupt, t.PostApplyChecksum, post)
	}
	return nil
}

// fail says where an error happened. io.EOF is the end of the file where the
// format does not end.
func (w *walker) fail(part string, err error) error {
	if isEnd(err) {
		err = fmt.Errorf("%w: it ends after %d bytes", ErrTruncated, w.offset+int64(w.r.Buffered()))
		return fmt.Errorf("%s: %w", part, err)
	}
	return fmt.Errorf("%s at offset %d: %w", part, w.offset, err)
}
