package view

import (
	"cmp"

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

	// aroundMiss is how much is read at once where reading is not sequential.
	aroundMiss = 12 << 10

	// extendSteps is how many pages are looked at to make a patch larger.
	extendSteps = 256 << 10

	// siblings is how many interior pages are read before their turn.
	siblings = 8

	// streams is how many readers of neighbouring pages are told apart.
	streams = 8
)

// stream is a sequential reader: of the children of interior pages, or of neighbours.
type stream struct {
	run    int    // how many pages were read in order
	read   int64  // bytes of frames that were
	wasted int64  // bytes of gaps in its patches
	next   uint32 // of a reader of neighbours, the page that follows

	horizon int64 // how many bytes are to be read ahead; 0 for none
	layout  *layout
	last    uint32 // the last page that was looked at for that; 0 for none yet
	ahead   int64  // bytes of frames up to it, from the page that is read
	ends    bool   // nothing follows it
	waits   bool   // it is an interior page, and has to be known
	known   int    // how many interior pages were known then
	wants   []want // what no request was made for yet
	tried   int64  // how many requests had ended when that was last tried
}

// advance notes that a page is read now, and reads ahead. The mutex is held.
func (p *pages) advance(l *layout, pgno uint32) {
	s, isChild := p.follow(pgno)
	p.reading = s
	if s == nil {
		return
	}
	p.lately = s
	_, start, end, ok := l.find(pgno)
	if !ok {
		return
	}
	s.read += end - start
	if s.ahead -= end - start; s.ahead < 0 || s.layout != l {
		s.begin(l)
	}
	if s.run < 2 {
		return
	}
	s.horizon = min(max(firstAhead, growth*s.read), p.budget-p.rangeSize(s))
	if s.ahead+p.rangeSize(s) <= s.horizon && !s.ends && (!s.waits || s.known != p.tree.added) {
		p.look(l, s, pgno, isChild)
	}
	if len(s.wants) > 0 && s.tried != p.ended {
		p.start(l, s)
	}
}

// begin looks anew, from the page that is read on.
func (s *stream) begin(l *layout) {
	*s = stream{run: s.run, read: s.read, wasted: s.wasted, next: s.next, horizon: s.horizon, layout: l, tried: -1}
}

// rangeSize is the size of the ranges that are read ahead of a stream. One that is being used
// takes memory, too.
func (p *pages) rangeSize(s *stream) int64 {
	return min(maxRange, p.budget/int64(p.concurrency+2), max(firstAhead, growth*s.read/4))
}

// isScan reports whether a stream is one that goes far.
func (p *pages) isScan(s *stream) bool { return s != nil && s.horizon >= p.budget/4 }

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
	case n.above, c.at == was-1: // an interior page; the same one again
		return nil, false
	case n.stream == nil || c.at < was || c.at > was+1:
		n.stream = p.streamBefore(n, c.at)
	}
	n.stream.run++
	return n.stream, true
}

// streamBefore is the stream of the children of the interior page before, if it has come to
// their end, or a new one.
func (p *pages) streamBefore(n *interior, at int) *stream {
	if c, ok := p.tree.parents[n.pgno]; ok && at == 0 && c.at > 0 {
		before := p.tree.nodes[c.of.children[c.at-1]]
		if before != nil && before.stream != nil && before.next == len(before.children) {
			return before.stream
		}
	}
	return new(stream)
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

// look finds what is to be read ahead of a stream.
func (p *pages) look(l *layout, s *stream, pgno uint32, isChild bool) {
	from := cmp.Or(s.last, pgno)
	if s.waits && p.tree.nodes[from] == nil {
		return
	}
	r := &looking{p: p, l: l, s: s, left: s.horizon - s.ahead, seen: s.last, inOrder: true}
	s.waits, s.known = false, p.tree.added
	if isChild {
		r.most = siblings
		if p.isDense(l, pgno) {
			r.most = 1
		}
		p.tree.walk(from, r.visit)
		if r.inOrder = false; r.most == 1 && s.waits {
			r.neighbours(r.leaf.pgno+1, maxGap)
		}
	} else {
		r.neighbours(from, s.horizon)
	}
	s.ends = r.left > 0 && !s.waits
	s.tried = -1
	if from == pgno { // which is read already
		_, start, end, _ := l.find(pgno)
		s.ahead -= end - start
	}
}

// looking looks for what is to be read ahead.
type looking struct {
	p       *pages
	l       *layout
	s       *stream
	left    int64  // how many more bytes of frames
	seen    uint32 // this page is known
	inOrder bool   // the stream reads the pages in this order
	most    int    // how many unknown interior pages may come
	unknown int    // how many did
	leaf    want   // the last page that is not one of them
}

// visit takes in a page, and reports whether the next one is of interest.
func (r *looking) visit(pgno uint32, isUnknown bool) bool {
	w := want{pgno: pgno, isInterior: isUnknown}
	var ok bool
	if w.file, w.start, w.end, ok = r.l.find(pgno); !ok {
		return true // the lock page
	}
	if isUnknown {
		w.isInterior = !r.p.learn(r.l, pgno)
	} else {
		r.leaf = w
	}
	if pgno == r.seen {
		return true
	}
	r.left -= w.end - w.start
	if w.isInterior {
		r.unknown++
	}
	if r.inOrder && !r.s.waits {
		r.s.last, r.s.waits = pgno, w.isInterior
		if !isUnknown && r.p.tree.nodes[pgno] == nil { // interior pages are not the stream's
			r.s.ahead += w.end - w.start
		}
	}
	if r.p.isMissing(w) {
		r.s.wants = append(r.s.wants, w)
	}
	return r.left > 0 && (!w.isInterior || r.unknown < r.most)
}

// isMissing reports whether a frame is neither here nor on its way.
func (p *pages) isMissing(w want) bool {
	return !p.cache.has(w.pgno) && p.find(w.file, w.start, w.end) == nil && !p.isCovered(w)
}

// neighbours takes in the pages from one on, as long as they are in the file of the page
// before and the gaps between them are not larger.
func (r *looking) neighbours(from uint32, gap int64) {
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
