package view

import (
	"cmp"
	"slices"

	"github.com/replctl/replicate/ltx"
)

const (
	// firstAhead is how much is read ahead when reading turns out to be sequential. After
	// that it is growth times what was read so far.
	firstAhead = 128 << 10
	growth     = 3

	// maxRange is the largest range that is read at once, and maxGap the largest gap in it
	// that is not wanted: a request more costs more than so many bytes.
	maxRange = 8 << 20
	maxGap   = 16 << 10

	// Of the budget, aheadShare is for what is read ahead of a scan in the file that has most
	// of it, in ranges of a rangeShare of that. While such a range is used it still takes
	// memory. patchShare is for the patches of all other files.
	aheadShare = 5.0 / 8
	rangeShare = 1.0 / 4
	patchShare = 7.0 / 32

	// aroundMiss is how much is read at once where reading is not sequential.
	aroundMiss = 12 << 10

	// A patch is how much at least is read at once of a file that has few of the wanted
	// pages, once much is read ahead: the pages after them are wanted later. Many files have
	// smaller ones: all of them are held at a time.
	minPatch, maxPatch = 32 << 10, 256 << 10
	patchSteps         = 64 << 10 // how many pages are looked at for that

	// siblings is how many interior pages are read before their turn.
	siblings = 8

	// streams is how many readers of neighbouring pages are told apart.
	streams = 8
)

// stream is a sequential reader: of the children of interior pages, or of neighbours.
type stream struct {
	run   int   // how many pages were read in order
	read  int64 // bytes of frames that were
	ahead int64 // bytes of frames that are there, or on their way
	next  uint32
}

// horizon is how many bytes are to be read ahead, if half of that is not there.
func (s *stream) horizon(budget int64) int64 {
	if s.run < 2 {
		return 0
	}
	return min(max(firstAhead, growth*s.read), int64(float64(budget)*aheadShare))
}

// rangeSize is the size of the ranges that are read ahead.
func rangeSize(horizon int64) int64 {
	return min(maxRange, max(firstAhead, int64(float64(horizon)*rangeShare)))
}

// enough is how much is enough to be there, or on its way. Below it, a range has room.
func enough(horizon int64) int64 { return max(horizon/2, horizon-rangeSize(horizon)) }

// around is how much is read of a file where a page is missing, and how many pages are
// looked at for that: what is not there when a scan wants it is wanted in patches, too.
func (p *pages) around(l *layout) (size int64, steps uint32) {
	if p.horizon >= p.budget/4 {
		return p.patch(l), patchSteps
	}
	return aroundMiss, aroundMiss
}

// patch is the size of a patch.
func (p *pages) patch(l *layout) int64 {
	share := int64(float64(p.budget)*patchShare) / int64(len(l.files))
	return min(max(share, minPatch), maxPatch)
}

// advance notes that a page is read now, and reads ahead. The mutex is held.
func (p *pages) advance(l *layout, pgno uint32) {
	s, isChild := p.follow(pgno)
	if p.horizon = 0; s == nil {
		return
	}
	_, start, end, ok := l.find(pgno)
	if !ok {
		return
	}
	s.read += end - start
	s.ahead -= end - start
	if p.horizon = s.horizon(p.budget); s.ahead < enough(p.horizon) {
		p.refill(l, s, pgno, isChild, p.horizon)
	}
}

// follow returns the stream that goes on with a page; nil if none does. It reports whether
// the stream is of children of interior pages.
func (p *pages) follow(pgno uint32) (s *stream, isChild bool) {
	c, ok := p.tree.parents[pgno]
	if !ok {
		return p.followNeighbours(pgno), false
	}
	n := c.of
	was := n.next
	n.next = c.at + 1
	switch {
	case n.above:
		p.inherit(n, c.at)
		return nil, false
	case c.at == was-1: // again
		return nil, false
	case n.stream != nil && was <= c.at && c.at <= was+1:
		n.stream.run++
	case n.stream == nil || was >= 0:
		n.stream = new(stream)
		n.stream.run = 1
	}
	return n.stream, true
}

// inherit lets the stream of an interior page's children go on with those of the next one.
func (p *pages) inherit(n *interior, at int) {
	if at == 0 {
		return
	}
	before, now := p.tree.nodes[n.children[at-1]], p.tree.nodes[n.children[at]]
	if before != nil && now != nil && before.next == len(before.children) && now.next < 0 {
		now.stream, now.next = before.stream, 0
	}
}

// followNeighbours follows readers of pages by their numbers.
func (p *pages) followNeighbours(pgno uint32) *stream {
	for i := range p.streams {
		s := &p.streams[i]
		if s.next == pgno {
			s.next++
			s.run++
			return s
		}
	}
	p.oldest = (p.oldest + 1) % streams
	p.streams[p.oldest] = stream{run: -1, next: pgno + 1} // two more than of children: it is less of a sign
	return nil
}

// want is a frame to be read.
type want struct {
	file       *stored
	start, end int64
	pgno       uint32
	isInterior bool // and not known yet
}

// refill reads ahead of a stream, from a page on.
func (p *pages) refill(l *layout, s *stream, from uint32, isChild bool, horizon int64) {
	r := &refilling{p: p, l: l, left: horizon}
	if isChild {
		r.most = siblings
		if p.isDense(l, from) {
			r.most = 1
		}
		p.tree.walk(from, r.visit)
		if r.most == 1 && r.unknown > 0 {
			r.neighbours(r.leaf.pgno+1, maxGap)
		}
	} else {
		r.neighbours(from, horizon)
	}
	s.ahead = horizon - r.left
	if !p.start(l, s, r.wants, horizon, r.left <= 0) {
		s.ahead = min(s.ahead, enough(horizon)+rangeSize(horizon)/8) // try again soon
	}
}

// refilling looks for what is to be read ahead.
type refilling struct {
	p       *pages
	l       *layout
	left    int64 // how many more bytes of frames
	most    int   // how many unknown interior pages may come
	unknown int   // how many did
	leaf    want  // the last page that is not one of them
	wants   []want
}

// visit takes in a page, and reports whether the next one is of interest.
func (r *refilling) visit(pgno uint32, isUnknown bool) bool {
	w := want{pgno: pgno, isInterior: isUnknown}
	var ok bool
	if w.file, w.start, w.end, ok = r.l.find(pgno); !ok {
		return true // the lock page
	}
	r.left -= w.end - w.start
	if isUnknown {
		r.unknown++
		w.isInterior = !r.p.learn(r.l, pgno)
	} else {
		r.leaf = w
	}
	if !r.p.cache.has(pgno) && r.p.find(w.file, w.start, w.end) == nil && !r.p.isCovered(w) {
		r.wants = append(r.wants, w)
	}
	return r.left > 0 && (!w.isInterior || r.unknown < r.most)
}

// neighbours takes in the pages from one on, as long as they are in the file of the page
// before and the gaps between them are not larger.
func (r *refilling) neighbours(from uint32, gap int64) {
	last := r.leaf
	for pgno := from; r.left > 0 && pgno <= r.l.pages.Header().Commit; pgno++ {
		f, start, end, ok := r.l.find(pgno)
		if ok && last.file == f && start-last.end > gap {
			return
		}
		c, isChild := r.p.tree.parents[pgno]
		r.visit(pgno, isChild && c.of.above && r.p.tree.nodes[pgno] == nil)
		if ok && (last.file == nil || last.file == f) {
			last = want{file: f, start: start, end: end}
		}
	}
}

// isDense reports whether the children of a page's parent lie mostly side by side in one
// file: then those of the next parent follow, mostly, and that parent is among them.
func (p *pages) isDense(l *layout, pgno uint32) bool {
	c, ok := p.tree.parents[pgno]
	if !ok {
		return false
	}
	base := l.files[0] // the snapshot, mostly
	var first, last, sum int64
	for _, pgno := range c.of.children {
		f, start, end, ok := l.find(pgno)
		if !ok || f != base {
			continue
		}
		if sum == 0 || start < first {
			first = start
		}
		last = max(last, end)
		sum += end - start
	}
	return sum > 0 && sum >= (last-first)*3/4
}

// learn adds an interior page to the tree if its content is there.
func (p *pages) learn(l *layout, pgno uint32) bool {
	page := make([]byte, p.pageSize)
	if !p.cache.get(pgno, page, 0) {
		f, start, end, ok := l.find(pgno)
		if !ok {
			return false
		}
		e := p.find(f, start, end)
		if e == nil || e.have < end-e.start || ltx.DecodePage(page, e.data[start-e.start:end-e.start], pgno) != nil {
			return false
		}
		p.cache.put(pgno, page)
	}
	p.tree.add(pgno, page, l.pages.Header().Commit)
	return p.tree.nodes[pgno] != nil
}

// span is wanted frames of a file that are read with one request.
type span struct {
	want
	first     int // of the wants, the number of that which is needed first
	interiors []want
	isRest    bool // it goes on where another one ends, which is as large as it may be
}

// start reads what is wanted: interior pages first, then what is needed first. If more is
// wanted later, it leaves a short end of it for then. It returns false if there is no room,
// or no request free, for all of it.
func (p *pages) start(l *layout, s *stream, wants []want, horizon int64, more bool) bool {
	for _, span := range p.spans(l, wants, horizon, more) {
		n := span.end - span.start
		if p.inFlight >= p.concurrency || !p.makeRoom(n, false) {
			return false
		}
		e := p.begin(span.file, span.start, span.end)
		if len(span.interiors) > 0 {
			e.then = func() { p.arrived(l, s, e, span.interiors) }
		}
	}
	return true
}

// spans joins what is wanted of each file to ranges.
func (p *pages) spans(l *layout, wants []want, horizon int64, more bool) []span {
	order := make(map[uint32]int, len(wants))
	for i, w := range wants {
		order[w.pgno] = i
	}
	slices.SortFunc(wants, func(a, b want) int {
		return cmp.Or(cmp.Compare(b.file.info.MaxTXID, a.file.info.MaxTXID), cmp.Compare(a.start, b.start))
	})
	most, patch := rangeSize(horizon), p.patch(l)
	var all []span
	for _, w := range wants {
		n := len(all)
		if n > 0 && all[n-1].takes(w, most) && p.clip(w.file, all[n-1].end, w.end) == w.end {
			last := &all[n-1]
			last.end, last.pgno, last.first = w.end, w.pgno, min(last.first, order[w.pgno])
		} else {
			isRest := n > 0 && all[n-1].file == w.file && w.start-all[n-1].end <= maxGap
			all = append(all, span{want: w, first: order[w.pgno], isRest: isRest})
		}
		if w.isInterior {
			last := &all[len(all)-1]
			last.interiors = append(last.interiors, w)
		}
	}
	if more {
		all = slices.DeleteFunc(all, func(s span) bool { return s.isRest && s.end-s.start < most/2 && len(s.interiors) == 0 })
	}
	for i := range all {
		if horizon >= p.budget/4 && all[i].end-all[i].start < patch && len(all[i].interiors) == 0 {
			all[i].end = p.extend(l, all[i].want, patch, patchSteps)
		}
	}
	slices.SortStableFunc(all, func(a, b span) int {
		return cmp.Or(-cmp.Compare(len(a.interiors), len(b.interiors)), cmp.Compare(a.first, b.first))
	})
	return all
}

func (s *span) takes(w want, most int64) bool {
	return s.file == w.file && w.start-s.end <= maxGap && w.end-s.start <= most
}

// extend returns the end of a range that goes on, up to a size, with the next pages of the
// same file. At most so many pages are looked at.
func (p *pages) extend(l *layout, w want, size int64, steps uint32) int64 {
	end := w.end
	for pgno := w.pgno + 1; pgno-w.pgno <= steps; pgno++ {
		f, from, to, ok := l.find(pgno)
		if !ok || f != w.file {
			if pgno >= l.pages.Header().Commit {
				break
			}
			continue
		}
		if from-end > maxGap || to-w.start > size || p.clip(f, end, to) < to {
			break
		}
		end = to
	}
	return end
}

// arrived is called when an extent was read that has interior pages: what is below them
// can be read ahead now.
func (p *pages) arrived(l *layout, s *stream, e *extent, interiors []want) {
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
	s.ahead = 0 // look again at the next page
}
