package v3compat

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/pierrec/lz4/v4"
)

const (
	flagIndependent = 1 << 5

	lz4Window = 64 << 10 // how far back a block can refer

	// lz4MaxRatio is how many bytes each byte of a block can stand for.
	lz4MaxRatio = 255

	smallBuffer = 64 << 10
)

// blockReader takes the LZ4 frame of an object apart, so that its blocks can be
// decompressed at the same time. What it promises is what frameReader does,
// except for the checksum of the content, which is the caller's to compare.
type blockReader struct {
	key       string
	source    *frameSource
	described bool // the frame's descriptor was read
	flags     byte

	contentSum  uint32 // after io.EOF
	contentSize uint64 // if flags say so
}

func newBlockReader(key string, object io.Reader) *blockReader {
	return &blockReader{key: key, source: newFrameSource(object)}
}

// next reads the next block as it is stored into buf, which grows as needed. It
// is io.EOF at the end of an object that was one whole frame.
func (b *blockReader) next(buf []byte) (block []byte, raw bool, err error) {
	s := b.source
	for s.err == nil {
		s.pending = nil
		s.next(s)
		switch {
		case s.err != nil:
		case !b.described:
			b.describe()
		case len(s.pending) == 8: // the end mark and the checksum
			b.contentSum = binary.LittleEndian.Uint32(s.pending[4:])
		case len(s.pending) == 4: // a block's size
			return b.read(buf)
		}
	}
	if s.whole {
		return nil, false, io.EOF
	}
	return nil, false, &ObjectError{b.key, explainSource(s.err)}
}

// Bits of the descriptor's first and second byte that no version uses.
const (
	reservedFlags = 0x02
	reservedSizes = 0x8f
)

// describe checks the descriptor that the source has parsed: the second byte of
// its XXH32 is stored behind it.
func (b *blockReader) describe() {
	b.described = true
	descriptor := b.source.pending[4:]
	n := len(descriptor) - 1
	want := byte(xxh32Of(descriptor[:n]) >> 8)
	switch {
	case descriptor[0]&reservedFlags != 0 || descriptor[1]&reservedSizes != 0:
		b.source.corrupt("reserved bits are set in its descriptor, %x", descriptor[:2])
	case descriptor[n] != want:
		b.source.corrupt("invalid header checksum: got %02x, want %02x", descriptor[n], want)
	}
	if b.flags = descriptor[0]; b.flags&flagContentSize != 0 {
		b.contentSize = binary.LittleEndian.Uint64(descriptor[2:])
	}
}

func (b *blockReader) read(buf []byte) (block []byte, raw bool, err error) {
	s := b.source
	raw = binary.LittleEndian.Uint32(s.scratch[:])&blockRaw != 0
	block = grow(buf, s.data, s.blockMax+4)
	n, err := io.ReadFull(s.r, block)
	s.offset += int64(n)
	if err != nil {
		s.cut(err, fmt.Sprintf("in block %d", s.block))
		return nil, false, &ObjectError{b.key, explainSource(s.err)}
	}
	s.data = 0
	if s.blockSum {
		sum := block[len(block)-4:]
		block = block[:len(block)-4]
		if xxh32Of(block) != binary.LittleEndian.Uint32(sum) {
			s.corrupt("invalid block checksum in block %d", s.block)
			return nil, false, &ObjectError{b.key, s.err}
		}
	}
	return block, raw, nil
}

// checkContent compares what the frame says of its content.
func (b *blockReader) checkContent(sum uint32, size uint64) error {
	switch {
	case b.flags&flagContentSize != 0 && b.contentSize != size:
		return &ObjectError{b.key, fmt.Errorf("%w: %d bytes in it, its header says %d", ErrCorrupt, size, b.contentSize)}
	case sum != b.contentSum:
		return &ObjectError{b.key, fmt.Errorf("%w: invalid frame checksum: got %08x, want %08x", ErrCorrupt, sum, b.contentSum)}
	}
	return nil
}

// decompressBlock decompresses a block of at most limit bytes into buf, which
// grows as needed. The dictionary is what came before a dependent block.
func decompressBlock(block, buf, dictionary []byte, limit int) ([]byte, error) {
	buf = grow(buf, min(limit, lz4MaxRatio*len(block)), limit)
	var n int
	var err error
	if len(dictionary) > 0 {
		n, err = lz4.UncompressBlockWithDict(block, buf, dictionary)
	} else {
		n, err = lz4.UncompressBlock(block, buf)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrCorrupt, err.Error())
	}
	return buf[:n], nil
}

// grow returns n bytes, those of buf where it has them. A buffer that is not
// small gets its final size, limit, at once.
func grow(buf []byte, n, limit int) []byte {
	switch {
	case cap(buf) >= n:
		return buf[:n]
	case n > smallBuffer:
		return make([]byte, limit)[:n]
	}
	return make([]byte, n)
}

// explainSource says why the source of a frame gave out before its end.
func explainSource(cause error) error {
	switch {
	case errors.Is(cause, ErrEncrypted):
		return fmt.Errorf("%w: only Litestream v0.3.x can decrypt it", cause)
	case errors.Is(cause, io.EOF): // a failure that must not be taken for the end
		return fmt.Errorf("%w: %s", io.ErrUnexpectedEOF, cause.Error())
	}
	return cause
}
