// Package readahead reads objects one after the other, while the next ones are
// already being read: some at a time, each a bounded number of bytes ahead.
package readahead

import (
	"context"
	"io"
	"sync"
)

const (
	// ChunkSize is how much is read and handed out at a time, at most.
	ChunkSize = 512 << 10

	// smallSize is the size below which an object gets a chunk of its size.
	smallSize = 64 << 10
)

// Object is what is to be read.
type Object struct {
	Size int64 // as listed; it need not be right

	// Open opens it from its beginning. What it returns must fail when ctx ends.
	Open func(ctx context.Context) (io.ReadCloser, error)
}

// Options bound the memory: some Streams * (Ahead + 1) * (Room + ChunkSize) bytes.
type Options struct {
	Streams int // how many objects are read at a time
	Ahead   int // how many chunks of each are read before it is its turn
	Room    int // bytes that are left free before the data of a chunk, for [Chunk.Prepend]

	// Progress, unless nil, is told of each piece as it is taken, never
	// concurrently.
	Progress func(bytes int64)
}

// Reader reads objects. It is for one goroutine.
type Reader struct {
	ctx     context.Context //nolint:containedctx // it is for the time of one pass
	cancel  context.CancelFunc
	opts    Options
	objects []Object // that are not started
	streams []*stream
	free    chan []byte // buffers to use again; a sync.Pool would lose them at each garbage collection
	wg      sync.WaitGroup
	bytes   int64

	chunk Chunk // that Read is in
	rest  []byte
}

// stream is an object being read.
type stream struct {
	object Object
	chunks chan Chunk // closed after the last one
	err    error      // why it was closed; io.EOF at the end of the object
}

// New returns a reader of the objects, in their order. Nothing is opened before
// the first read. Stop must be called.
func New(ctx context.Context, objects []Object, opts Options) *Reader {
	ctx, cancel := context.WithCancel(ctx)
	free := make(chan []byte, opts.Streams*opts.Ahead)
	return &Reader{ctx: ctx, cancel: cancel, opts: opts, objects: objects, free: free}
}

// Stop ends what is under way, and waits for it.
func (r *Reader) Stop() {
	r.cancel()
	for _, s := range r.streams {
		for c := range s.chunks {
			c.Release()
		}
	}
	r.wg.Wait()
}

// Bytes is how many bytes were taken so far.
func (r *Reader) Bytes() int64 { return r.bytes }

// Next returns the next chunk of the current object, which the caller has to
// release. It is io.EOF at the end of the object; the call after that is about the
// next one, of which there may be none. Any other error is that of Open or of reading, or the context's cause.
func (r *Reader) Next() (Chunk, error) {
	for len(r.streams) < r.opts.Streams && len(r.objects) > 0 {
		s := &stream{object: r.objects[0], chunks: make(chan Chunk, r.opts.Ahead)}
		r.objects, r.streams = r.objects[1:], append(r.streams, s)
		r.wg.Go(func() {
			defer close(s.chunks)
			s.err = r.read(s)
		})
	}
	if len(r.streams) == 0 {
		return Chunk{}, io.EOF
	}
	s := r.streams[0]
	c, ok := <-s.chunks
	if !ok {
		if s.err == io.EOF { //nolint:errorlint // only io.EOF itself is the end
			r.streams = r.streams[1:]
		}
		return Chunk{}, s.err
	}
	r.bytes += int64(len(c.Data))
	if r.opts.Progress != nil {
		r.opts.Progress(int64(len(c.Data)))
	}
	return c, nil
}

// Read is Next as an io.Reader. Use one of them.
func (r *Reader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		r.chunk.Release()
		c, err := r.Next()
		if err != nil {
			return 0, err
		}
		r.chunk, r.rest = c, c.Data
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func (r *Reader) read(s *stream) error {
	rc, err := s.object.Open(r.ctx)
	if err != nil {
		return err
	}
	defer rc.Close()
	for {
		c := r.newChunk(s.object.Size)
		n := 0
		for n < len(c.Data) && err == nil {
			var m int
			m, err = rc.Read(c.Data[n:])
			n += m
		}
		if c.Data = c.Data[:n]; n == 0 {
			c.Release()
			return err
		}
		select {
		case s.chunks <- c:
		case <-r.ctx.Done():
			c.Release()
			return context.Cause(r.ctx)
		}
		if err != nil {
			return err
		}
	}
}

// Chunk is a piece of an object.
type Chunk struct {
	Data []byte

	buf  []byte // that Data is in, after the room; nil for a small object
	room int
	free chan<- []byte // where buf goes
}

// newChunk is an empty chunk of an object of the given size.
func (r *Reader) newChunk(size int64) Chunk {
	if 0 <= size && size < smallSize {
		return Chunk{Data: make([]byte, size+1)} // one more, to see that it ends
	}
	var buf []byte
	select {
	case buf = <-r.free:
	default:
		buf = make([]byte, r.opts.Room+ChunkSize)
	}
	return Chunk{Data: buf[r.opts.Room:], buf: buf, room: r.opts.Room, free: r.free}
}

// Prepend puts what is left of the chunk before it in front: at most Options.Room
// bytes.
func (c *Chunk) Prepend(rest []byte) {
	switch {
	case len(rest) == 0:
	case c.buf == nil:
		c.Data = append(rest[:len(rest):len(rest)], c.Data...)
	default:
		start := c.room - copy(c.buf[c.room-len(rest):], rest)
		c.Data = c.buf[start : c.room+len(c.Data)]
	}
}

// Release gives the memory back. It may be called from any goroutine, and twice.
func (c *Chunk) Release() {
	if c.buf != nil {
		select {
		case c.free <- c.buf:
		default:
		}
	}
	*c = Chunk{}
}
