package v3compat

import (
	"context"
	"fmt"
	"io"
	"sync"
)

const (
	pieceSize = 4 << 20 // that of Litestream's blocks, which are decompressed into it

	// aheadPieces is how many pieces are decompressed before they are applied.
	aheadPieces = 2
)

// piece is a piece of an object's content.
type piece struct {
	object int // its number in the plan
	data   []byte
	err    error // unless nil, it is the object's last piece: io.EOF if all is well
}

// decoder decompresses objects in their order, some pieces ahead.
type decoder struct {
	pieces chan piece  // closed after the last, or an error
	free   chan []byte // which bounds the pieces under way
}

func startDecoder(ctx context.Context, wg *sync.WaitGroup, streams <-chan *stream) *decoder {
	const n = aheadPieces + 1 // the one that is being applied
	d := &decoder{make(chan piece, n), make(chan []byte, n)}
	for range n {
		d.free <- nil
	}
	wg.Go(func() {
		defer close(d.pieces)
		object := 0
		for s := range streams {
			if !d.decode(ctx, object, s) {
				return
			}
			object++
		}
	})
	return d
}

// done gives a piece's memory back.
func (d *decoder) done(p piece) { d.free <- p.data }

// decode sends the pieces of an object. It returns false if nothing more may follow.
func (d *decoder) decode(ctx context.Context, object int, s *stream) (more bool) {
	defer s.close()
	r := newFrameReader(s.object.key, io.NopCloser(s))
	defer r.Close()
	for {
		var buf []byte
		select {
		case buf = <-d.free:
		case <-ctx.Done():
			return false
		}
		if buf == nil {
			buf = make([]byte, pieceSize)
		}
		n, err := r.Read(buf[:pieceSize])
		if err == io.EOF { //nolint:errorlint // the frame's end
			if size := r.source.offset; size != s.object.size {
				err = &ObjectError{r.key, fmt.Errorf("it has %d bytes and had %d when the restore was planned: it was replaced since", size, s.object.size)}
			}
		}
		d.pieces <- piece{object, buf[:n], err} // has room for all there are
		if err != nil {
			return err == io.EOF
		}
	}
}
