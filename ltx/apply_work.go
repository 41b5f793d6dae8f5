package ltx

import (
	"context"
	"fmt"

	"github.com/replctl/replicate/internal/readahead"
)

// writeSize is how much is written to the database at once, at most: a few
// pages at least, and not more than stays in the processor's cache.
const writeSize = 256 << 10

// A frame is a page frame in a chunk; its page is live if it is to be written.
type frame struct {
	data []byte
	pgno uint32
	live bool
}

// A batch is the frames of one chunk of a file, which it owns.
type batch struct {
	file    *appliedFile
	part    *filePart // what the frames add up to
	chunk   readahead.Chunk
	frames  []frame
	sumLive bool // whether the sum of live pages is wanted
}

// work decompresses batches until there are no more.
func (a *applier) work(ctx context.Context) {
	w := worker{db: a.db, out: make([]byte, writeSize), scratch: make([]byte, 64<<10)}
	for b := range a.batches {
		if ctx.Err() == nil {
			if err := w.decode(b); err != nil {
				a.fail(err)
			}
		}
		b.chunk.Release()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sum = ChecksumFlag | (a.sum ^ w.sum)
	a.written += w.written
}

// A worker decompresses pages, and writes those that are live. Pages that
// follow each other are written together.
type worker struct {
	db      Database
	lz4     lz4Decoder
	scratch []byte
	sum     Checksum // of live pages
	written int64

	// Pages to write, the first of which is number first.
	out   []byte
	n     int
	first uint32
}

func (w *worker) decode(b *batch) error {
	pageSize := int(b.file.header.PageSize)
	crc, sumAll := ^uint64(0), b.file.sumPages()
	for _, f := range b.frames {
		page := w.scratch[:pageSize]
		if f.live {
			var err error
			if page, err = w.place(f.pgno, pageSize); err != nil {
				return err
			}
		}
		hashed, err := w.lz4.decodeFrame(page, f.data)
		if err != nil {
			return &FileError{b.file.info, fmt.Errorf("page %d: %w", f.pgno, err)}
		}
		crc = crcUpdate(crcUpdate(crc, f.data[:hashed]), page)
		b.part.hashed += int64(hashed + pageSize)
		if sumAll || f.live && b.sumLive {
			sum := pageChecksum(f.pgno, page)
			b.part.post ^= sum
			if f.live {
				w.sum ^= sum
			}
		}
	}
	b.part.remainder = crcRemainder(crc)
	return w.flush(pageSize)
}

// place is where a page goes in the buffer. The pages before it are written
// first if it does not follow them or if the buffer is full.
func (w *worker) place(pgno uint32, pageSize int) ([]byte, error) {
	if w.n+pageSize > len(w.out) || w.n > 0 && pgno != w.first+uint32(w.n/pageSize) {
		if err := w.flush(pageSize); err != nil {
			return nil, err
		}
	}
	if w.n == 0 {
		w.first = pgno
	}
	w.n += pageSize
	return w.out[w.n-pageSize : w.n], nil
}

func (w *worker) flush(pageSize int) error {
	if w.n == 0 {
		return nil
	}
	if _, err := w.db.WriteAt(w.out[:w.n], int64(w.first-1)*int64(pageSize)); err != nil {
		return fmt.Errorf("write %d bytes from page %d of the database: %w", w.n, w.first, err)
	}
	w.written += int64(w.n)
	w.n = 0
	return nil
}
