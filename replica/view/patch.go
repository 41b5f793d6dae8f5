package view

import (
	"cmp"
	"slices"
)

// A patch is what is read at once, while a scan goes on, of a file that has few of the
// wanted pages: the pages after them are wanted later. Many files have patches: all of them
// are held at a time, in memory that the cache of pages gives up for it.
const minPatch = 32 << 10

// maxPatchGap is the largest gap in a patch that is not wanted, as long as the patches of a
// scan have not wasted too much on gaps: a quarter of what was read, and some more.
const maxPatchGap = 256 << 10

// patchShare is how much of the memory of the page cache may hold patches.
const patchShare = 3.0 / 4

// setPatches finds the largest patches that fit: files that are smaller than theirs leave
// the rest to others. The largest file, the snapshot mostly, has none.
func (l *layout) setPatches(budget int64) {
	files := slices.Clone(l.files)
	slices.SortFunc(files, func(a, b *stored) int { return cmp.Compare(a.info.Size, b.info.Size) })
	l.base, l.patch = files[len(files)-1], maxRange
	for i, f := range files[:len(files)-1] {
		if share := budget / int64(len(files)-1-i); f.info.Size > share {
			l.patch = min(share, maxRange)
			break
		}
		budget -= f.info.Size
	}
	if l.patch < minPatch {
		l.patch = 0
	}
}

// patchOf is the size of a file's patches while a scan goes on; 0 if it has none.
func (l *layout) patchOf(f *stored) int64 {
	if f == l.base {
		return 0
	}
	return l.patch
}

// span is wanted frames of a file that are read with one request.
type span struct {
	want
	pool      *pool
	first     int // of the wants, the number of that which is needed first
	interiors []want
	wasted    int64
	isRest    bool // it goes on where another one ends, which is as large as it may be
}

// start reads what a stream wants: interior pages first, then what is needed first. What
// there is no room for, or no request free, it leaves for later.
func (p *pages) start(l *layout, s *stream) {
	s.tried = p.ended
	p.forgetKnown(s)
	full := map[*pool]bool{}
	for _, span := range p.spans(s) {
		if p.inFlight >= p.concurrency {
			break
		}
		if p.find(span.file, span.start, span.start+1) != nil { // it is in a patch that has begun
			continue
		}
		if p.isScan(s) {
			p.toPatch(l, s, &span)
		}
		span.end = p.clip(span.file, span.start, span.end)
		if full[span.pool] = full[span.pool] || !p.makeRoom(span.pool, span.end-span.start, false); full[span.pool] {
			continue
		}
		e := p.begin(span.pool, span.file, span.start, span.end)
		s.wasted += span.wasted
		if len(span.interiors) > 0 {
			e.then = func() { p.arrived(l, e, span.interiors) }
		}
	}
	s.wants = slices.DeleteFunc(s.wants, func(w want) bool { return p.find(w.file, w.start, w.end) != nil })
}

// forgetKnown forgets what a stream wanted and what is here, or on its way, by now.
func (p *pages) forgetKnown(s *stream) {
	s.wants = slices.DeleteFunc(s.wants, func(w want) bool { return !p.isMissing(w) })
}

// spans joins what is wanted of each file to ranges. If more will be wanted later, it leaves a
// short end of a range for then.
func (p *pages) spans(s *stream) []span {
	order := make(map[uint32]int, len(s.wants))
	for i, w := range s.wants {
		order[w.pgno] = i
	}
	wants := slices.Clone(s.wants)
	slices.SortFunc(wants, func(a, b want) int {
		return cmp.Or(cmp.Compare(b.file.info.MaxTXID, a.file.info.MaxTXID), cmp.Compare(a.start, b.start))
	})
	most := p.rangeSize(s)
	var all []span
	for _, w := range wants {
		n := len(all)
		if n > 0 && all[n-1].takes(w, most) && p.clip(w.file, all[n-1].end, w.end) == w.end {
			last := &all[n-1]
			last.end, last.pgno, last.first = w.end, w.pgno, min(last.first, order[w.pgno])
		} else {
			isRest := n > 0 && all[n-1].file == w.file && w.start-all[n-1].end <= maxGap
			all = append(all, span{want: w, pool: &p.ahead, first: order[w.pgno], isRest: isRest})
		}
		if w.isInterior {
			last := &all[len(all)-1]
			last.interiors = append(last.interiors, w)
		}
	}
	if !s.ends {
		all = slices.DeleteFunc(all, func(s span) bool { return s.isRest && s.end-s.start < most/2 && len(s.interiors) == 0 })
	}
	slices.SortStableFunc(all, func(a, b span) int {
		return cmp.Or(-cmp.Compare(a.lead(), b.lead()), cmp.Compare(a.first, b.first))
	})
	return all
}

// lead is how many interior pages a range has, if it is short enough to go before others for them.
func (s *span) lead() int {
	if s.end-s.start > firstAhead {
		return 0
	}
	return len(s.interiors)
}

func (s *span) takes(w want, most int64) bool {
	return s.file == w.file && w.start-s.end <= maxGap && w.end-s.start <= most
}

// toPatch makes a range of a file that has patches one.
func (p *pages) toPatch(l *layout, s *stream, r *span) {
	if size := l.patchOf(r.file); size > 0 {
		p.unkeep(r.file)
		end, wasted := p.extend(l, r.want, s.patchBounds(size))
		r.pool, r.end, r.wasted = &p.patches, max(r.end, end), wasted
	}
}

// patchBounds are those of a patch that a scan reads now.
func (s *stream) patchBounds(size int64) bounds {
	if s.wasted < s.read/4+s.horizon/2 {
		return bounds{size, extendSteps, maxPatchGap}
	}
	return bounds{size, extendSteps, maxGap}
}

// bounds are those of what extend adds to a range.
type bounds struct {
	size  int64  // of the range
	steps uint32 // pages to be looked at
	gap   int64  // that is not wanted
}

// extend returns the end of a range that goes on with the next pages of the same file, and
// how much of it are gaps.
func (p *pages) extend(l *layout, w want, most bounds) (end, wasted int64) {
	end = w.end
	for pgno := w.pgno + 1; pgno-w.pgno <= most.steps && pgno <= l.pages.Header().Commit; pgno++ {
		f, from, to, ok := l.find(pgno)
		if !ok || f != w.file {
			continue
		}
		gap := from - end
		if gap > most.gap || to-w.start > most.size || p.clip(f, end, to) < to {
			break
		}
		end, wasted = to, wasted+gap
	}
	return end, wasted
}

// arrived is called when an extent was read that has interior pages: what is below them
// can be read ahead now.
func (p *pages) arrived(l *layout, e *extent, interiors []want) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx.Err() != nil || p.layout.Load() != l {
		return
	}
	for _, w := range interiors {
		p.learn(l, w.pgno)
	}
	if e.end-e.start < firstAhead && e.waiters == 0 {
		p.drop(e) // the page cache has it
	}
}
