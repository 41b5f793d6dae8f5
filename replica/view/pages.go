package view

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"

	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/restore"
)

// pages are those of an LTX replica.
type pages struct {
	fetcher
	replica     *replica.Files
	concurrency int
	budget      int64 // for reading ahead
	pageSize    int64
	cache       *pageCache
	buffers     sync.Pool // of *[]byte, for a page each

	layout atomic.Pointer[layout]
	first  []byte // page 1
	moving sync.Mutex

	// Under the fetcher's mutex:

	tree    tree
	streams [streams]stream
	reading *stream // that has read last; nil if none has
	lately  *stream // that has read last, whatever was read since
	oldest  int     // of streams
}

func openPages(
	ctx context.Context, files *replica.Files, plan *restore.Plan, commit uint32, opts Options,
) (s source, pageSize uint32, size int64, err error) {
	p := &pages{replica: files, concurrency: opts.Concurrency}
	p.ctx, p.cancel = context.WithCancelCause(context.Background()) //nolint:contextcheck // it lives as long as the view
	p.open, p.budget, p.ahead.budget = p.openFile, opts.ReadAhead, opts.ReadAhead
	p.patches.budget = int64(float64(opts.PageCache) * patchShare)
	l, err := p.readLayout(ctx, plan.Files, commit, nil)
	if err != nil {
		return nil, 0, 0, err
	}
	h := l.pages.Header()
	p.pageSize = int64(h.PageSize)
	p.cache = newPageCache(int(h.PageSize), opts.PageCache)
	p.patches.changed = p.cache.leave
	p.buffers.New = func() any { b := make([]byte, h.PageSize); return &b }
	p.layout.Store(l)
	p.first = make([]byte, min(h.PageSize, h.PageSize*h.Commit))
	if len(p.first) > 0 {
		if err := p.decode(ctx, l, 1, p.first); err != nil {
			return nil, 0, 0, err
		}
	}
	return p, h.PageSize, int64(h.Commit) * int64(h.PageSize), nil
}

func (p *pages) hits() int64 { return p.cache.count() }

func (p *pages) close() error {
	p.fetcher.close()
	return nil
}

func (p *pages) readAt(ctx context.Context, b []byte, off int64) error {
	for len(b) > 0 {
		pgno, within := uint32(off/p.pageSize)+1, off%p.pageSize
		n := min(p.pageSize-within, int64(len(b)))
		if err := p.readPage(ctx, pgno, b[:n], int(within)); err != nil {
			return err
		}
		b, off = b[n:], off+n
	}
	return nil
}

// readPage copies a page from an offset on to b.
func (p *pages) readPage(ctx context.Context, pgno uint32, b []byte, offset int) error {
	if p.ctx.Err() != nil {
		return context.Cause(p.ctx)
	}
	l := p.layout.Load()
	p.mu.Lock()
	p.advance(l, pgno)
	p.mu.Unlock()
	if p.cache.get(pgno, b, offset) {
		return nil
	}
	buf := p.buffers.Get().(*[]byte)
	defer p.buffers.Put(buf)
	if err := p.load(ctx, pgno, *buf); err != nil {
		return err
	}
	p.keepPage(pgno, *buf)
	copy(b, (*buf)[offset:])
	return nil
}

// keepPage keeps a page that was read.
func (p *pages) keepPage(pgno uint32, page []byte) {
	p.cache.put(pgno, page)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tree.add(pgno, page, p.layout.Load().pages.Header().Commit)
}

// maxMoves bounds how often one page is looked for in files that replaced others.
const maxMoves = 10

// load reads a page from the newest file that has it. If that file is gone, it looks for
// the files that replaced it.
func (p *pages) load(ctx context.Context, pgno uint32, page []byte) error {
	for move := 0; ; move++ {
		l := p.layout.Load()
		err := p.decode(ctx, l, pgno, page)
		if errors.Is(err, errReplaced) {
			return fmt.Errorf("%w: %w", ErrGone, err)
		}
		if !errors.Is(err, fs.ErrNotExist) || move == maxMoves {
			return err
		}
		if err := p.move(ctx, l, err); err != nil {
			return err
		}
	}
}

// decode reads a page of a layout.
func (p *pages) decode(ctx context.Context, l *layout, pgno uint32, page []byte) error {
	f, start, end, ok := l.find(pgno)
	if !ok { // the lock page: every other one is in the map
		clear(page)
		return nil
	}
	frame, err := p.frame(ctx, l, want{file: f, start: start, end: end, pgno: pgno})
	if err == nil {
		if err = ltx.DecodePage(page, frame, pgno); err != nil {
			err = fmt.Errorf("page %d: %w", pgno, err)
		}
	}
	if p.ctx.Err() != nil && err != nil {
		return context.Cause(p.ctx)
	}
	return nameFile(ctx, f, err)
}

// covering is the range in the cache that has a frame.
func (p *pages) covering(w want) (cachedRange, bool) {
	t, ok := p.replica.Store.(*tap)
	if !ok {
		return cachedRange{}, false
	}
	return t.object(w.file.key).covering(w.start, w.end)
}

func (p *pages) isCovered(w want) bool {
	_, ok := p.covering(w)
	return ok
}

// frame returns the bytes of a frame.
func (p *pages) frame(ctx context.Context, l *layout, w want) ([]byte, error) {
	p.mu.Lock()
	e := p.find(w.file, w.start, w.end)
	if e == nil {
		e = p.begin(p.around(l, w))
	}
	p.join(e, w.start, w.end)
	p.mu.Unlock()
	return p.wait(ctx, e, w.start, w.end)
}

// around is what is read where a page is missing. What a scan misses it has lost track of.
func (p *pages) around(l *layout, w want) (in *pool, f *stored, start, end int64) {
	in = &p.ahead
	if r, ok := p.covering(w); ok {
		return in, w.file, w.start, p.clip(w.file, w.start, r.end)
	}
	if start, end := p.wanted(l, w); end > 0 {
		return in, w.file, start, end
	}
	most := bounds{aroundMiss, aroundMiss, maxGap}
	if s := p.reading; p.isScan(s) {
		s.begin(l)
		if size := l.patchOf(w.file); size > 0 {
			p.unkeep(w.file)
			end, wasted := p.extend(l, w, s.patchBounds(size))
			s.wasted += wasted
			return &p.patches, w.file, w.start, end
		}
		most.size, most.steps = firstAhead, extendSteps
	}
	end, _ = p.extend(l, w, most)
	return in, w.file, w.start, end
}

// wanted is the range in which a scan wants a page that is missing, an interior one mostly, and for which
// there was no request free; 0, 0 if none does.
func (p *pages) wanted(l *layout, w want) (start, end int64) {
	s := p.lately
	if !p.isScan(s) || l.patchOf(w.file) > 0 {
		return 0, 0
	}
	p.forgetKnown(s)
	for _, r := range p.spans(s) {
		if r.file != w.file || r.start > w.start || w.end > r.end || p.find(r.file, r.start, r.start+1) != nil {
			continue
		}
		if end := p.clip(w.file, r.start, r.end); end >= w.end {
			return r.start, end
		}
	}
	return 0, 0
}
