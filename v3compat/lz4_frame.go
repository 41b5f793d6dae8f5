package v3compat

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

const (
	frameMagic = 0x184D2204

	// Bits of the frame descriptor's FLG byte.
	flagBlockSum    = 1 << 4
	flagContentSize = 1 << 3
	flagContentSum  = 1 << 2

	blockRaw = 1 << 31 // in a block's size: stored uncompressed

	bufferSize = 64 << 10
)

var ageMagic = []byte("age-encryption.org/")

// frameSource hands the bytes of one LZ4 frame to the decoder and follows its
// structure meanwhile. The decoder checks the rest of the format, but cannot tell
// where an object ends: to it, an empty source is an empty stream, and several
// frames, of three kinds, are one stream.
type frameSource struct {
	r    *bufio.Reader
	next func(*frameSource) error // looks at the part of the frame that comes next
	part int64                    // bytes of the current part still to pass on
	err  error                    // final; io.EOF: the object is one frame and nothing else

	offset   int64 // in the object
	block    int   // number of the current block, from 1
	blockSum int64 // length of a block's checksum
}

func newFrameSource(object io.Reader) *frameSource {
	return &frameSource{r: bufio.NewReaderSize(object, bufferSize), next: (*frameSource).header}
}

// Read implements io.Reader. It never reads past the frame but for the one byte
// that must not be there.
func (s *frameSource) Read(p []byte) (n int, err error) {
	if s.err == nil && s.part == 0 {
		s.err = s.next(s)
	}
	if s.err != nil {
		return 0, s.err
	}
	n, err = s.r.Read(p[:min(int64(len(p)), s.part)])
	s.part -= int64(n)
	s.offset += int64(n)
	if err != nil {
		s.err = s.cut(err, 0, fmt.Sprintf("in block %d", s.block))
	}
	return n, s.err
}

// header looks at what comes before the first block: 7 bytes, and 8 more for the
// content's size.
func (s *frameSource) header() error {
	head, err := s.r.Peek(7)
	switch {
	case len(head) >= 4 && binary.LittleEndian.Uint32(head) != frameMagic:
		return s.foreign(bytes.Clone(head[:4]))
	case err != nil:
		return s.cut(err, len(head), "in the frame header")
	case head[4]&flagContentSum == 0:
		return corrupt("frame without a content checksum, which Litestream always writes")
	}
	s.part = 7
	if head[4]&flagContentSize != 0 {
		s.part += 8
	}
	if head[4]&flagBlockSum != 0 {
		s.blockSum = 4
	}
	if head, err = s.r.Peek(int(s.part)); err != nil {
		return s.cut(err, len(head), "in the frame header")
	}
	s.next = (*frameSource).blockHeader
	return nil
}

// foreign explains an object that does not start like an LZ4 frame.
func (s *frameSource) foreign(magic []byte) error {
	if head, _ := s.r.Peek(len(ageMagic)); bytes.Equal(head, ageMagic) {
		return fmt.Errorf("%w: only Litestream v0.3.x can decrypt it", ErrEncrypted)
	}
	return corrupt("starts with % x, not with the magic number of an LZ4 frame", magic)
}

// blockHeader looks at the size of a block, or at the end mark, which is 0, and
// the content's checksum behind it.
func (s *frameSource) blockHeader() error {
	s.block++
	head, err := s.r.Peek(4)
	if err != nil {
		return s.cut(err, len(head), fmt.Sprintf("before block %d or the end mark", s.block))
	}
	if size := binary.LittleEndian.Uint32(head); size != 0 {
		s.part = 4 + int64(size&^blockRaw) + s.blockSum
		return nil
	}
	if head, err = s.r.Peek(8); err != nil {
		return s.cut(err, len(head), "in the content checksum")
	}
	s.part, s.next = 8, (*frameSource).end
	return nil
}

// end accepts nothing but the end. Litestream writes one frame per object, so a
// second frame is as foreign as anything else.
func (s *frameSource) end() error {
	if _, err := s.r.Peek(1); err != nil {
		return keepCause(err)
	}
	return corrupt("data after the end of the frame, at byte %d", s.offset)
}

// cut explains an object that ends, or fails, n bytes from here.
func (s *frameSource) cut(err error, n int, where string) error {
	switch at := s.offset + int64(n); {
	case err != io.EOF: //nolint:errorlint // see keepCause
		return keepCause(err)
	case at == 0:
		return fmt.Errorf("%w: the object is empty", ErrTruncated)
	default:
		return fmt.Errorf("%w: the object ends after %d bytes, %s", ErrTruncated, at, where)
	}
}

// keepCause keeps a failure of the store that carries io.EOF from being taken for
// the end of the object. Only io.EOF itself is that.
func keepCause(err error) error {
	if err != io.EOF && errors.Is(err, io.EOF) { //nolint:errorlint // see above
		return fmt.Errorf("%w: %s", io.ErrUnexpectedEOF, err.Error())
	}
	return err
}

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrCorrupt}, args...)...)
}
