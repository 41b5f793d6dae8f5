package s3

// buffers are those of one streamed upload: as many as may be in flight, made
// when they are first needed. One goroutine gets, any may put.
type buffers struct {
	s    *Store
	free chan *[]byte
	made int
}

func (s *Store) newBuffers() *buffers {
	return &buffers{s: s, free: make(chan *[]byte, s.cfg.Concurrency)}
}

// get waits for a buffer if all are in flight.
func (b *buffers) get(size int64) *[]byte {
	var buf *[]byte
	if b.made < cap(b.free) && len(b.free) == 0 {
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

func (b *buffers) put(buf *[]byte) { b.free <- buf }

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
