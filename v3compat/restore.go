package v3compat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// Database is where a restored database goes: an empty file that is open for
// writing. Nothing is read back. Nothing is synced either, and after an error
// what was written is good for nothing.
type Database interface {
	io.WriterAt
	Truncate(size int64) error
}

// RestoreOptions are how a restore is done. The zero value will do.
type RestoreOptions struct {
	// Concurrency is how many objects are fetched at a time; 0 means 8. Each
	// takes up to 2 MiB of memory.
	Concurrency int

	// Progress, if set, is told of every piece of the stored (compressed)
	// bytes that was read. The sum is Plan.Bytes in the end. It is not called
	// concurrently.
	Progress func(bytes int64)

	// OnState, if set, is called at each state that the restore passes, the
	// last one included; see [State]. The database is written up to there at
	// that moment. Its error ends the restore.
	//
	// A segment that ends inside a transaction makes no state, and neither does
	// one that is older than the snapshot, which has more than it.
	OnState func(State) error
}

// State is a state that a restore passes.
type State struct {
	Point

	// PageSize is in bytes, Size in pages. The database's file can be longer:
	// it is cut at the end of an index.
	PageSize int
	Size     uint32

	// Pages are the numbers of the pages that were written since the state
	// before, ascending, none greater than Size; nil at the first state, to
	// which all pages are new. What was written can be what was there.
	Pages []uint32
}

// RestoreResult says what a restore has done.
type RestoreResult struct {
	PageSize int    // in bytes; 0 for a database with nothing in it
	Pages    uint32 // the size of the database, in pages

	// Pos is the end of the last transaction: a byte of its log; or where the
	// snapshot stands, when nothing was applied to it.
	Pos  Pos
	Time time.Time // that of the plan

	Transactions int   // how many were applied
	Frames       int64 // how many pages they wrote

	// Dropped is how many frames of a transaction came last that has no end.
	// SQLite ignores them as well.
	Dropped int64
}

// Restore brings a database back. What comes out is, byte for byte, what
// Litestream v0.3.13 and v0.5.18 restore: the database file after a checkpoint
// of each log, still marked as one with a write-ahead log (bytes 18 and 19).
//
// Everything is verified on the way: each object is one whole LZ4 frame whose
// checksums match; segments follow each other without a hole or an overlap; each
// log begins with a header and every frame in it belongs to it, with its salts
// and its cumulative checksum, whose page size is the database's. Only committed
// transactions are applied. Whatever does not fit is an error that names the
// object; so is an object that is gone (fs.ErrNotExist) or was replaced since
// the plan was made.
//
// Memory is bounded, below 100 MiB, whatever the size of the database.
func (r *Reader) Restore(ctx context.Context, plan *Plan, db Database, opts RestoreOptions) (*RestoreResult, error) {
	err := plan.check()
	if err == nil && db == nil {
		err = errors.New("no database given to write to")
	}
	if err != nil {
		return nil, fmt.Errorf("restore: %w", err)
	}
	a := &applier{plan: plan, db: db, states: states{report: opts.OnState}}
	err = r.restore(ctx, a, opts)
	var again *unfinishedError
	if errors.As(err, &again) {
		opts.Progress = nil
		a = &applier{plan: plan, db: db, states: states{report: opts.OnState, seen: a.states.seen}, stopAt: again.stopAt}
		if err = db.Truncate(0); err == nil {
			err = r.restore(ctx, a, opts)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("restore generation %q: %w", plan.Generation, err)
	}
	return &a.result, nil
}

// restore lets the objects run through the applier: they are fetched, some in
// advance, decompressed, a few pieces ahead, and applied in their order.
func (r *Reader) restore(parent context.Context, a *applier, opts RestoreOptions) error {
	ctx, cancel := context.WithCancel(parent)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	d := newDecoder()
	wg.Go(func() { d.run(ctx, r.objects(a.plan), opts) })
	for p := range d.pieces {
		if err := a.take(p); err != nil {
			return err
		}
		d.done(p)
	}
	if err := parent.Err(); err != nil {
		return err
	}
	return a.finish()
}

// take applies one piece.
func (a *applier) take(p piece) error {
	if err := a.write(p.object, p.data); err != nil {
		return err
	}
	if p.err == io.EOF { //nolint:errorlint // the object's end
		return a.endObject(p.object)
	}
	return p.err
}
