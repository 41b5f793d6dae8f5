package view

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"sort"

	"golang.org/x/sync/errgroup"

	"github.com/replctl/replicate/internal/ordered"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
)

const (
	// wholeSize is the size up to which a file is read whole when the view is opened: its
	// checksum is verified then.
	wholeSize = 64 << 10

	// headSize is how much of the beginning of a larger file is read with its header: the
	// first page is wanted next, mostly.
	headSize = 16 << 10

	// minTail and indexEntry are how much of the end of a larger file is read at once. It
	// should have the whole index, whose entry for a page takes 8 to 10 bytes.
	minTail    = 32 << 10
	indexEntry = 10
)

// stored is an LTX file that a view reads.
type stored struct {
	info    *ltx.FileInfo
	key     string
	extents []*extent // by start, none overlaps another; under the fetcher's mutex
	version version
}

// piece is a part of a file that was read on the way.
type piece struct {
	start int64
	data  []byte
}

// sketch is what is read of a file when the view is opened.
type sketch struct {
	outline ltx.Outline
	pieces  []piece
}

// layout is where the pages of the database are.
type layout struct {
	files []*stored
	pages *ltx.PageMap

	base  *stored // the largest file
	patch int64   // see minPatch; 0 for none
}

// find returns where a page is.
func (l *layout) find(pgno uint32) (f *stored, start, end int64, ok bool) {
	i, offset, size, ok := l.pages.Find(pgno)
	if !ok {
		return nil, 0, 0, false
	}
	return l.files[i], offset, offset + size, true
}

// file is the file of that name in a layout; nil if there is none.
func (l *layout) file(f *ltx.FileInfo) *stored {
	if l == nil {
		return nil
	}
	i := slices.IndexFunc(l.files, func(s *stored) bool { return ltx.IDOf(s.info) == ltx.IDOf(f) })
	if i < 0 {
		return nil
	}
	return l.files[i]
}

// newest is the last file.
func (l *layout) newest() *ltx.FileInfo { return l.files[len(l.files)-1].info }

// readLayout reads the outlines of the files, many at a time, and keeps what else it has
// read of them as far as there is room. Files that another layout has too must be the
// versions that were read for that one.
func (p *pages) readLayout(
	ctx context.Context, files []*ltx.FileInfo, commit uint32, other *layout,
) (*layout, error) {
	m, err := ltx.NewPageMap(files)
	if err != nil {
		return nil, err
	}
	l := &layout{pages: m, files: make([]*stored, len(files))}
	for i, f := range files {
		l.files[i] = other.file(f)
		if l.files[i] == nil {
			l.files[i] = &stored{info: f, key: p.replica.Key(f)}
		} else if l.files[i].info.Size != f.Size {
			return nil, &ltx.FileError{File: f, Err: errReplaced}
		}
	}
	l.setPatches(p.patches.budget)
	next := len(files) // the map is filled from the newest file to the oldest
	newestFirst := func(yield func(*stored, error) bool) {
		for i := range files {
			if !yield(l.files[len(files)-1-i], nil) {
				return
			}
		}
	}
	read := func(ctx context.Context, f *stored) (*sketch, error) {
		s, err := p.sketch(ctx, f, commit)
		for again := 0; again < maxMoves && errors.Is(err, errTouched) && !f.version.hasTrailer(); again++ {
			f.version.forget()
			s, err = p.sketch(ctx, f, commit)
		}
		return s, nameFile(ctx, f, err)
	}
	for s, err := range ordered.Map(ctx, replica.HeaderReads, newestFirst, read) {
		if err != nil {
			return nil, err
		}
		next--
		if err := m.Add(s.outline); err != nil {
			return nil, err
		}
		for _, piece := range s.pieces {
			if len(piece.data) > 0 {
				p.keep(l.files[next], piece.start, piece.data)
			}
		}
	}
	return l, m.Check()
}

// nameFile says which file an error is about, unless it is that of the context.
func nameFile(ctx context.Context, f *stored, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return &ltx.FileError{File: f.info, Err: err}
}

// sketch reads the outline of a file, in one round trip mostly.
func (p *pages) sketch(ctx context.Context, f *stored, commit uint32) (*sketch, error) {
	size := f.info.Size
	if size <= wholeSize {
		return p.sketchWhole(ctx, f)
	}
	tailSize := min(size, max(minTail, min(size/16, indexEntry*int64(commit))))
	head, tail := piece{data: make([]byte, headSize)}, piece{size - tailSize, make([]byte, tailSize)}
	g, gctx := errgroup.WithContext(ctx)
	for _, part := range []piece{head, tail} {
		g.Go(func() error { return p.readPiece(gctx, f, part) })
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	o, err := ltx.ReadOutline(ctx, size, func(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
		switch end := offset + length; {
		case end <= headSize:
			return io.NopCloser(bytes.NewReader(head.data[offset:end])), nil
		case offset >= tail.start:
			return io.NopCloser(bytes.NewReader(tail.data[offset-tail.start : end-tail.start])), nil
		}
		return p.open(ctx, f, offset, length)
	})
	if err != nil {
		return nil, err
	}
	f.version.sketched(tail.data)
	head.data = head.data[:wholeFrames(o.Index, headSize)]
	return &sketch{o, []piece{head, lastFrames(o.Index, tail)}}, nil
}

// wholeFrames is where the last frame ends that ends at or before an offset.
func wholeFrames(x *ltx.PageIndex, offset int64) int64 {
	n := sort.Search(x.Len(), func(i int) bool {
		_, start, size := x.At(i)
		return start+size > offset
	})
	if n == x.Len() {
		return offset
	}
	_, start, _ := x.At(n)
	return start
}

// lastFrames is the frames that are whole in the end of a file.
func lastFrames(x *ltx.PageIndex, tail piece) piece {
	n := sort.Search(x.Len(), func(i int) bool {
		_, start, _ := x.At(i)
		return start >= tail.start
	})
	if n == x.Len() {
		return piece{}
	}
	_, start, _ := x.At(n)
	_, end, size := x.At(x.Len() - 1)
	return piece{start, bytes.Clone(tail.data[start-tail.start : end+size-tail.start])}
}

func (p *pages) sketchWhole(ctx context.Context, f *stored) (*sketch, error) {
	whole := piece{data: make([]byte, f.info.Size)}
	if err := p.readPiece(ctx, f, whole); err != nil {
		return nil, err
	}
	if _, err := ltx.Verify(bytes.NewReader(whole.data)); err != nil {
		return nil, err
	}
	f.version.sketched(whole.data)
	o, err := ltx.ReadOutline(ctx, f.info.Size, func(_ context.Context, offset, length int64) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(whole.data[offset : offset+length])), nil
	})
	return &sketch{o, []piece{whole}}, err
}

// readPiece fills a piece.
func (p *pages) readPiece(ctx context.Context, f *stored, part piece) error {
	rc, err := p.open(ctx, f, part.start, int64(len(part.data)))
	if err != nil {
		return err
	}
	defer rc.Close()
	return readAll(rc, part.start, part.data)
}
