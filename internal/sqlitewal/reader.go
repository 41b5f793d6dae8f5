package sqlitewal

import (
	"errors"
	"io"
)

// ErrPartial says that a log ends inside a frame.
var ErrPartial = errors.New("the log ends inside a frame")

// Reader reads the frames of a log from a stream.
type Reader struct {
	r      io.Reader
	header Header
	chain  *Chain
	frame  []byte
	offset int64
	err    error // final
	stop   error
}

// NewReader reads the header of a log. A stream that ends before it is io.EOF
// when there is nothing, and [ErrHeader] when there is too little.
func NewReader(r io.Reader) (*Reader, error) {
	var head [HeaderSize]byte
	n, err := fill(r, head[:])
	switch {
	case err != nil:
		return nil, err
	case n == 0:
		return nil, io.EOF
	}
	h, err := ParseHeader(head[:n])
	if err != nil {
		return nil, err
	}
	return &Reader{r: r, header: h, chain: NewChain(h), frame: make([]byte, h.FrameSize()), offset: HeaderSize}, nil
}

// Header is the log's header.
func (r *Reader) Header() Header { return r.header }

// Offset is where in the log the frames end that Next has returned.
func (r *Reader) Offset() int64 { return r.offset }

// Next returns the next frame. Its Data is valid until the next call. After the
// last frame that belongs to the log it is io.EOF; [Reader.Stop] says what comes
// after it. Any other error is the stream's.
func (r *Reader) Next() (Frame, error) {
	if r.err != nil {
		return Frame{}, r.err
	}
	switch n, err := fill(r.r, r.frame); {
	case err != nil:
		r.err = err
		return Frame{}, err
	case n == 0:
		return r.end(nil)
	case n < len(r.frame):
		return r.end(ErrPartial)
	}
	f, err := r.chain.Next(r.frame)
	if err != nil {
		return r.end(err)
	}
	r.offset += int64(len(r.frame))
	return f, nil
}

func (r *Reader) end(stop error) (Frame, error) {
	r.err, r.stop = io.EOF, stop
	return Frame{}, io.EOF
}

// Stop says why Next returned io.EOF: nil when the stream ended behind a whole
// frame, [ErrPartial] when it ended inside one, or why the next frame does not
// belong to the log: [ErrSalt], [ErrPage], [ErrChecksum].
func (r *Reader) Stop() error { return r.stop }

// fill reads until p is full or the stream ends, which is no error. Unlike
// io.ReadFull it does not give a stream's own io.ErrUnexpectedEOF, a connection
// that broke, the same name as a stream that ended.
func fill(r io.Reader, p []byte) (n int, err error) {
	for n < len(p) {
		m, err := r.Read(p[n:])
		n += m
		if err == io.EOF {
			break
		}
		if err != nil && n < len(p) {
			return n, err
		}
	}
	return n, nil
}
