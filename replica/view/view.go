package view

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/restore"
	"github.com/replctl/replicate/v3compat"
)

// Options bound what a view takes. The zero value is a good one.
type Options struct {
	// PageCache is how many bytes of pages are kept; 32 MiB if zero. While a scan goes on, up to
	// three quarters of them are lent to what is read ahead of files that have few of its pages.
	PageCache int64

	// ReadAhead is how many bytes of files are read ahead, and kept until they are used,
	// all together; 16 MiB if zero.
	ReadAhead int64

	// Concurrency is how many requests go on at a time; 8 if zero. [View.Fetch] makes eight
	// times as many: each is for a few pages.
	Concurrency int

	// MaxBytes, unless zero, is how many bytes may be read from the store, in all. A read
	// that would exceed it fails with ErrMaxBytes, and is not begun.
	MaxBytes int64

	// Cache, if set, keeps what is read of the replica's objects, and is asked first.
	// Replica is needed with it.
	Cache *Cache

	// Replica tells the replica apart from others in the cache: its URL.
	Replica string

	// TempDir is where the database of a v0.3 backup is kept, in a file without a name;
	// the system's directory if empty.
	TempDir string

	// Progress, if set, is told how many of the stored bytes of a v0.3 backup were read
	// while the view is opened. Calls do not overlap.
	Progress func(done, total int64)
}

// ErrMaxBytes: the view has read as much as [Options.MaxBytes] allows.
var ErrMaxBytes = errors.New("the limit of bytes to read is reached")

// ErrGone: compaction or retention has removed files that the view reads, and no other
// files lead to its moment.
var ErrGone = errors.New("the state is gone: its files were removed while the view was open")

// ErrClosed: the view was closed.
var ErrClosed = errors.New("the view is closed")

// State is what a view shows.
type State struct {
	Format string       // replica.FormatLTX or replica.FormatV3
	TXID   ltx.TXID     // of FormatLTX
	Pos    v3compat.Pos // of FormatV3
	Time   time.Time    // of the last transaction, or of the object that it is in
}

// Stats is what a view has cost so far.
type Stats struct {
	Requests  int64 // to the store: listings, reads, and questions about objects
	Bytes     int64 // read from objects
	Cached    int64 // bytes of objects that came from the cache directory
	CacheHits int64 // pages that were in memory when they were asked for
}

// source is where the pages of a view come from.
type source interface {
	// readAt reads len(p) bytes, all of them within the database.
	readAt(ctx context.Context, p []byte, off int64) error
	hits() int64
	close() error
}

// View is a database as of one moment: an immutable io.ReaderAt. It is safe for
// concurrent use, and must be closed. The zero View has no database; its methods return
// zero values and errors.
type View struct {
	plan     *restore.Plan
	store    *tap
	pages    source
	pageSize uint32
	size     int64
}

// Open opens the state that the target means. The errors about the target are those of
// [restore.NewPlan].
//
// Of an LTX replica it reads listings, the headers that the plan needs, and the page
// indexes of the plan's files, all of these at a time. A v0.3 backup has no indexes: its
// database is restored to a file without a name.
//
// The context is for Open. A view lives until it is closed.
func Open(ctx context.Context, src replica.Source, target restore.Target, opts Options) (*View, error) {
	v, err := open(ctx, src, target, opts.withDefaults())
	if err != nil {
		return nil, fmt.Errorf("open view: %w", err)
	}
	return v, nil
}

func (o Options) withDefaults() Options {
	o.PageCache = cmp.Or(max(o.PageCache, 0), 32<<20)
	o.ReadAhead = cmp.Or(max(o.ReadAhead, 0), 16<<20)
	o.Concurrency = cmp.Or(max(o.Concurrency, 0), 8)
	return o
}

func open(ctx context.Context, src replica.Source, target restore.Target, opts Options) (*View, error) {
	files, err := replica.Open(ctx, src)
	if err != nil {
		return nil, err
	}
	if opts.Cache != nil && opts.Replica == "" {
		return nil, errors.New("a cache needs the name of the replica")
	}
	store := &tap{Store: files.Store, maxBytes: opts.MaxBytes}
	store.cache, store.replica = opts.Cache, opts.Replica
	store.flat.Store(new(listing))
	v := &View{store: store}
	v.plan, err = restore.Follow(ctx, tapped{store, files.Layout}, target, restore.Options{},
		func(files *replica.Files, plan *restore.Plan) (err error) {
			store.flat.Store(new(listing)) // for the next plan, if this one cannot be followed
			if plan.Format == replica.FormatV3 {
				v.pages, v.pageSize, v.size, err = openImage(ctx, files, plan, opts)
				return err
			}
			v.pages, v.pageSize, v.size, err = openPages(ctx, files, plan, store.commit.Load(), opts)
			return err
		})
	store.flat.Store(nil)
	if err != nil {
		return nil, err
	}
	return v, nil
}

// Plan is the plan of the state that the view shows, with what there is to say about the
// target. It must not be changed.
func (v *View) Plan() *restore.Plan { return v.plan }

// State is the state that the view shows.
func (v *View) State() State {
	if v.plan == nil {
		return State{}
	}
	p := v.plan.State
	return State{Format: v.plan.Format, TXID: p.TXID, Pos: p.Pos, Time: p.Time}
}

// Size is that of the database in bytes: a multiple of the page size.
func (v *View) Size() int64 { return v.size }

// PageSize is that of the database in bytes; 0 for one without pages.
func (v *View) PageSize() uint32 { return v.pageSize }

// Stats is what the view has cost so far.
func (v *View) Stats() Stats {
	if v.store == nil {
		return Stats{}
	}
	s := Stats{Requests: v.store.requests.Load(), Bytes: v.store.bytes.Load(), Cached: v.store.cached.Load()}
	if v.pages != nil {
		s.CacheHits = v.pages.hits()
	}
	return s
}

// ReadAt implements io.ReaderAt.
func (v *View) ReadAt(p []byte, off int64) (int, error) {
	return v.ReadAtContext(context.Background(), p, off)
}

// ReadAtContext is ReadAt that ends when ctx does, with its cause: the requests under way
// that nobody else waits for are aborted.
//
// An error says of which object it is, as a restore does. One that is [replica.IsDamage]
// says that the object is damaged.
func (v *View) ReadAtContext(ctx context.Context, p []byte, off int64) (int, error) {
	switch {
	case v.pages == nil:
		return 0, ErrClosed
	case off < 0:
		return 0, fmt.Errorf("read view: negative offset %d", off)
	case off >= v.size:
		return 0, io.EOF
	}
	n := min(int64(len(p)), v.size-off)
	if err := v.pages.readAt(ctx, p[:n], off); err != nil {
		return 0, fmt.Errorf("read view: %w", err)
	}
	if n < int64(len(p)) {
		return int(n), io.EOF
	}
	return int(n), nil
}

// Close ends all requests under way, and frees what the view holds. Reads that are under
// way, and later ones, return [ErrClosed].
func (v *View) Close() error {
	if v.pages == nil {
		return nil
	}
	return v.pages.close()
}
