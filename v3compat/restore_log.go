package v3compat

import (
	"github.com/replctl/replicate/internal/sqlitewal"
)

// walLogState is where the applier is in the log of an index.
type walLogState struct {
	begun  bool
	before uint32 // the database's size when the log began, in pages
	exact  bool   // before is what the log before this one has left
	offset int64  // how much of the log there was so far
	header sqlitewal.Header
	chain  *sqlitewal.Chain // nil before the header
	carry  []byte           // the beginning of a header or frame that goes on in the next piece

	start    int64  // of the segment that is being read
	commit   uint32 // the database's size after the last transaction; 0: there was none
	end      int64  // where that transaction ends
	frames   int64  // of the transaction under way
	head     []byte // page 1's header, if the transaction under way has it
	ignoring bool   // the transaction under way is not to be applied
}

// beginSegment checks that a segment is where the log goes on.
func (a *applier) beginSegment(n int) error {
	seg := a.plan.Segments[n]
	first := n == 0 || a.plan.Segments[n-1].Index != seg.Index
	switch {
	case first && n > 0:
		if err := a.endLog(false); err != nil {
			return err
		}
		fallthrough
	case first:
		a.log = walLogState{begun: true, before: a.result.Pages, exact: a.log.exact || a.log.commit != 0}
	}
	switch end := a.log.offset; {
	case seg.Offset > end && first:
		return damaged(WALSegmentKey(seg.Generation, seg.Index, 0), "missing: the log of index %08x begins with %s",
			seg.Index, seg.name())
	case seg.Offset > end:
		return damaged(WALSegmentKey(seg.Generation, seg.Index, end),
			"missing: bytes %08x to %08x of index %08x, between %s and %s",
			end, seg.Offset-1, seg.Index, a.plan.Segments[n-1].name(), seg.name())
	case seg.Offset < end:
		return damaged(seg.key(), "starts at byte %08x of index %08x, but %s goes on to byte %08x: "+
			"two replicators may have written here",
			seg.Offset, seg.Index, a.plan.Segments[n-1].name(), end-1)
	}
	a.log.start = seg.Offset
	return a.stateBefore(n)
}

// writeLog takes in the next bytes of the segment: what is left of the frame
// before, whole frames, and the beginning of the next.
func (a *applier) writeLog(data []byte) error {
	for len(data) > 0 {
		var item []byte
		if item, data = a.log.cut(data); item == nil {
			return nil
		}
		if err := a.item(item); err != nil {
			return err
		}
		a.log.offset += int64(len(item))
	}
	return nil
}

// cut returns the header or frame that data completes, and what is left of the
// data. What is not complete is carried over.
func (l *walLogState) cut(data []byte) (item, rest []byte) {
	want := sqlitewal.HeaderSize
	if l.chain != nil {
		want = l.header.FrameSize()
	}
	if len(l.carry) == 0 && len(data) >= want {
		return data[:want], data[want:]
	}
	n := min(want-len(l.carry), len(data))
	l.carry = append(l.carry, data[:n]...)
	if len(l.carry) < want {
		return nil, nil
	}
	item, l.carry = l.carry, l.carry[:0]
	return item, data[n:]
}

// item takes in the log's header, or a frame.
func (a *applier) item(b []byte) error {
	if a.log.chain == nil {
		return a.logHeader(b)
	}
	f, err := a.log.chain.Next(b)
	if err != nil {
		return damaged(a.segment().key(), "byte %08x of index %08x: %v: the log ends here for SQLite, "+
			"and nothing after it would be restored",
			a.log.offset, a.segment().Index, err)
	}
	return a.frame(f)
}

func (a *applier) segment() WALSegmentInfo { return a.plan.Segments[a.begun-1] }

func (a *applier) logHeader(b []byte) error {
	h, err := sqlitewal.ParseHeader(b)
	if err != nil {
		return damaged(a.segment().key(), "%v", err)
	}
	if a.pages == nil {
		a.begin(int64(h.PageSize))
	}
	if int64(h.PageSize) != a.pages.PageSize {
		return damaged(a.segment().key(), "a log of %d-byte pages, for a database of %d-byte pages", h.PageSize,
			a.pages.PageSize)
	}
	a.log.header, a.log.chain = h, sqlitewal.NewChain(h)
	return nil
}

// frame takes in a page, and with the last of a transaction all of it.
func (a *applier) frame(f sqlitewal.Frame) error {
	l := &a.log
	l.frames++
	end := l.offset + int64(l.header.FrameSize())
	if seg := a.segment(); seg.Index == a.stopAt.Index && l.offset >= a.stopAt.Offset && !a.stopAt.IsZero() {
		l.ignoring = true
		return nil
	}
	if f.Pgno == 1 {
		l.head = append(l.head[:0], f.Data[:dbHeaderSize]...)
	}
	if err := a.pages.Put(f); err != nil || f.Commit == 0 {
		return err
	}
	if err := a.checkSize(f.Commit, end); err != nil {
		return err
	}
	if err := a.checkGrowth(f.Commit); err != nil {
		return err
	}
	a.pages.Commit()
	copy(a.head[:], l.head)
	l.head = l.head[:0]
	l.commit, l.end = f.Commit, end
	a.result.Transactions++
	a.result.Frames += l.frames
	a.result.Pages, a.result.Pos = f.Commit, Pos{a.plan.Generation, a.segment().Index, end}
	a.states.low = min(a.states.low, f.Commit)
	l.frames = 0
	return nil
}

// checkSize refuses a transaction that makes the database far larger than its pages
// can: a few bytes could otherwise ask for terabytes. SQLite's checkpoint calls such
// a log corrupt as well, with an allowance of 64 KiB.
func (a *applier) checkSize(commit uint32, end int64) error {
	const allowance = 1 << 20
	l, pageSize := &a.log, a.pages.PageSize
	frames := (end - sqlitewal.HeaderSize) / int64(l.header.FrameSize())
	if most := int64(l.before) + frames + allowance/pageSize; int64(commit) > most {
		return damaged(a.segment().key(), "byte %08x of index %08x: a database of %d pages, and at most %d are possible",
			l.offset, a.segment().Index, commit, most)
	}
	return nil
}

// checkGrowth compares the database's size after the first transaction of a log with
// what the log before has left. SQLite writes the size into page 1, so that one without
// page 1 does not change it: if it does, the end of the log before is missing.
func (a *applier) checkGrowth(commit uint32) error {
	l := &a.log
	if !l.exact || l.commit != 0 || len(l.head) > 0 || commit == l.before {
		return nil
	}
	i := a.begun - 1
	for i > 0 && a.plan.Segments[i].Index == a.segment().Index {
		i--
	}
	last := a.plan.Segments[i]
	return damaged(last.key(), "the database has %d pages after it, and %d before index %08x: "+
		"a segment at the end of index %08x is missing",
		l.before, commit, a.segment().Index, last.Index)
}

// endSegment checks that a segment ends where a frame does.
func (a *applier) endSegment(n int) error {
	l, seg := &a.log, a.plan.Segments[n]
	switch {
	case len(l.carry) > 0 && l.chain == nil:
		_, err := sqlitewal.ParseHeader(l.carry)
		return damaged(seg.key(), "%v", err)
	case len(l.carry) > 0:
		return damaged(seg.key(), "its %d bytes are not whole WAL frames of %d-byte pages: a transaction is cut",
			l.offset-l.start+int64(len(l.carry)), l.header.PageSize)
	case l.offset == l.start:
		return damaged(seg.key(), "nothing in it")
	}
	a.segmentState(n)
	return nil
}

// endLog does what SQLite's checkpoint does when a log is applied: the database
// is as long as its last transaction has left it. A transaction without an end
// has no effect. Litestream copies whole transactions, so where another log
// follows, the rest of it must have been in a segment that is not there.
func (a *applier) endLog(last bool) error {
	l := &a.log
	if !l.begun {
		return nil
	}
	if l.frames > 0 {
		if !last {
			return damaged(a.segment().key(), "index %08x ends inside a transaction, and another index follows: "+
				"a segment is missing", a.segment().Index)
		}
		if a.pages.Spilled() {
			return &unfinishedError{Pos{a.plan.Generation, a.segment().Index, max(l.end, sqlitewal.HeaderSize)}}
		}
		a.pages.Rollback()
		a.result.Dropped = l.frames
	}
	if l.commit == 0 {
		return nil
	}
	return a.pages.Truncate(l.commit)
}

func (i WALSegmentInfo) key() string { return WALSegmentKey(i.Generation, i.Index, i.Offset) }

func (i WALSegmentInfo) name() string { return FormatWALSegmentName(i.Index, i.Offset) }
