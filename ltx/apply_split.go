package ltx

import (
	"context"

	"github.com/replctl/replicate/internal/readahead"
)

// A splitter cuts one file into batches of pages. It is the file's window.
type splitter struct {
	*applier
	walker walker
	ctx    context.Context
	ahead  *readahead.Reader
	file   *appliedFile

	chunk  readahead.Chunk
	data   []byte // of the chunk, not consumed
	read   int64  // bytes of the file
	end    error  // of the chunks
	frames []frame
}

// readFile reads the whole file. All files together have size bytes.
func (s *splitter) readFile(size int64) error {
	defer func() { s.chunk.Release() }()
	if err := s.start(size); err != nil {
		return err
	}
	for {
		h, data, err := s.walker.next()
		if isEnd(err) {
			break
		}
		if err != nil {
			return err
		}
		s.frames = append(s.frames, frame{pgno: h.Pgno, live: s.pages.claim(h.Pgno), data: data})
	}
	if err := s.walker.finish(); err != nil {
		return err
	}
	return s.finish()
}

func (s *splitter) start(size int64) error {
	b, err := s.Peek(HeaderSize)
	if err != nil && !isEnd(err) {
		return err
	}
	h, err := ParseHeader(b)
	if err != nil {
		return err
	}
	f := s.file
	s.files = append(s.files, f)
	f.header = h
	if err := checkSameDatabase(f.info, h, s.newest()); err != nil {
		return err
	}
	if len(s.files) == 1 {
		if most := size / (minFrame + minIndexEntry); dataPages(h) > most {
			return tooManyPages(h, most)
		}
		s.pages = newPageSet(h.Commit)
	}
	f.crc = crcUpdate(0, b[:HeaderSize])
	_, _ = s.Discard(HeaderSize)
	s.walker.start(s, h)
	return nil
}

func (s *splitter) finish() error {
	f := s.file
	if err := s.flush(); err != nil {
		return err
	}
	if err := checkListedSize(f.info, s.read); err != nil {
		return err
	}
	f.trailer = s.walker.trailer
	f.parts = append(f.parts, &filePart{remainder: crcRemainder(s.walker.tail), hashed: s.walker.tailLen})
	s.pages.truncate(f.header.Commit)
	return nil
}

// flush hands the frames of the chunk over, and the chunk with them.
func (s *splitter) flush() error {
	if len(s.frames) == 0 {
		s.chunk.Release()
		return nil
	}
	b := &batch{file: s.file, part: new(filePart), chunk: s.chunk, frames: s.frames, sumLive: !s.newest().NoChecksum()}
	s.file.parts = append(s.file.parts, b.part)
	s.chunk, s.frames = readahead.Chunk{}, nil
	select {
	case s.batches <- b:
		return nil
	case <-s.ctx.Done():
		b.chunk.Release()
		return context.Cause(s.ctx)
	}
}

// Peek is for the walker. What it showed before stays valid until it has to go
// on to the next chunk.
func (s *splitter) Peek(n int) ([]byte, error) {
	for len(s.data) < n {
		if s.end == nil {
			s.end = s.nextChunk()
		}
		if s.end != nil {
			return s.data, s.end
		}
	}
	return s.data[:n], nil
}

// nextChunk goes on to the next chunk, and takes what is left of this one along.
func (s *splitter) nextChunk() error {
	next, err := s.ahead.Next()
	if err != nil {
		return err
	}
	s.read += int64(len(next.Data))
	next.Prepend(s.data)
	err = s.flush()
	s.chunk, s.data = next, next.Data
	return err
}

func (s *splitter) Discard(n int) (int, error) {
	s.data = s.data[n:]
	return n, nil
}

func (s *splitter) Buffered() int { return len(s.data) }
