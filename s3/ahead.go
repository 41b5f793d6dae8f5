package s3

import (
	"context"
	"fmt"
	"io"
	"iter"
	"sync"
	"time"

	"github.com/replctl/replicate/internal/ordered"
)

// One connection to a real S3 gives some 50 to 90 MB/s, however fast the network
// is; several give as much each. So a reader that finds itself waiting for a slow
// connection, with much still to come, has the rest fetched in pieces over several.
// One that is not slow, as in the same machine or rack, stays alone: pieces have to
// be held in memory, and copied.
const (
	paceAfter = 4 << 20   // bytes after which the pace is known
	slowPace  = 100 << 20 // bytes/s of a connection that are worth a second one
	aheadSize = 8 << 20   // of a piece
	aheadRest = 16 << 20  // bytes that have to be left
	maxWide   = 2         // readers of a store that read ahead at once: each holds several pieces
)

// pace is how fast an answer comes, by the time that was spent waiting for it.
type pace struct {
	least  int64 // offset from which on it counts
	bytes  int64
	waited time.Duration
}

func (p *pace) add(n int64, waited time.Duration) {
	p.bytes += n
	p.waited += waited
}

func (p *pace) below(rate float64) bool { return float64(p.bytes) < rate*p.waited.Seconds() }

// widen goes over to several connections, if it is time.
func (r *reader) widen() {
	switch {
	case r.ahead != nil, r.body == nil, r.off < r.pace.least, r.end-r.off < aheadRest,
		r.s.cfg.Concurrency < 2, !r.pace.below(r.s.slow):
		return
	case r.s.ifMatch(r.etag) == nil: // pieces could be of two versions
		return
	}
	if r.s.wide.Add(1) > maxWide {
		r.s.wide.Add(-1)
		return
	}
	r.drop()
	r.ahead = newAhead(r)
}

// ahead reads the rest of an object in pieces, several at a time, in order.
type ahead struct {
	key    string
	s      *Store
	cancel context.CancelFunc
	next   func() (*[]byte, error, bool)
	stop   func()
	piece  *[]byte // being read
	unread []byte  // of piece
	err    error   // sticky
	once   sync.Once

	// free are the buffers that nobody has. There are as many as pieces under way,
	// and the one being read, and they go with the reader.
	free chan *[]byte
}

func newAhead(r *reader) *ahead {
	ctx, cancel := context.WithCancel(r.ctx)
	a := &ahead{key: r.key, s: r.s, cancel: cancel, free: make(chan *[]byte, r.s.cfg.Concurrency+1)}
	pieces := ordered.Map(ctx, r.s.cfg.Concurrency, spans(r.off, r.end),
		func(ctx context.Context, span [2]int64) (*[]byte, error) {
			part := &reader{s: r.s, ctx: ctx, key: r.key, off: span[0], end: span[1], etag: r.etag, moved: time.Now()}
			part.pace.least = r.end // one piece is one connection's
			defer part.Close()
			buf := a.buffer()
			*buf = (*buf)[:span[1]-span[0]]
			if _, err := io.ReadFull(part, *buf); err != nil {
				return nil, err
			}
			return buf, nil
		})
	a.next, a.stop = iter.Pull2(pieces)
	return a
}

// buffer is one that is free, or a new one.
func (a *ahead) buffer() *[]byte {
	select {
	case buf := <-a.free:
		return buf
	default:
		b := make([]byte, aheadSize)
		return &b
	}
}

func spans(from, end int64) iter.Seq2[[2]int64, error] {
	return func(yield func([2]int64, error) bool) {
		for ; from < end; from += aheadSize {
			if !yield([2]int64{from, min(end, from+aheadSize)}, nil) {
				return
			}
		}
	}
}

func (a *ahead) Read(p []byte) (int, error) {
	for len(a.unread) == 0 && a.err == nil {
		a.recycle()
		piece, err, more := a.next()
		switch {
		case !more:
			a.err = io.EOF
		case err != nil:
			a.err = err
		default:
			a.piece, a.unread = piece, *piece
		}
	}
	if len(a.unread) == 0 {
		return 0, a.err
	}
	n := copy(p, a.unread)
	a.unread = a.unread[n:]
	return n, nil
}

func (a *ahead) recycle() {
	if a.piece != nil {
		a.free <- a.piece // there is room for all that were made
		a.piece, a.unread = nil, nil
	}
}

// close ends what is under way, and waits for it.
func (a *ahead) close() {
	a.cancel()
	a.stop()
	a.recycle()
	a.err = fmt.Errorf("read %s: reader is closed", a.key)
	a.once.Do(func() { a.s.wide.Add(-1) })
}
