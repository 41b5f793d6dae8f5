package main

import (
	"io"
	"math/rand/v2"
	"time"

	"github.com/replctl/replicate/ltx"
)

// content is an LTX header and noise up to a size, made as it is read, so that
// a large one takes no memory. A client moves files, it does not look into them.
type content struct {
	*io.SectionReader
}

func newContent(minTXID, maxTXID ltx.TXID, size int64) content {
	h := ltx.Header{
		Version: 3, Flags: ltx.HeaderFlagNoChecksum, PageSize: 4096, Commit: 1, MinTXID: minTXID, MaxTXID: maxTXID,
		Timestamp: timeOf(maxTXID).UnixMilli(),
	}
	header, err := h.MarshalBinary()
	if err != nil {
		panic(err) // the header is legal
	}
	return content{io.NewSectionReader(generated{header, size}, 0, size)}
}

// timeOf is the time of a transaction: one a second.
func timeOf(txid ltx.TXID) time.Time {
	return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(txid) * time.Second)
}

type generated struct {
	header []byte
	size   int64
}

// noise is what repeats behind the header.
var noise = func() []byte {
	b := make([]byte, 1<<20)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}()

// ReadAt implements io.ReaderAt.
func (g generated) ReadAt(p []byte, off int64) (n int, err error) {
	if off >= g.size {
		return 0, io.EOF
	}
	if left := g.size - off; int64(len(p)) > left {
		p, err = p[:left], io.EOF
	}
	if off < int64(len(g.header)) {
		n = copy(p, g.header[off:])
	}
	for n < len(p) {
		n += copy(p[n:], noise[(off+int64(n))%int64(len(noise)):])
	}
	return n, err
}

// stream hides from a client that the content can be read again.
func (c content) stream() io.Reader { return struct{ io.Reader }{c.SectionReader} }

// scratch is what drain reads into. Sides work one at a time.
var scratch = make([]byte, 256<<10)

// drain reads to the end, the same way whatever r can do, and returns how much
// there was.
func drain(r io.Reader) (int64, error) {
	return io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{r}, scratch)
}
