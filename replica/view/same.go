package view

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/replctl/replicate/ltx"
)

// Same returns a function that reports whether a page is known, without reading it, to be the same in
// both views: both read it at the same place of the same file, or no transaction between the two states
// has written it. It returns nil if nothing is known of any page, as of a v0.3 backup.
//
// Two files are the same if they have one name, size and checksum. Where the largest files of the views
// are not, as after a snapshot, Same reads the page indexes of the files between the two states. The
// function is safe for concurrent use. What it says stays true: a view is of one moment whichever files
// it reads.
func Same(ctx context.Context, a, b *View) (func(pgno uint32) bool, error) {
	from, ok := a.pages.(*pages)
	to, ok2 := b.pages.(*pages)
	if !ok || !ok2 || a.pageSize != b.pageSize {
		return nil, nil
	}
	was, is := from.layout.Load(), to.layout.Load()
	twins := map[*stored]*stored{}
	for _, f := range is.files {
		if twin := was.file(f.info); twin != nil && isTwin(twin, f) {
			twins[f] = twin
		}
	}
	var between written
	if twins[is.base] == nil {
		older, newer := from, to
		if was.pages.Header().MaxTXID > is.pages.Header().MaxTXID {
			older, newer = to, from
		}
		var err error
		if between, err = writtenBetween(ctx, older, newer); err != nil {
			return nil, fmt.Errorf("compare views: %w", err)
		}
	}
	if len(twins) == 0 && between == nil {
		return nil, nil
	}
	last := int64(min(was.pages.Header().Commit, is.pages.Header().Commit))
	return func(pgno uint32) bool {
		if pgno == 0 || int64(pgno) > last {
			return false
		}
		f, start, end, ok := was.find(pgno)
		g, start2, end2, ok2 := is.find(pgno)
		isSame := ok == ok2 && (!ok || twins[g] != nil && twins[g] == f && start == start2 && end == end2)
		return isSame || between != nil && !between.has(pgno)
	}, nil
}

// isTwin reports whether two files have the same content.
func isTwin(a, b *stored) bool {
	if a.key != b.key || a.info.Size != b.info.Size {
		return false
	}
	a.version.mu.Lock()
	trailer := bytes.Clone(a.version.trailer)
	a.version.mu.Unlock()
	b.version.mu.Lock()
	defer b.version.mu.Unlock()
	return len(trailer) == ltx.TrailerSize && bytes.Equal(trailer, b.version.trailer)
}

// HasPages reports whether a database of so many pages of the view's size, which read gives in order, is the
// one that the view shows, by the checksum that the newest file has of it. It reads nothing of the view.
// It is not known if there is no such checksum: Litestream writes none.
func (v *View) HasPages(count uint32, read func(pgno uint32, page []byte) error) (same, known bool, err error) {
	p, ok := v.pages.(*pages)
	if !ok {
		return false, false, nil
	}
	return p.layout.Load().pages.HasPages(count, read)
}

// manySmall times as many requests go on at a time where each is for a few pages.
const manySmall = 8

// Fetch reads pages into the cache, many requests at a time, and reads hardly anything else. It is
// for a reader who knows which pages it will read next: as many as a part of [Options.PageCache] holds.
func (v *View) Fetch(ctx context.Context, pgnos []uint32) error {
	p, ok := v.pages.(*pages)
	if !ok {
		return nil
	}
	s := &stream{ends: true}
	l := p.layout.Load()
	p.mu.Lock()
	for _, pgno := range pgnos {
		w := want{pgno: pgno}
		if w.file, w.start, w.end, ok = l.find(pgno); ok && p.isMissing(w) {
			s.wants = append(s.wants, w)
		}
	}
	spans := p.spans(s)
	p.mu.Unlock()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(p.concurrency * manySmall)
	for _, r := range spans {
		g.Go(func() error {
			if err := p.fetchSpan(ctx, r, s.wants); err != nil {
				return fmt.Errorf("read view: %w", err)
			}
			return nil
		})
	}
	return g.Wait()
}

// fetchSpan reads those of the wanted pages that are in a range of a file.
func (p *pages) fetchSpan(ctx context.Context, r span, wants []want) error {
	frames := make([]byte, r.end-r.start)
	rc, err := p.openFile(ctx, r.file, r.start, r.end-r.start)
	if err == nil {
		err = errors.Join(readAll(rc, r.start, frames), rc.Close())
	}
	page := make([]byte, p.pageSize)
	for _, w := range wants {
		switch {
		case w.file != r.file || w.start < r.start || w.end > r.end:
			continue
		case err == nil && ltx.DecodePage(page, frames[w.start-r.start:w.end-r.start], w.pgno) == nil:
			p.keepPage(w.pgno, page)
		default: // it knows what to do about a file that is gone, and what to say of damage
			if err := p.readPage(ctx, w.pgno, page, 0); err != nil {
				return err
			}
		}
	}
	return nil
}
