package migrate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/replctl/replicate/internal/flow"
	"github.com/replctl/replicate/internal/scratch"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/v3compat"
)

// Small files are made in memory, and some of them are on their way at a time.
const (
	migrateWrites     = 8
	migrateSmallBytes = 2 << 20 // of pages
)

// writer restores the backup state by state, and writes the files.
type writer struct {
	*migrator
	files *errgroup.Group // what is on its way
	ctx   context.Context //nolint:containedctx // that of files

	db, before *scratch.File // the database; with the last state of the chain before
	size       uint32        // of the database, in pages
	sizeBefore uint32        // of that before
	pageSize   int

	txid    ltx.TXID // of the state that db has
	changed pageBits // since the last file of level 2

	mu sync.Mutex // for result
}

func (m *migrator) write(ctx context.Context) (err error) {
	w := &writer{migrator: m}
	w.files, w.ctx = errgroup.WithContext(ctx)
	w.files.SetLimit(migrateWrites)
	defer func() {
		if waited := w.files.Wait(); waited != nil && (err == nil || ctx.Err() == nil && errors.Is(err, context.Canceled)) {
			err = waited // what ended the rest
		}
		w.dropBefore()
		w.before = w.db
		w.dropBefore()
	}()
	progress := replica.SumProgress(m.step("reading"), m.src.bytes)
	for _, p := range m.src.plans {
		if err := w.restore(p, progress); err != nil {
			return err
		}
	}
	return w.finish(ctx)
}

// restore restores a chain to a new file.
func (w *writer) restore(p *v3compat.Plan, progress func(int64)) error {
	if err := w.newFile(); err != nil {
		return err
	}
	opts := v3compat.RestoreOptions{Progress: progress}
	if w.opts.History {
		opts.OnState = w.state
	}
	result, err := w.src.reader.Restore(w.ctx, p, w.db, opts)
	if err != nil {
		return err
	}
	if !w.opts.History {
		w.txid, w.pageSize, w.size = 1, result.PageSize, result.Pages
	}
	return nil
}

// newFile makes room for the next chain, and keeps the database as it was.
func (w *writer) newFile() error {
	f, err := scratch.New(w.opts.TempDir)
	if err != nil {
		return err
	}
	w.dropBefore()
	w.before, w.sizeBefore = w.db, w.size
	w.db, w.size = f, 0
	return nil
}

func (w *writer) dropBefore() {
	if w.before != nil {
		w.before.Drop()
		w.before = nil
	}
}

// state writes the files that end with a state.
func (w *writer) state(s v3compat.State) error {
	if s.Size == 0 {
		return nil
	}
	if int(w.txid) == len(w.states) || w.states[w.txid].pos != s.Pos {
		return fmt.Errorf("%v: %w", s.Pos, errChanged)
	}
	now := w.states[w.txid]
	w.txid++
	w.pageSize, w.size = s.PageSize, s.Size
	if w.txid > 1 {
		pages := s.Pages
		if now.first {
			var err error
			if pages, err = w.difference(); err != nil {
				return err
			}
			w.dropBefore()
		}
		if err := w.delta(pages); err != nil {
			return err
		}
	}
	if now.snapshot {
		return w.put(named(ltx.SnapshotLevel, 1, w.txid), nil)
	}
	return nil
}

// delta writes the pages that a transaction has changed to level 1, and with the
// last of a group all of the group's to level 2.
func (w *writer) delta(pages []uint32) error {
	if len(pages) == 0 {
		pages = []uint32{1} // a file has at least one
	}
	for _, pgno := range pages {
		w.changed.add(pgno)
	}
	if err := w.put(named(1, w.txid, w.txid), pages); err != nil {
		return err
	}
	from, to := w.group(w.txid)
	if w.txid != to {
		return nil
	}
	group := w.changed.upTo(w.size)
	clear(w.changed)
	return w.put(named(2, from, to), group)
}

// difference is the pages that are not as they were in the chain before.
func (w *writer) difference() (pages []uint32, err error) {
	now, then := make([]byte, w.pageSize), make([]byte, w.pageSize)
	for pgno := uint32(1); pgno <= w.size; pgno++ {
		if pgno <= w.sizeBefore {
			if err := errors.Join(readPage(w.db, pgno, now), readPage(w.before, pgno, then)); err != nil {
				return nil, err
			}
			if bytes.Equal(now, then) {
				continue
			}
		}
		pages = append(pages, pgno)
	}
	return pages, w.ctx.Err()
}

// finish writes what a replicator goes on from, level 0 at the very end.
func (w *writer) finish(ctx context.Context) error {
	if w.size == 0 {
		return errEmptyDatabase
	}
	if int(w.txid) != len(w.states) {
		return errChanged
	}
	w.txid++
	if err := w.put(named(ltx.SnapshotLevel, 1, w.txid), nil); err != nil {
		return err
	}
	if err := w.delta(nil); err != nil {
		return err
	}
	for level := ltx.SnapshotLevel - 1; level > 2; level-- {
		if err := w.put(named(level, w.txid, w.txid), []uint32{1}); err != nil {
			return err
		}
	}
	if err := w.files.Wait(); err != nil {
		return err
	}
	w.ctx = ctx // that of files has ended
	if err := w.put(named(0, w.txid, w.txid), []uint32{1}); err != nil {
		return err
	}
	return w.files.Wait()
}

// put writes a file of the database as it is, with some pages or, if pages is nil,
// with all of them. It returns when the database has been read.
func (w *writer) put(name ltx.FileID, pages []uint32) error {
	opts := ltx.SnapshotOptions{
		MinTXID: name.MinTXID, TXID: name.MaxTXID, Time: w.at(name.MaxTXID),
		PageSize: uint32(w.pageSize), Commit: w.size, NodeID: w.src.id,
	}
	if f := w.there[name]; f != nil {
		return w.keep(f, opts)
	}
	read := func(pgno uint32, buf []byte) error { return readPage(w.db, pgno, buf) }
	store := func(r io.Reader) error { return w.store(name, r) }
	if pages == nil {
		return flow.Pipe(func(dst io.Writer) error {
			_, err := ltx.WriteSnapshot(dst, opts, w.measured(read))
			return err
		}, store)
	}
	if len(pages)*w.pageSize > migrateSmallBytes {
		return flow.Pipe(func(dst io.Writer) error {
			_, err := ltx.WriteDelta(dst, opts, pages, read)
			return err
		}, store)
	}
	var b bytes.Buffer
	if _, err := ltx.WriteDelta(&b, opts, pages, read); err != nil {
		return err
	}
	w.files.Go(func() error { return store(bytes.NewReader(b.Bytes())) })
	return nil
}

// keep finds that a file is what would be written.
func (w *writer) keep(f *ltx.FileInfo, opts ltx.SnapshotOptions) error {
	want, err := opts.Header()
	if err != nil {
		return err
	}
	got, err := w.header(w.ctx, f)
	if err != nil {
		return err
	}
	if got != want {
		return w.other(f, "whose header is not that of the file that the migration makes")
	}
	w.result.Kept++
	return nil
}

// measured tells the progress of a snapshot.
func (w *writer) measured(read func(uint32, []byte) error) func(uint32, []byte) error {
	step := w.step("writing")
	if step == nil {
		return read
	}
	return func(pgno uint32, buf []byte) error {
		step(int64(pgno)*int64(w.pageSize), int64(w.size)*int64(w.pageSize))
		return read(pgno, buf)
	}
}

func (w *writer) store(name ltx.FileID, r io.Reader) error {
	info, err := w.dst.WriteLTXFile(w.ctx, name.Level, name.MinTXID, name.MaxTXID, r)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.result.Files++
	w.result.Bytes += info.Size
	return nil
}

// readPage reads a page of a file, whose end may be missing, as in a sparse one.
func readPage(f io.ReaderAt, pgno uint32, buf []byte) error {
	n, err := f.ReadAt(buf, int64(pgno-1)*int64(len(buf)))
	if errors.Is(err, io.EOF) {
		clear(buf[n:])
		err = nil
	}
	return err
}

// pageBits is a set of page numbers, a bit for each.
type pageBits []uint64

func (b *pageBits) add(pgno uint32) {
	word := int(pgno / 64)
	if word >= len(*b) {
		*b = append(*b, make([]uint64, word+1-len(*b))...)
	}
	(*b)[word] |= 1 << (pgno % 64)
}

// upTo are the numbers that are not beyond one, ascending.
func (b pageBits) upTo(last uint32) (pgnos []uint32) {
	for i, word := range b {
		for ; word != 0; word &= word - 1 {
			if pgno := uint32(i*64 + bits.TrailingZeros64(word)); pgno <= last {
				pgnos = append(pgnos, pgno)
			}
		}
	}
	return pgnos
}
