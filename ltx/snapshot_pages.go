package ltx

import (
	"encoding/binary"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"

	"github.com/pierrec/lz4/v4"
	sltx "github.com/superfly/ltx"
)

// frameSizes is a list of the sizes of page frames: some two bytes for each, as
// there is one for each page of the database. Where a frame is follows from the
// sizes of those before it.
type frameSizes struct{ chunks [][]byte }

func (l *frameSizes) add(size int) {
	n := len(l.chunks)
	if n == 0 || cap(l.chunks[n-1])-len(l.chunks[n-1]) < binary.MaxVarintLen64 {
		l.chunks = append(l.chunks, make([]byte, 0, 64<<10))
		n++
	}
	l.chunks[n-1] = binary.AppendUvarint(l.chunks[n-1], uint64(size))
}

func (l *frameSizes) all() iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		for _, c := range l.chunks {
			for len(c) > 0 {
				size, n := binary.Uvarint(c)
				if c = c[n:]; !yield(size) {
					return
				}
			}
		}
	}
}

// snapshotPages is some pages on their way from the database to the file.
type snapshotPages struct {
	pgnos []uint32
	data  []byte        // the pages
	done  chan struct{} // gets a value when what follows is there

	out       []byte // page frames
	sizes     []int  // of the frames
	remainder uint64 // see crcRemainder: of what the file's checksum covers
	hashed    int64  // bytes of that
	post      Checksum
}

// writePages reads pages, has them compressed by n goroutines, and writes the
// frames, in order.
func (s *snapshotWriter) writePages(page func(pgno uint32, buf []byte) error, n int) error {
	p := snapshotPipe{jobs: make(chan *snapshotPages, 2*n), queue: make(chan *snapshotPages, 2*n),
		free: make(chan *snapshotPages, 2*n)}
	for range 2 * n {
		p.free <- &snapshotPages{done: make(chan struct{}, 1)}
	}
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() { p.compress(s.header) })
	}
	var writeErr error
	wg.Go(func() { writeErr = p.write(s) })
	readErr := p.read(s.header, page)
	close(p.jobs)
	close(p.queue)
	wg.Wait()
	if readErr != nil {
		return readErr
	}
	return writeErr
}

// A snapshotPipe is where batches of pages go round: read, compressed, written,
// and used again. All channels have room for all of them.
type snapshotPipe struct {
	jobs, queue, free chan *snapshotPages
	failed            atomic.Bool // to write
}

// read reads all pages, unless they can no longer be written.
func (p *snapshotPipe) read(h Header, page func(pgno uint32, buf []byte) error) (err error) {
	for pgno := uint32(1); pgno <= h.Commit && !p.failed.Load(); {
		b := <-p.free
		if pgno, err = b.read(pgno, h, page); err != nil {
			return err
		}
		p.jobs <- b
		p.queue <- b
	}
	return nil
}

func (p *snapshotPipe) compress(h Header) {
	var lz lz4.Compressor
	for b := range p.jobs {
		b.compress(&lz, h)
		b.done <- struct{}{}
	}
}

// write writes batches in the order in which they were read.
func (p *snapshotPipe) write(s *snapshotWriter) (err error) {
	for b := range p.queue {
		<-b.done
		if err == nil {
			err = s.writeBatch(b)
			p.failed.Store(err != nil)
		}
		p.free <- b
	}
	return err
}

// read fills the batch with pages from pgno on, and returns the number of the
// next one.
func (b *snapshotPages) read(pgno uint32, h Header, page func(pgno uint32, buf []byte) error) (uint32, error) {
	b.pgnos, b.data = b.pgnos[:0], b.data[:0]
	size := int(h.PageSize)
	for ; len(b.data) < snapshotBatch && pgno <= h.Commit; pgno++ {
		if pgno == h.LockPgno() {
			continue
		}
		if cap(b.data) == 0 {
			b.data = make([]byte, 0, snapshotBatch)
		}
		start := len(b.data)
		b.data = b.data[:start+size]
		if err := page(pgno, b.data[start:]); err != nil {
			return pgno, fmt.Errorf("snapshot: read page %d: %w", pgno, err)
		}
		b.pgnos = append(b.pgnos, pgno)
	}
	return pgno, nil
}

// compress makes the frames.
func (b *snapshotPages) compress(lz *lz4.Compressor, h Header) {
	size := int(h.PageSize)
	bound := blockStart + lz4.CompressBlockBound(size)
	if room := len(b.pgnos) * bound; cap(b.out) < room {
		b.out = make([]byte, 0, room)
	}
	b.out, b.sizes, b.post = b.out[:0], b.sizes[:0], 0
	crc := ^uint64(0)
	for i, pgno := range b.pgnos {
		page := b.data[i*size : (i+1)*size]
		start := len(b.out)
		frame := b.out[start : start+bound]
		n, err := lz.CompressBlock(page, frame[blockStart:])
		if err != nil || n == 0 {
			panic("LZ4: no room for a block of the largest size")
		}
		binary.BigEndian.PutUint32(frame, pgno)
		binary.BigEndian.PutUint16(frame[4:], sltx.PageHeaderFlagSize)
		binary.BigEndian.PutUint32(frame[pageHeaderSize:], uint32(n))
		b.out = b.out[:start+blockStart+n]
		b.sizes = append(b.sizes, blockStart+n)
		crc = crcUpdate(crcUpdate(crc, frame[:blockStart]), page)
		if !h.NoChecksum() {
			b.post ^= pageChecksum(pgno, page)
		}
	}
	b.remainder, b.hashed = crcRemainder(crc), int64(len(b.pgnos))*int64(blockStart+size)
}
