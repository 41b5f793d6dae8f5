package history

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"

	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/restore"
	"github.com/replctl/replicate/replica/view"
)

const (
	// wholeFile is the size in bytes up to which a file is read whole, in one request.
	wholeFile = 64 << 10

	// keptFiles and keptPages bound what is kept of files and of their pages, in bytes.
	keptFiles = 16 << 20
	keptPages = 8 << 20

	// maxLayered bounds how many pages are remembered to be in a file above the view. Then a new
	// view is opened.
	maxLayered = 1 << 20
)

// meter counts what is read, and keeps to a limit.
type meter struct {
	max int64 // 0: no limit

	mu   sync.Mutex
	sum  view.Stats
	live *view.View // whose cost is not in the sum
}

func (m *meter) add(requests, bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	addStats(&m.sum, view.Stats{Requests: requests, Bytes: bytes})
}

// watch counts what a view costs, until another one is watched.
func (m *meter) watch(v *view.View) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.live != nil {
		addStats(&m.sum, m.live.Stats())
	}
	m.live = v
}

func (m *meter) stats() view.Stats {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.sum
	if m.live != nil {
		addStats(&s, m.live.Stats())
	}
	return s
}

// allow returns how many bytes may be read, 0 for any number. It is an error if these are not more
// than n.
func (m *meter) allow(n int64) (left int64, err error) {
	if m.max <= 0 {
		return 0, nil
	}
	read := m.stats().Bytes
	if left = m.max - read; left < max(n, 1) {
		return 0, fmt.Errorf("%w: %d bytes were read, and %d are allowed", view.ErrMaxBytes, read, m.max)
	}
	return left, nil
}

// layer is an LTX file.
type layer struct {
	file    *ltx.FileInfo
	outline ltx.Outline
	data    []byte // of the whole file; nil if it is not kept
}

// readLayer reads the outline of a file. It reads all of a small one, and verifies it.
func (p *ltxReplay) readLayer(ctx context.Context, f *ltx.FileInfo) (l *layer, err error) {
	l = &layer{file: f}
	if f.Size <= wholeFile {
		if l.data, err = p.readRange(ctx, l, 0, f.Size); err == nil {
			_, err = ltx.Verify(bytes.NewReader(l.data))
		}
	}
	if err == nil {
		l.outline, err = ltx.ReadOutline(ctx, f.Size, p.opener(l))
	}
	if err == nil {
		err = ltx.CheckInfo(f, l.outline.Header)
	}
	if err != nil && ctx.Err() == nil {
		err = &ltx.FileError{File: f, Err: err}
	}
	return l, err
}

// opener opens ranges of a file, from memory if it is there.
func (p *ltxReplay) opener(l *layer) ltx.OpenRangeFunc {
	return func(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
		if int64(len(l.data)) == l.file.Size && offset+length <= l.file.Size {
			return io.NopCloser(bytes.NewReader(l.data[offset : offset+length])), nil
		}
		b, err := p.readRange(ctx, l, offset, length)
		return io.NopCloser(bytes.NewReader(b)), err
	}
}

func (p *ltxReplay) readRange(ctx context.Context, l *layer, offset, length int64) ([]byte, error) {
	if _, err := p.meter.allow(length); err != nil {
		return nil, err
	}
	rc, err := p.files.OpenFile(ctx, l.file, offset, length)
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	var b bytes.Buffer // it grows by what there is, whatever the listing said
	n, err := io.Copy(&b, io.LimitReader(rc, length))
	p.meter.add(1, n)
	if err == nil && n < length {
		err = fmt.Errorf("%w: it ends at %d", ltx.ErrTruncated, offset+n)
	}
	return b.Bytes(), err
}

// layers is a database: a view, and above it the pages of files that were written since. It is a
// sqlite.View.
type layers struct {
	of       *ltxReplay
	base     *view.View
	pageSize uint32
	size     int64

	mu       sync.Mutex
	top      map[uint32]*layer // where the pages are that are not those of the view
	files    []*layer          // with data, the oldest first
	filesize int64
	pages    map[uint32][]byte // that were read of files
}

// rebase opens a view of a moment.
func (p *ltxReplay) rebase(ctx context.Context, i int) (replica.Point, error) {
	p.layers.close()
	opts := p.opts
	var err error
	if opts.MaxBytes, err = p.meter.allow(0); err != nil {
		return replica.Point{}, err
	}
	v, err := view.Open(ctx, p.src, restore.Target{TXID: p.states[i]}, opts)
	if errors.Is(err, restore.ErrNoSuchState) {
		err = fmt.Errorf("%w: %w", view.ErrGone, err)
	}
	if err != nil {
		return replica.Point{}, err
	}
	p.meter.watch(v)
	p.layers = layers{of: p, base: v, pageSize: v.PageSize(), size: v.Size(),
		top: map[uint32]*layer{}, pages: map[uint32][]byte{}}
	return replica.Point{TXID: v.State().TXID, Time: v.State().Time}, nil
}

// close closes the view.
func (l *layers) close() {
	if l.base != nil {
		l.of.meter.watch(nil)
		_ = l.base.Close()
		l.base = nil
	}
}

func (l *layers) isFull() bool { return len(l.top) > maxLayered }

// add puts the pages of a file above those that are there.
func (l *layers) add(f *layer) error {
	h := f.outline.Header
	if h.PageSize != l.pageSize {
		return &ltx.FileError{File: f.file, Err: fmt.Errorf("%w: its pages have %d bytes, and those before it %d",
			ltx.ErrCorrupt, h.PageSize, l.pageSize)}
	}
	l.size = int64(h.Commit) * int64(h.PageSize)
	for i := range f.outline.Index.Len() {
		pgno, _, _ := f.outline.Index.At(i)
		l.top[pgno] = f
		delete(l.pages, pgno)
	}
	if f.data != nil {
		l.files, l.filesize = append(l.files, f), l.filesize+f.file.Size
	}
	for l.filesize > keptFiles {
		l.filesize -= l.files[0].file.Size
		l.files[0].data, l.files = nil, l.files[1:]
	}
	return nil
}

// Size implements sqlite.View.
func (l *layers) Size() int64 { return l.size }

// ReadAt implements io.ReaderAt.
func (l *layers) ReadAt(b []byte, off int64) (int, error) {
	return l.ReadAtContext(context.Background(), b, off)
}

// ReadAtContext is ReadAt that ends with ctx.
func (l *layers) ReadAtContext(ctx context.Context, b []byte, off int64) (n int, err error) {
	for n < len(b) && off < l.size {
		pgno, within := uint32(off/int64(l.pageSize))+1, off%int64(l.pageSize)
		length := min(int64(l.pageSize)-within, int64(len(b)-n))
		if err := l.readPart(ctx, b[n:n+int(length)], pgno, within); err != nil {
			return n, err
		}
		n, off = n+int(length), off+length
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (l *layers) readPart(ctx context.Context, b []byte, pgno uint32, within int64) error {
	l.mu.Lock()
	f, page := l.top[pgno], l.pages[pgno]
	l.mu.Unlock()
	at := int64(pgno-1) * int64(l.pageSize)
	switch {
	case f == nil && at == 1<<30: // the page of locks
		clear(b)
		return nil
	case f == nil:
		return l.readBase(ctx, b, at+within)
	case page == nil:
		page = make([]byte, l.pageSize)
		if _, err := f.outline.ReadPage(ctx, l.of.opener(f), pgno, page); err != nil {
			return &ltx.FileError{File: f.file, Err: err}
		}
		l.keep(pgno, page)
	}
	copy(b, page[within:])
	return nil
}

func (l *layers) readBase(ctx context.Context, b []byte, off int64) error {
	_, err := l.of.meter.allow(0)
	if err == nil {
		_, err = l.base.ReadAtContext(ctx, b, off)
	}
	if err == io.EOF { //nolint:errorlint // as an io.ReaderAt returns it
		return fmt.Errorf("%w: page %d is in no file", ltx.ErrCorrupt, off/int64(l.pageSize)+1)
	}
	return err
}

func (l *layers) keep(pgno uint32, page []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if (len(l.pages)+1)*len(page) > keptPages {
		clear(l.pages)
	}
	l.pages[pgno] = page
}

// isMissing reports whether an object is not there.
func isMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
