package v3compat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
)

// piece is a block of an object on its way through decompression, or the
// object's end.
type piece struct {
	object int    // its number in the plan
	data   []byte // decompressed; valid once ready is closed
	err    error
	ready  chan struct{}

	end   bool // the object's last piece, without data
	check func(sum uint32, size uint64) error

	block   []byte // as stored
	limit   int    // of its decompressed size
	buffers *buffers
}

// buffers are what a piece needs, up to 4 MiB each.
type buffers struct{ stored, content []byte }

// decompress is given what came before the block where the block refers to it.
// Litestream does not write such blocks; they cannot be had at the same time.
func (p *piece) decompress(key string, dictionary []byte) {
	defer close(p.ready)
	data, err := decompressBlock(p.block, p.buffers.content, dictionary, p.limit)
	if err != nil {
		p.err = &ObjectError{key, err}
		return
	}
	p.data, p.buffers.content = data, data
}

// blocks cuts objects into blocks and decompresses several of them at a time.
type blocks struct {
	objects []stored
	free    chan *buffers // which bounds the pieces under way
	jobs    chan *piece
	ordered chan *piece
}

// newBlocks starts to decompress the streams' objects, workers blocks at a
// time. The pieces come in the order of the objects. Each has to be given back
// with done.
func newBlocks(ctx context.Context, wg *sync.WaitGroup, objects []stored, streams <-chan *stream, workers int) *blocks {
	n := workers + 2 // one that is being read, one that is being applied
	b := &blocks{objects: objects, free: make(chan *buffers, n), jobs: make(chan *piece, n), ordered: make(chan *piece, n)}
	for range n {
		b.free <- &buffers{}
	}
	for range workers {
		wg.Go(func() {
			for p := range b.jobs {
				p.decompress(b.objects[p.object].key, nil)
			}
		})
	}
	wg.Go(func() {
		defer close(b.ordered)
		defer close(b.jobs)
		object := 0
		for s := range streams {
			if !b.cut(ctx, object, s) {
				break
			}
			object++
		}
		for s := range streams { // after an error: let them end
			s.close()
		}
	})
	return b
}

// done gives the piece's buffers back.
func (b *blocks) done(p *piece) { b.free <- p.buffers }

// piece waits for room.
func (b *blocks) piece(ctx context.Context, object int) *piece {
	select {
	case buf := <-b.free:
		return &piece{object: object, buffers: buf, ready: make(chan struct{})}
	case <-ctx.Done():
		return nil
	}
}

// cut sends an object's pieces. It returns false when nothing more may follow.
func (b *blocks) cut(ctx context.Context, object int, s *stream) (more bool) {
	defer s.close()
	r := newBlockReader(s.object.key, s)
	var dictionary []byte
	for {
		p := b.piece(ctx, object)
		if p == nil {
			return false
		}
		block, raw, err := r.next(p.buffers.stored)
		switch {
		case errors.Is(err, io.EOF):
			p.end, p.check = true, r.checkContent
			p.err = checkStoredSize(s.object, r.source.offset)
			close(p.ready)
			b.ordered <- p
			return p.err == nil
		case err != nil:
			p.err = err
			close(p.ready)
			b.ordered <- p
			return false
		}
		p.buffers.stored, p.block, p.limit = block, block, r.source.blockMax
		switch {
		case raw:
			p.data = block
			close(p.ready)
		case r.flags&flagIndependent == 0:
			p.decompress(r.key, dictionary)
		default:
			b.jobs <- p
		}
		if r.flags&flagIndependent == 0 {
			dictionary = lastWindow(dictionary, p.data)
		}
		b.ordered <- p
	}
}

// checkStoredSize notices an object that was replaced since the listing.
func checkStoredSize(o stored, size int64) error {
	if size != o.size {
		return &ObjectError{o.key, fmt.Errorf("it has %d bytes and had %d when the restore was planned: it was replaced since", size, o.size)}
	}
	return nil
}

// lastWindow returns a copy of the last 64 KiB of what was decompressed.
func lastWindow(window, data []byte) []byte {
	all := slices.Concat(window, data[max(0, len(data)-lz4Window):])
	return all[max(0, len(all)-lz4Window):]
}
