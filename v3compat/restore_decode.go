package v3compat

import (
	"cmp"
	"context"
	"fmt"
	"io"

	"github.com/replctl/replicate/internal/readahead"
)

const (
	defaultFetches = 8

	// aheadChunks is how much of each object is fetched before it is its turn:
	// 1 MiB.
	aheadChunks = 2

	pieceSize = 4 << 20 // that of Litestream's blocks, which are decompressed into it

	// aheadPieces is how many pieces are decompressed before they are applied.
	aheadPieces = 2
)

// stored is an object to read.
type stored struct {
	readahead.Object
	key string
}

// objects are what the plan reads, in that order.
func (r *Reader) objects(plan *Plan) []stored {
	key := SnapshotKey(plan.Snapshot.Generation, plan.Snapshot.Index)
	open := func(ctx context.Context) (io.ReadCloser, error) { return r.from().Open(ctx, key, 0, 0) }
	objects := []stored{{readahead.Object{Size: plan.Snapshot.Size, Open: open}, key}}
	for _, s := range plan.Segments {
		open := func(ctx context.Context) (io.ReadCloser, error) {
			_, rc, err := r.openSegment(ctx, s.Generation, s.Index, s.Offset)
			return rc, err
		}
		objects = append(objects, stored{readahead.Object{Size: s.Size, Open: open}, s.key()})
	}
	return objects
}

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

func newDecoder() *decoder {
	const n = aheadPieces + 1 // the one that is being applied
	d := &decoder{make(chan piece, n), make(chan []byte, n)}
	for range n {
		d.free <- nil
	}
	return d
}

// done gives a piece's memory back.
func (d *decoder) done(p piece) { d.free <- p.data }

func (d *decoder) run(ctx context.Context, objects []stored, opts RestoreOptions) {
	defer close(d.pieces)
	var fetched []readahead.Object
	for _, o := range objects {
		fetched = append(fetched, o.Object)
	}
	ahead := readahead.New(ctx, fetched, readahead.Options{
		Streams: cmp.Or(max(opts.Concurrency, 0), defaultFetches), Ahead: aheadChunks, Progress: opts.Progress})
	defer ahead.Stop()
	for i, o := range objects {
		if !d.decode(ctx, i, o, ahead) {
			return
		}
	}
}

// decode sends the pieces of an object. It returns false if nothing more may follow.
func (d *decoder) decode(ctx context.Context, object int, o stored, content io.Reader) (more bool) {
	r := newFrameReader(o.key, io.NopCloser(content))
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
		if err == io.EOF && r.source.offset != o.Size { //nolint:errorlint // the frame's end
			err = &ObjectError{o.key, fmt.Errorf("it has %d bytes and had %d when the restore was planned: "+
				"it was replaced since",
				r.source.offset, o.Size)}
		}
		d.pieces <- piece{object, buf[:n], err} // has room for all there are
		if err != nil {
			return err == io.EOF //nolint:errorlint // see above
		}
	}
}
