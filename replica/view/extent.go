package view

import (
	"container/list"
	"context"
	"io"
	"slices"
	"sort"
	"sync"
)

// oldExtent is after how many other extents of its pool one that is not used is old.
const oldExtent = 64

// readStep is how much of an extent is read before those who wait for it are told.
const readStep = 128 << 10

// extent is a range of a file that was read or is being read.
type extent struct {
	pool       *pool
	file       *stored
	start, end int64
	data       []byte
	cancel     context.CancelFunc
	then       func() // called when all was read; nil for nothing
	isKept     bool   // it was read when the file was opened

	// Under the fetcher's mutex:

	have    int64         // how much of data was read
	err     error         // why no more will be
	changed chan struct{} // closed when have or err changes
	waiters int
	used    int64         // how many bytes of data were asked for
	reached int64         // up to where in the file they were
	touched int64         // the pool's clock when it last was
	place   *list.Element // in the pool's list, nil when it is no longer in it
}

func (e *extent) isDone() bool { return e.err != nil || e.have == e.end-e.start }

// isUsed reports whether most of it was asked for, its end included: of what is read in
// order, nothing is asked for again.
func (e *extent) isUsed() bool { return 2*e.used >= e.end-e.start && e.reached == e.end }

// pool is memory for extents.
type pool struct {
	budget  int64            // bytes
	changed func(held int64) // told of how many are held; nil for nothing
	extents list.List        // of *extent, least recently used first
	held    int64            // bytes of all extents
	clock   int64            // how many extents there were
}

// hold notes that n more bytes are held.
func (p *pool) hold(n int64) {
	if p.held += n; p.changed != nil {
		p.changed(p.held)
	}
}

// fetcher reads ranges of files, and holds them until they are used or the memory is
// needed. No byte of a file is read twice at once.
type fetcher struct {
	ctx    context.Context //nolint:containedctx // of the view: it ends when the view is closed
	cancel context.CancelCauseFunc
	open   func(ctx context.Context, f *stored, offset, length int64) (io.ReadCloser, error)

	mu       sync.Mutex
	ahead    pool
	patches  pool  // see minPatch
	inFlight int   // extents that are not done
	ended    int64 // extents that are
	wg       sync.WaitGroup
}

// find returns the extent that has a range of a file; nil if there is none. The mutex is
// held.
func (f *fetcher) find(file *stored, start, end int64) *extent {
	i, ok := slices.BinarySearchFunc(file.extents, start, func(e *extent, start int64) int {
		switch {
		case e.end <= start:
			return -1
		case e.start > start:
			return 1
		}
		return 0
	})
	if !ok || file.extents[i].end < end {
		return nil
	}
	return file.extents[i]
}

// clip shortens a range that begins in no extent so that it overlaps none. The mutex is
// held.
func (f *fetcher) clip(file *stored, start, end int64) int64 {
	for _, e := range file.extents {
		if e.start >= start {
			return min(end, e.start)
		}
	}
	return end
}

// begin begins to read a range that overlaps no extent. The mutex is held.
func (f *fetcher) begin(in *pool, file *stored, start, end int64) *extent {
	ctx, cancel := context.WithCancel(f.ctx)
	e := &extent{pool: in, file: file, start: start, end: end, cancel: cancel, changed: make(chan struct{})}
	e.data = make([]byte, end-start)
	f.insert(e)
	f.inFlight++
	f.wg.Go(func() {
		defer cancel()
		f.finish(e, f.read(ctx, e))
	})
	return e
}

// insert adds an extent, and drops others that no one waits for as far as the memory is
// needed. The mutex is held.
func (f *fetcher) insert(e *extent) {
	f.makeRoom(e.pool, e.end-e.start, true)
	e.pool.clock++
	e.touched = e.pool.clock
	i := sort.Search(len(e.file.extents), func(i int) bool { return e.file.extents[i].start > e.start })
	e.file.extents = slices.Insert(e.file.extents, i, e)
	e.place = e.pool.extents.PushBack(e)
	e.pool.hold(e.end - e.start)
}

// makeRoom drops extents of a pool until n more bytes are within its budget, and reports
// whether they are. Those that were read ahead and not used yet are dropped only if all may
// be, or if they are old. The mutex is held.
func (f *fetcher) makeRoom(in *pool, n int64, all bool) bool {
	for _, unused := range []bool{false, true} {
		for at := in.extents.Front(); at != nil && in.held+n > in.budget; {
			e := at.Value.(*extent)
			at = at.Next()
			isUsed := e.isUsed() || in.clock-e.touched > oldExtent
			if e.waiters == 0 && e.isDone() && (isUsed || unused && all) {
				f.drop(e)
			}
		}
	}
	return in.held+n <= in.budget
}

// drop forgets an extent. The mutex is held.
func (f *fetcher) drop(e *extent) {
	if e.place == nil {
		return
	}
	e.pool.extents.Remove(e.place)
	e.place = nil
	e.pool.hold(e.start - e.end)
	e.file.extents = slices.DeleteFunc(e.file.extents, func(other *extent) bool { return other == e })
}

// keep adds a range that was read by other means, if there is room for it.
func (f *fetcher) keep(file *stored, start int64, data []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	end := start + int64(len(data))
	if f.ahead.held+int64(len(data)) > f.ahead.budget/2 || f.clip(file, start, end) < end {
		return
	}
	f.insert(&extent{pool: &f.ahead, file: file, start: start, end: end, data: data, have: end - start, isKept: true})
}

// unkeep drops what was kept of a file, so that a large range can go on over it. The mutex is held.
func (f *fetcher) unkeep(file *stored) {
	for _, e := range slices.Clone(file.extents) {
		if e.isKept && e.waiters == 0 {
			f.drop(e)
		}
	}
}

func (f *fetcher) read(ctx context.Context, e *extent) error {
	rc, err := f.open(ctx, e.file, e.start, e.end-e.start)
	if err != nil {
		return err
	}
	defer rc.Close()
	for n := 0; n < len(e.data); {
		step := e.data[n:min(len(e.data), n+readStep)]
		if err := readAll(rc, e.start+int64(n), step); err != nil {
			return err
		}
		n += len(step)
		f.mu.Lock()
		e.have = int64(n)
		f.tell(e)
		f.mu.Unlock()
	}
	return nil
}

// tell wakes those who wait for the extent. The mutex is held.
func (f *fetcher) tell(e *extent) {
	close(e.changed)
	e.changed = make(chan struct{})
}

func (f *fetcher) finish(e *extent, err error) {
	f.mu.Lock()
	f.inFlight--
	f.ended++
	if err != nil {
		e.err = err
		f.drop(e)
		f.tell(e)
	}
	f.mu.Unlock()
	if err == nil && e.then != nil {
		e.then()
	}
}

// join counts the caller among those who wait for a range of the extent. The mutex is held.
func (f *fetcher) join(e *extent, start, end int64) {
	e.waiters++
	e.used += end - start
	e.reached = max(e.reached, end)
	e.touched = e.pool.clock
	if e.place != nil {
		e.pool.extents.MoveToBack(e.place)
	}
}

// wait returns a range of an extent that the caller has joined, when it was read.
func (f *fetcher) wait(ctx context.Context, e *extent, start, end int64) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	defer func() { e.waiters-- }()
	for {
		switch {
		case e.have >= end-e.start:
			return e.data[start-e.start : end-e.start : end-e.start], nil
		case f.ctx.Err() != nil:
			return nil, context.Cause(f.ctx)
		case e.err != nil:
			return nil, e.err
		case ctx.Err() != nil:
			f.abandon(e)
			return nil, context.Cause(ctx)
		}
		changed := e.changed
		f.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		case <-f.ctx.Done():
		}
		f.mu.Lock()
	}
}

// abandon ends the requests that no one waits for, besides the one who gives up waiting
// for e. The mutex is held.
func (f *fetcher) abandon(gaveUp *extent) {
	for _, in := range []*pool{&f.ahead, &f.patches} {
		for at := in.extents.Front(); at != nil; {
			e := at.Value.(*extent)
			at = at.Next()
			if others := e.waiters; !e.isDone() && (others == 0 || e == gaveUp && others == 1) {
				e.cancel()
				f.drop(e)
			}
		}
	}
}

func (f *fetcher) close() {
	f.cancel(ErrClosed)
	f.wg.Wait()
}
