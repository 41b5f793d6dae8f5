package v3compat

import (
	"context"
	"io"
	"sync"
)

const (
	chunkSize = 512 << 10

	// aheadChunks is how much of each object is fetched before it is its turn.
	aheadChunks = 2
)

// stored is an object to read.
type stored struct {
	key  string
	size int64
	open func(ctx context.Context) (io.ReadCloser, error)
}

// fetcher reads objects in advance, several at a time, each up to a limit.
type fetcher struct {
	mu       sync.Mutex
	progress func(int64)
	chunks   sync.Pool
}

// fetch starts to read objects in their order, no more than n at a time. Each
// stream must be closed for another one to start. The channel is closed when
// all were started or the context has ended; wg is done when nothing runs.
func (f *fetcher) fetch(ctx context.Context, wg *sync.WaitGroup, objects []stored, n int) <-chan *stream {
	streams := make(chan *stream, n)
	running := make(chan struct{}, n)
	wg.Go(func() {
		defer close(streams)
		for _, o := range objects {
			select {
			case running <- struct{}{}:
			case <-ctx.Done():
				return
			}
			ctx, cancel := context.WithCancel(ctx)
			s := &stream{f: f, object: o, chunks: make(chan []byte, aheadChunks), close: sync.OnceFunc(func() { cancel(); <-running })}
			wg.Go(func() { s.fill(ctx) })
			streams <- s // has room: n at a time are running
		}
	})
	return streams
}

func (f *fetcher) chunk(n int) []byte {
	if p, ok := f.chunks.Get().(*[]byte); ok && cap(*p) >= n {
		return (*p)[:n]
	}
	return make([]byte, n)
}

func (f *fetcher) count(n int) {
	if f.progress != nil && n > 0 {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.progress(int64(n))
	}
}

// stream is the stored content of one object, read in advance.
type stream struct {
	f      *fetcher
	object stored
	chunks chan []byte // closed after the last
	err    error       // final, to be read when chunks is closed
	close  func()

	chunk, rest []byte // the one that is being read, and what is left of it
}

func (s *stream) fill(ctx context.Context) {
	defer close(s.chunks)
	rc, err := s.object.open(ctx)
	if err != nil {
		s.err = err
		return
	}
	defer rc.Close()
	for {
		chunk := s.f.chunk(int(min(chunkSize, max(s.object.size, 0)+1)))
		n, err := fillChunk(rc, chunk)
		s.f.count(n)
		select {
		case s.chunks <- chunk[:n]:
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		if err != nil {
			s.err = err
			return
		}
	}
}

// fillChunk reads until p is full. The error is the reader's own, io.EOF
// included, whatever was read before it.
func fillChunk(r io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var m int
		m, err = r.Read(p[n:])
		n += m
	}
	return n, err
}

// Read implements io.Reader.
func (s *stream) Read(p []byte) (int, error) {
	for len(s.rest) == 0 {
		if cap(s.chunk) > 0 {
			chunk := s.chunk[:cap(s.chunk)]
			s.f.chunks.Put(&chunk)
			s.chunk = nil
		}
		chunk, ok := <-s.chunks
		if !ok {
			return 0, s.err
		}
		s.chunk, s.rest = chunk, chunk
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// objects are what the plan reads, in that order.
func (r *Reader) objects(plan *Plan) []stored {
	key := SnapshotKey(plan.Snapshot.Generation, plan.Snapshot.Index)
	objects := []stored{{key, plan.Snapshot.Size, func(ctx context.Context) (io.ReadCloser, error) {
		return r.store.Open(ctx, key, 0, 0)
	}}}
	for _, s := range plan.Segments {
		key := WALSegmentKey(s.Generation, s.Index, s.Offset)
		objects = append(objects, stored{key, s.Size, func(ctx context.Context) (io.ReadCloser, error) {
			_, rc, err := r.openSegment(ctx, s.Generation, s.Index, s.Offset)
			return rc, err
		}})
	}
	return objects
}
