package sqlitewal

import (
	"encoding/binary"
	"errors"
)

// Why a frame does not belong to a log. After a restart of the log the first of
// them is what one expects to find.
var (
	ErrSalt     = errors.New("the frame has the salts of another log")
	ErrChecksum = errors.New("the frame's checksum does not match")
	ErrPage     = errors.New("the frame is of page 0, which does not exist")
)

// Frame is one page in a log.
type Frame struct {
	Pgno   uint32 // the page's number, from 1
	Commit uint32 // size of the database in pages, where a transaction ends; else 0
	Data   []byte // the page
}

// Chain verifies the frames of a log, one after the other.
type Chain struct {
	header Header
	sum    Checksum
}

// NewChain returns a chain at the first frame of a log.
func NewChain(h Header) *Chain {
	return &Chain{header: h, sum: h.checksum(h.Append(nil))}
}

// Next decodes and verifies the log's next frame, which is Header.FrameSize
// bytes long. The frame's Data is a part of b. A frame that does not belong is
// [ErrSalt], [ErrPage] or [ErrChecksum], and leaves the chain where it was.
func (c *Chain) Next(b []byte) (Frame, error) {
	word := func(i int) uint32 { return binary.BigEndian.Uint32(b[i:]) }
	f := Frame{Pgno: word(0), Commit: word(4), Data: b[FrameHeaderSize:c.header.FrameSize()]}
	switch {
	case word(8) != c.header.Salt[0] || word(12) != c.header.Salt[1]:
		return Frame{}, ErrSalt
	case f.Pgno == 0:
		return Frame{}, ErrPage
	}
	sum := c.sum.Update(c.header.BigEndian, b[:8]).Update(c.header.BigEndian, f.Data)
	if sum != (Checksum{word(16), word(20)}) {
		return Frame{}, ErrChecksum
	}
	c.sum = sum
	return f, nil
}

// Append appends a frame to b that is the log's next, and goes on behind it.
func (c *Chain) Append(b []byte, f Frame) []byte {
	start := len(b)
	for _, word := range []uint32{f.Pgno, f.Commit, c.header.Salt[0], c.header.Salt[1]} {
		b = binary.BigEndian.AppendUint32(b, word)
	}
	c.sum = c.sum.Update(c.header.BigEndian, b[start:start+8]).Update(c.header.BigEndian, f.Data)
	return append(c.sum.append(b), f.Data...)
}
