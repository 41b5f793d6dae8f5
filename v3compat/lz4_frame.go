package v3compat

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
)

const (
	frameMagic = 0x184D2204

	// Bits of the frame descriptor's FLG byte.
	flagVersion     = 0b01 << 6
	flagVersionMask = 0b11 << 6
	flagBlockSum    = 1 << 4
	flagContentSize = 1 << 3
	flagContentSum  = 1 << 2
	flagDictID      = 1 << 0

	blockRaw = 1 << 31 // in a block's size: stored uncompressed

	bufferSize = 64 << 10
)

var ageMagic = []byte("age-encryption.org/")

// frameSource hands the bytes of one LZ4 frame to the decoder and follows its
// structure meanwhile. The decoder alone cannot give the guarantee: to it, an
// empty source is an empty stream, several frames, of three kinds, are one
// stream, and a connection that breaks looks like a frame that is cut.
type frameSource struct {
	src  *errorKeeper
	r    *bufio.Reader
	err  error // final; io.EOF when the source is at its end
	next func(*frameSource)

	whole bool // the source was one frame and nothing else

	scratch  [19]byte
	pending  []byte // structure that was parsed and not yet handed over
	data     int    // bytes of the current block still to pass through
	offset   int64  // in the object
	block    int    // number of the current block, from 1
	blockMax int
	blockSum bool
}

func newFrameSource(src io.Reader) *frameSource {
	keeper := &errorKeeper{r: src}
	return &frameSource{src: keeper, r: bufio.NewReaderSize(keeper, bufferSize), next: (*frameSource).header}
}

// Read implements io.Reader. It never reads past the frame but for the one byte
// that must not be there.
func (s *frameSource) Read(p []byte) (int, error) {
	for len(s.pending) == 0 && s.data == 0 {
		if s.err != nil {
			return 0, s.err
		}
		s.next(s)
	}
	if len(s.pending) > 0 {
		n := copy(p, s.pending)
		s.pending = s.pending[n:]
		return n, nil
	}
	n, err := s.r.Read(p[:min(len(p), s.data)])
	s.data -= n
	s.offset += int64(n)
	if err != nil && n == 0 {
		s.data = 0
		s.cut(err, fmt.Sprintf("in block %d", s.block))
		return 0, s.err
	}
	return n, nil
}

func (s *frameSource) header() {
	if !s.take(0, 4, "in the magic number") {
		return
	}
	if magic := binary.LittleEndian.Uint32(s.scratch[:]); magic != frameMagic {
		s.foreign()
		return
	}
	if !s.take(4, 2, "in the frame header") {
		return
	}
	flags, sizes := s.scratch[4], s.scratch[5]>>4&7
	switch {
	case flags&flagVersionMask != flagVersion:
		s.corrupt("frame version %d", flags>>6)
	case flags&flagDictID != 0:
		s.corrupt("needs a dictionary")
	case flags&flagContentSum == 0:
		s.corrupt("frame without a content checksum, which Litestream always writes")
	case sizes < 4:
		s.corrupt("block size code %d", sizes)
	}
	rest := 1 // the header's checksum, which the decoder checks
	if flags&flagContentSize != 0 {
		rest += 8
	}
	if s.err != nil || !s.take(6, rest, "in the frame header") {
		return
	}
	s.blockMax = 1 << (8 + 2*sizes)
	s.blockSum = flags&flagBlockSum != 0
	s.pending, s.next = s.scratch[:6+rest], (*frameSource).blockHeader
}

// foreign explains an object that does not start like an LZ4 frame.
func (s *frameSource) foreign() {
	more, _ := s.r.Peek(len(ageMagic) - 4)
	if bytes.HasPrefix(ageMagic, s.scratch[:4]) && bytes.Equal(more, ageMagic[4:]) {
		s.err = ErrEncrypted
		return
	}
	s.corrupt("starts with % x, not with the magic number of an LZ4 frame", s.scratch[:4])
}

func (s *frameSource) blockHeader() {
	s.block++
	if !s.take(0, 4, fmt.Sprintf("before block %d or the end mark", s.block)) {
		return
	}
	size := binary.LittleEndian.Uint32(s.scratch[:])
	if size == 0 {
		if s.take(4, 4, "in the content checksum") {
			s.pending, s.next = s.scratch[:8], (*frameSource).end
		}
		return
	}
	size &^= blockRaw
	if int64(size) > int64(s.blockMax) {
		s.corrupt("block %d claims %d bytes, more than the frame's maximum of %d", s.block, size, s.blockMax)
		return
	}
	s.pending, s.data = s.scratch[:4], int(size)
	if s.blockSum {
		s.data += 4
	}
}

// end accepts nothing but the end. Litestream writes one frame per object, so a
// second frame is as foreign as anything else.
func (s *frameSource) end() {
	if _, err := s.r.ReadByte(); err == nil {
		s.corrupt("data after the end of the frame, at byte %d", s.offset)
		return
	}
	if s.whole = s.src.ended; s.whole {
		s.err = io.EOF
		return
	}
	s.err = s.src.err
}

// take reads n bytes of structure into scratch at i.
func (s *frameSource) take(i, n int, where string) bool {
	got, err := io.ReadFull(s.r, s.scratch[i:i+n])
	s.offset += int64(got)
	if err != nil {
		s.cut(err, where)
	}
	return err == nil
}

// cut ends the frame where the source ended, or failed.
func (s *frameSource) cut(err error, where string) {
	switch {
	case s.src.err != nil:
		s.err = s.src.err
	case !s.src.ended:
		s.err = err
	case s.offset == 0:
		s.err = fmt.Errorf("%w: the object is empty", ErrTruncated)
	default:
		s.err = fmt.Errorf("%w: the object ends after %d bytes, %s", ErrTruncated, s.offset, where)
	}
}

func (s *frameSource) corrupt(format string, args ...any) {
	s.err = fmt.Errorf("%w: "+format, append([]any{ErrCorrupt}, args...)...)
}

// errorKeeper remembers how the source ended: one that fails with
// io.ErrUnexpectedEOF (a connection that closed early) is not a short object.
type errorKeeper struct {
	r     io.Reader
	ended bool
	err   error // other than io.EOF
}

func (k *errorKeeper) Read(p []byte) (int, error) {
	if k.ended {
		return 0, io.EOF
	}
	if k.err != nil {
		return 0, k.err
	}
	n, err := k.r.Read(p)
	if err == io.EOF {
		k.ended = true
	} else {
		k.err = err
	}
	return n, err
}
