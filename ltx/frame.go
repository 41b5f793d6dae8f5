package ltx

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/pierrec/lz4/v4"
	sltx "github.com/superfly/ltx"
)

// A page frame is a page header (page number, flags) and a compressed page. How
// it is compressed is in the flags: as an LZ4 block after its length in four
// bytes, or, in files of Litestream before 0.5.3 or so, as an LZ4 frame, which
// has to be walked to find its end.

const (
	blockSizeLen = 4
	blockStart   = pageHeaderSize + blockSizeLen // of the block in its frame

	minFrame      = pageHeaderSize + blockSizeLen + 1
	minIndexEntry = 1 + 1 + 1
	maxIndexEntry = binary.MaxVarintLen32 + 2*binary.MaxVarintLen64

	lz4Magic        = 0x184d2204
	lz4VersionMask  = 0xc0
	lz4Version1     = 0x40
	lz4BlockSums    = 0x10
	lz4ContentSize  = 0x08
	lz4ContentSum   = 0x04
	lz4DictID       = 0x01
	lz4Uncompressed = 1 << 31

	// What an LZ4 frame adds to its blocks, generously: a header of at most 19
	// bytes, 8 bytes around each of a few blocks, end mark and checksum.
	lz4Overhead = 128
)

// maxFrame is the size of the largest page frame in either encoding.
func maxFrame(pageSize uint32) int64 {
	return pageHeaderSize + int64(lz4.CompressBlockBound(int(pageSize))) + lz4Overhead
}

// A peeker shows the next n bytes without consuming them. Fewer come with an
// error.
type peeker interface {
	Peek(n int) ([]byte, error)
}

// blockLen is the length of the compressed block whose length bytes are given.
func blockLen(b []byte, pageSize uint32) (int, error) {
	n := binary.BigEndian.Uint32(b)
	if limit := uint32(lz4.CompressBlockBound(int(pageSize))); n == 0 || n > limit {
		return 0, fmt.Errorf("%w: compressed page of %d bytes, want 1 to %d", ErrCorrupt, n, limit)
	}
	return int(n), nil
}

// decodeFrame decompresses a whole page frame into page. The first hashed bytes
// of the frame are part of the file's checksum, and the page after them; the
// compressed bytes are not.
func (d *lz4Decoder) decodeFrame(page, frame []byte) (hashed int, err error) {
	if binary.BigEndian.Uint16(frame[pageHeaderSize-2:])&sltx.PageHeaderFlagSize != 0 {
		return blockStart, decodeBlock(page, frame[blockStart:])
	}
	return pageHeaderSize, d.decode(page, frame[pageHeaderSize:])
}

func decodeBlock(page, block []byte) error {
	n, err := lz4.UncompressBlock(block, page)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if n != len(page) {
		return fmt.Errorf("%w: page of %d bytes, want %d", ErrCorrupt, n, len(page))
	}
	return nil
}

// lz4FrameLen walks the LZ4 frame that p is at and returns its length, at most
// limit. The frame must have a content checksum: all LTX writers gave it one.
func lz4FrameLen(p peeker, limit int) (int, error) {
	b, err := p.Peek(6)
	if err != nil {
		return 0, err
	}
	flags := b[4]
	if binary.LittleEndian.Uint32(b) != lz4Magic || flags&lz4VersionMask != lz4Version1 || flags&lz4ContentSum == 0 ||
		flags&lz4DictID != 0 {
		return 0, fmt.Errorf("%w: not an LZ4 frame with a content checksum: % x", ErrCorrupt, b[:6])
	}
	n, blockSum := 7, 0
	if flags&lz4ContentSize != 0 {
		n += 8
	}
	if flags&lz4BlockSums != 0 {
		blockSum = 4
	}
	for {
		if b, err = p.Peek(n + 4); err != nil {
			return 0, err
		}
		size := int(binary.LittleEndian.Uint32(b[n:]) &^ lz4Uncompressed)
		if n += 4; size == 0 {
			break
		}
		if size > limit || n+size+blockSum+8 > limit {
			return 0, fmt.Errorf("%w: LZ4 frame longer than %d bytes", ErrCorrupt, limit)
		}
		n += size + blockSum
	}
	return n + 4, nil
}

// An lz4Decoder is an LZ4 reader to use again and again.
type lz4Decoder struct {
	src bytes.Reader
	r   *lz4.Reader
}

// decode fills page from a whole frame, which must hold nothing else.
func (d *lz4Decoder) decode(page, frame []byte) error {
	d.src.Reset(frame)
	if d.r == nil {
		d.r = lz4.NewReader(&d.src)
	} else {
		d.r.Reset(&d.src)
	}
	n, err := readFull(d.r, page)
	if err != nil {
		return fmt.Errorf("%w: LZ4 frame with %d of %d bytes: %w", ErrCorrupt, n, len(page), err)
	}
	var beyond [1]byte
	if n, err := d.r.Read(beyond[:]); n != 0 || !isEnd(err) {
		return fmt.Errorf("%w: LZ4 frame does not end after %d bytes", ErrCorrupt, len(page))
	}
	return nil
}
