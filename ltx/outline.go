package ltx

import (
	"bytes"
	"context"
	"fmt"
	"io"
)

// tailSize is how much of a file's end is read at once: it is one request to an
// object store, and has the whole index of a file of some 2,500 pages.
const tailSize = 32 << 10

// OpenRangeFunc opens part of a file: length bytes, at least 1, from offset.
// With the file bound it is the method of that purpose of any client or store.
type OpenRangeFunc func(ctx context.Context, offset, length int64) (io.ReadCloser, error)

// Outline is a file without its pages.
type Outline struct {
	Header  Header
	Trailer Trailer
	Index   *PageIndex
}

// ReadOutline reads header, page index and trailer of a file of the given size:
// one request if it has at most 32 KiB, two if its index fits in that, three
// otherwise. Everything is checked that can be without the pages: checksums
// cannot, see [Verify].
func ReadOutline(ctx context.Context, size int64, open OpenRangeFunc) (Outline, error) {
	if size < MinFileSize {
		return Outline{}, fmt.Errorf("%w: %d bytes, and the smallest file has %d", ErrTruncated, size, MinFileSize)
	}
	tail, err := readRange(ctx, open, max(0, size-tailSize), size)
	if err != nil {
		return Outline{}, fmt.Errorf("read tail: %w", err)
	}
	head := tail
	if size > tailSize {
		if head, err = readRange(ctx, open, 0, HeaderSize); err != nil {
			return Outline{}, fmt.Errorf("read header: %w", err)
		}
	}
	var o Outline
	if o.Header, err = ParseHeader(head); err != nil {
		return Outline{}, err
	}
	if err := checkSize(size, o.Header); err != nil {
		return Outline{}, err
	}
	if o.Trailer, err = parseTrailer(tail[len(tail)-TrailerSize:], o.Header); err != nil {
		return Outline{}, fmt.Errorf("trailer: %w", err)
	}
	if o.Index, err = readIndexBefore(ctx, tail[:len(tail)-TrailerSize], size, o.Header, open); err != nil {
		return Outline{}, fmt.Errorf("page index: %w", err)
	}
	return o, nil
}

// readIndexBefore reads the index that ends, with its length, where tail does. It streams
// the part that is not in tail.
func readIndexBefore(ctx context.Context, tail []byte, size int64, h Header, open OpenRangeFunc) (*PageIndex, error) {
	tail, lengthField := tail[:len(tail)-indexSizeLen], tail[len(tail)-indexSizeLen:]
	length, err := indexLength(lengthField, size)
	if err != nil {
		return nil, err
	}
	tailStart := max(0, size-tailSize)
	start := size - TrailerSize - indexSizeLen - length
	pagesEnd := start - pageHeaderSize
	if pagesEnd >= tailStart && !isZero(tail[pagesEnd-tailStart:start-tailStart]) {
		return nil, fmt.Errorf("%w: no end marker of the pages before it, at offset %d", ErrCorrupt, pagesEnd)
	}
	if start >= tailStart {
		return readIndex(bytes.NewReader(tail[start-tailStart:]), length, pagesEnd, h)
	}
	rc, err := open(ctx, start, tailStart-start)
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	front := &exactReader{rc, tailStart - start}
	return readIndex(io.MultiReader(front, bytes.NewReader(tail)), length, pagesEnd, h)
}

// exactReader reads the next left bytes of r, and fails if there are fewer.
type exactReader struct {
	r    io.Reader
	left int64
}

func (x *exactReader) Read(b []byte) (int, error) {
	if x.left == 0 {
		return 0, io.EOF
	}
	n, err := x.r.Read(b[:min(int64(len(b)), x.left)])
	x.left -= int64(n)
	if isEnd(err) && x.left > 0 {
		err = fmt.Errorf("%w: %d bytes less than it had", ErrTruncated, x.left)
	}
	return n, err
}

func isZero(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }

// readRange reads the bytes from start up to end. Fewer are an error: the file
// is not of the size that the caller was told.
func readRange(ctx context.Context, open OpenRangeFunc, start, end int64) ([]byte, error) {
	if open == nil {
		return nil, errNoOpen
	}
	rc, err := open(ctx, start, end-start)
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	b := make([]byte, end-start)
	n, err := readFull(rc, b)
	if isEnd(err) {
		return nil, fmt.Errorf("%w: it ends at %d, not at %d or later", ErrTruncated, start+int64(n), end)
	}
	return b[:n], err
}
