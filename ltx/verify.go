package ltx

import (
	"io"
	"sync"
)

// Summary is what a file turned out to be.
type Summary struct {
	Header  Header
	Trailer Trailer
	Pages   int64 // in the file
	Bytes   int64 // of the file
}

var decoders = sync.Pool{New: func() any { return new(Decoder) }}

// Verify reads a whole file and makes every check that [Decoder] makes. With an
// error the summary says how far it came.
func Verify(r io.Reader) (Summary, error) {
	d := decoders.Get().(*Decoder)
	defer decoders.Put(d)
	err := d.Reset(r)
	for err == nil {
		_, _, err = d.Next()
	}
	s := Summary{Header: d.header, Trailer: d.trailer, Pages: d.pages, Bytes: d.offset}
	d.release()
	if !isEnd(err) {
		return s, err
	}
	return s, nil
}
