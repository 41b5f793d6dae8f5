package ltx

import (
	"context"
	"fmt"
	"io"
	"sync"
)

const (
	chunkSize  = 512 << 10
	rangeSize  = 4 << 20 // read ahead of each stream
	maxStreams = 8

	// Room before the bytes of a chunk for what is left of the one before it:
	// less than the largest frame.
	chunkRoom = 68 << 10

	// A file of less is one chunk of just its size.
	smallFile = 64 << 10
)

type chunkBuf [chunkRoom + chunkSize]byte

// chunkBufs are buffers to use again. So no more are made than are needed at
// once, which a sync.Pool does not promise: every garbage collection empties it.
type chunkBufs chan *chunkBuf

func (free chunkBufs) get() *chunkBuf {
	select {
	case buf := <-free:
		return buf
	default:
		return new(chunkBuf)
	}
}

func (free chunkBufs) put(buf *chunkBuf) {
	select {
	case free <- buf:
	default:
	}
}

// A chunk is a piece of a file.
type chunk struct {
	data []byte
	buf  *chunkBuf // that data is in, after the room; nil for a small file
	free chunkBufs // where buf came from
	err  error
}

// newChunk is an empty chunk of a file of the given size.
func (f *fetcher) newChunk(size int64) chunk {
	if size < smallFile {
		return chunk{data: make([]byte, size+1)} // one more, to see that it ends
	}
	buf := f.free.get()
	return chunk{data: buf[chunkRoom:], buf: buf, free: f.free}
}

// prepend puts the rest of the chunk before it in front.
func (c *chunk) prepend(rest []byte) {
	switch {
	case len(rest) == 0:
	case c.buf == nil:
		c.data = append(rest[:len(rest):len(rest)], c.data...)
	default:
		start := chunkRoom - copy(c.buf[chunkRoom-len(rest):], rest)
		c.data = c.buf[start : chunkRoom+len(c.data)]
	}
}

func (c *chunk) release() {
	if c.buf != nil {
		c.free.put(c.buf)
	}
	*c = chunk{}
}

// A stream is a file, or a range of it, being read.
type stream struct {
	file   *FileInfo
	offset int64
	length int64 // 0: to the end of the file
	chunks chan chunk
}

// A fetcher reads files one after the other, while the next are already being
// read: a fixed number of streams, each a bounded number of bytes ahead.
type fetcher struct {
	ctx      context.Context
	cancel   context.CancelFunc
	open     OpenFunc
	progress func(int64)
	ranges   bool
	streams  int // at once

	files   []*FileInfo // that have streams to start
	offset  int64       // in the first of them
	started []*stream
	free    chunkBufs
	wg      sync.WaitGroup
	bytes   int64 // handed out
}

func newFetcher(ctx context.Context, files []*FileInfo, open OpenFunc, opts ApplyOptions) *fetcher {
	ctx, cancel := context.WithCancel(ctx)
	f := &fetcher{ctx: ctx, cancel: cancel, open: open, progress: opts.Progress, files: files,
		free:    make(chunkBufs, maxStreams*rangeSize/chunkSize),
		streams: maxStreams, ranges: opts.ReadConcurrency > 1}
	if f.ranges {
		f.streams = min(opts.ReadConcurrency, maxStreams)
	}
	return f
}

// stop ends all streams and waits for them.
func (f *fetcher) stop() {
	f.cancel()
	for _, s := range f.started {
		for c := range s.chunks {
			c.release()
		}
	}
	f.wg.Wait()
}

// next is the next chunk of the current file. After io.EOF it is that of the
// next file.
func (f *fetcher) next() (chunk, error) {
	for {
		f.fill()
		s := f.started[0]
		c, ok := <-s.chunks
		if !ok {
			f.started = f.started[1:]
			if s.length == 0 {
				return chunk{}, io.EOF
			}
			continue
		}
		if c.err != nil {
			return chunk{}, c.err
		}
		f.bytes += int64(len(c.data))
		if f.progress != nil {
			f.progress(int64(len(c.data)))
		}
		return c, nil
	}
}

// fill starts streams as long as there may be more of them.
func (f *fetcher) fill() {
	for len(f.started) < f.streams && len(f.files) > 0 {
		s := &stream{file: f.files[0], offset: f.offset, chunks: make(chan chunk, rangeSize/chunkSize)}
		if f.ranges && s.file.Size-s.offset > rangeSize {
			s.length = rangeSize
			f.offset += rangeSize
		} else {
			f.files, f.offset = f.files[1:], 0
		}
		f.started = append(f.started, s)
		f.wg.Go(func() { f.read(s) })
	}
}

func (f *fetcher) read(s *stream) {
	defer close(s.chunks)
	if err := f.copyStream(s); err != nil {
		_ = f.send(s, chunk{err: err}) // fails if the context has, and nobody waits for it
	}
}

func (f *fetcher) send(s *stream, c chunk) error {
	select {
	case s.chunks <- c:
		return nil
	case <-f.ctx.Done():
		c.release()
		return context.Cause(f.ctx)
	}
}

func (f *fetcher) copyStream(s *stream) error {
	rc, err := f.open(f.ctx, s.file, s.offset, s.length)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	defer rc.Close()
	var r io.Reader = rc
	if s.length > 0 {
		r = &exactReader{rc, s.length}
	}
	for {
		c := f.newChunk(s.file.Size)
		n, err := readFull(r, c.data)
		if c.data = c.data[:n]; n == 0 {
			c.release()
		} else if err := f.send(s, c); err != nil {
			return err
		}
		if isEnd(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
	}
}
