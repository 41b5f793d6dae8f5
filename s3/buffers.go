package s3

import (
	"sync"
	"time"
)

// fewBuffers is how many buffers a streamed upload has to begin with: all are in
// flight, but for the moment in which one is filled.
const fewBuffers = 2

// buffers are those of one streamed upload, made when they are first needed: a few
// of them, and one for each part that may be in flight if the first few parts were
// slow, at less than half of slowPace each: a part's time is also that of storing it,
// and two share what there is. To a store in the same machine or rack, more than two
// would take memory and save no time.
//
// One goroutine gets, any may put.
type buffers struct {
	s    *Store
	free chan *[]byte
	made int

	mu   sync.Mutex
	pace pace // of the parts that were sent
}

func (s *Store) newBuffers() *buffers {
	return &buffers{s: s, free: make(chan *[]byte, s.cfg.Concurrency)}
}

// get waits for a buffer if all there may be are in flight.
func (b *buffers) get(size int64) *[]byte {
	var buf *[]byte
	if len(b.free) == 0 && b.made < b.most() {
		b.made++
		buf = b.s.buffers.Get().(*[]byte)
	} else {
		buf = <-b.free
	}
	if int64(len(*buf)) != size { // a very long stream, whose parts grow
		grown := make([]byte, size)
		buf = &grown
	}
	return buf
}

// most is how many buffers there may be by now.
func (b *buffers) most() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.pace.bytes >= fewBuffers*b.s.cfg.PartSize && b.pace.below(b.s.slow/2) {
		return cap(b.free)
	}
	return min(fewBuffers, cap(b.free))
}

func (b *buffers) put(buf *[]byte) { b.free <- buf }

// sent is put, of a buffer whose part of n bytes is sent or given up.
func (b *buffers) sent(buf *[]byte, n int64, took time.Duration) {
	b.mu.Lock()
	b.pace.add(n, took)
	b.mu.Unlock()
	b.put(buf)
}

// close gives the buffers to the store's other uploads. Nothing is in flight by
// then; a buffer that was never sent is left to the garbage collector.
func (b *buffers) close() {
	for {
		select {
		case buf := <-b.free:
			if int64(len(*buf)) == b.s.cfg.PartSize {
				b.s.buffers.Put(buf)
			}
		default:
			return
		}
	}
}
