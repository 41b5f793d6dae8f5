package sqlitewal

import (
	"encoding/binary"
	"errors"
	"fmt"
)

const (
	// HeaderSize is the length of a log's header, in bytes.
	HeaderSize = 32
	// FrameHeaderSize is the length of what comes before each page.
	FrameHeaderSize = 24

	// MinPageSize and MaxPageSize are what a page size, a power of two, is
	// between.
	MinPageSize = 512
	MaxPageSize = 65536

	magic   = 0x377f0682 // the lowest bit says that checksums are big-endian
	version = 3007000
)

// ErrHeader is in the chain of each error about a header that SQLite would not
// take.
var ErrHeader = errors.New("no valid WAL header")

// Header is what the first 32 bytes of a log say.
type Header struct {
	// BigEndian is the byte order of what is summed up. Numbers in the log are
	// big-endian in any case.
	BigEndian bool

	PageSize int    // in bytes
	Sequence uint32 // how many times the log was started over
	Salt     [2]uint32
}

// ParseHeader decodes and verifies the header at the start of b. What is
// malformed or too short is an error that is [ErrHeader].
func ParseHeader(b []byte) (Header, error) {
	if len(b) < HeaderSize {
		return Header{}, fmt.Errorf("%w: %d bytes, want %d", ErrHeader, len(b), HeaderSize)
	}
	word := func(i int) uint32 { return binary.BigEndian.Uint32(b[i:]) }
	pageSize := word(8)
	switch {
	case word(0)&^1 != magic:
		return Header{}, fmt.Errorf("%w: it starts with %08x", ErrHeader, word(0))
	case word(4) != version:
		return Header{}, fmt.Errorf("%w: version %d", ErrHeader, word(4))
	case !IsPageSize(int64(pageSize)):
		return Header{}, fmt.Errorf("%w: page size %d", ErrHeader, pageSize)
	}
	h := Header{
		BigEndian: word(0)&1 != 0,
		PageSize:  int(pageSize),
		Sequence:  word(12),
		Salt:      [2]uint32{word(16), word(20)},
	}
	if h.checksum(b) != (Checksum{word(24), word(28)}) {
		return Header{}, fmt.Errorf("%w: its checksum is wrong", ErrHeader)
	}
	return h, nil
}

// Append appends the 32 bytes of the header, with its checksum.
func (h Header) Append(b []byte) []byte {
	start := len(b)
	first := uint32(magic)
	if h.BigEndian {
		first |= 1
	}
	for _, word := range []uint32{first, version, uint32(h.PageSize), h.Sequence, h.Salt[0], h.Salt[1]} {
		b = binary.BigEndian.AppendUint32(b, word)
	}
	return h.checksum(b[start:]).append(b)
}

// checksum is where the log's checksum starts: that of the header itself.
func (h Header) checksum(b []byte) Checksum {
	return Checksum{}.Update(h.BigEndian, b[:HeaderSize-8])
}

// FrameSize is the length of a frame, in bytes.
func (h Header) FrameSize() int { return FrameHeaderSize + h.PageSize }

// IsPageSize reports whether SQLite has pages of n bytes.
func IsPageSize(n int64) bool { return n >= MinPageSize && n <= MaxPageSize && n&(n-1) == 0 }
