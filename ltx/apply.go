package ltx

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/replctl/replicate/internal/readahead"
)

// Database is where pages go: an empty file opened for writing. WriteAt is
// called from several goroutines, with ranges that do not overlap.
type Database interface {
	io.WriterAt
	Truncate(size int64) error
}

// ApplyOptions are choices about speed; the zero value is a good one.
type ApplyOptions struct {
	// Concurrency is how many goroutines decompress; 0 stands for GOMAXPROCS.
	// More than 16 are not used: memory is for each of them.
	Concurrency int

	// Progress, unless nil, is told of each piece of stored bytes as it is
	// taken, never concurrently. The pieces add up to the sizes of the files.
	Progress func(bytes int64)

	// Doubt, unless nil, is told at the end of each file that does not go on where the
	// one before it ends. See [CheckFollows].
	Doubt func(*FileError)
}

// tell passes on what there is to say of the files of a database that was made.
func (o ApplyOptions) tell(newestFirst []fileEnds) {
	for _, doubt := range doubts(newestFirst) {
		if o.Doubt != nil {
			o.Doubt(doubt)
		}
	}
}

const maxConcurrency = 16

func (o ApplyOptions) concurrency() int {
	return min(cmp.Or(max(o.Concurrency, 0), runtime.GOMAXPROCS(0)), maxConcurrency)
}

// ApplyResult is the database that was made.
type ApplyResult struct {
	TXID         TXID
	Time         time.Time // of that transaction, see [Time]
	PageSize     uint32    // bytes
	Commit       uint32    // pages
	Checksum     Checksum  // of the database; 0 if the last file does not track it
	BytesRead    int64     // stored bytes
	BytesWritten int64     // of pages; the lock page is not written
}

// Apply makes the database that files give: db, which must be empty, gets the
// pages as they were recorded, and at last its size. The lock page is left as a
// hole.
//
// Files are in the order of application, as in [Path]: the first begins at
// transaction 1, each begins at the latest after the end of the one before it,
// and ends after that. Their sizes must be known.
//
// Files are read from the newest to the oldest, and the first version of a page
// that comes up is the one: each page is written once. But a page beyond the end
// of the database after some file does not survive that file. If the database
// grew again later, a newer file must have it.
//
// Everything is verified that can be: each file as by [Decoder] and against its
// FileInfo; that all have the same page size; that a file which tracks the
// database's checksum begins with the one that the file before it ended with,
// where they meet; that every page is there; and, if the last file tracks it,
// the checksum of the result. An error about a file names it. With an error, db
// is of no use.
//
// Memory is bounded whatever the size of the database: some 40 MiB at most for
// what is read ahead, 2 MiB for each goroutine, and a bit for each page. All
// goroutines have ended when Apply returns.
func Apply(ctx context.Context, files []*FileInfo, open OpenFunc, db Database, opts ApplyOptions) (ApplyResult, error) {
	if err := checkFiles(files, open, db != nil); err != nil {
		return ApplyResult{}, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	a := &applier{db: db, batches: make(chan *batch), fail: cancel, sum: ChecksumFlag}
	var workers sync.WaitGroup
	for range opts.concurrency() {
		workers.Go(func() { a.work(ctx) })
	}
	ahead := fetch(ctx, newestFirst(files), open, opts)
	defer ahead.Stop()
	err := a.readFiles(ctx, ahead, files)
	if err != nil {
		cancel(err)
	}
	close(a.batches)
	workers.Wait()
	if err := context.Cause(ctx); err != nil {
		return ApplyResult{}, err
	}
	if err := a.check(); err != nil {
		return ApplyResult{}, err
	}
	opts.tell(a.ends())
	return a.result(ahead.Bytes())
}

func newestFirst(files []*FileInfo) []*FileInfo {
	files = slices.Clone(files)
	slices.Reverse(files)
	return files
}

// checkFiles checks what can be without opening any file.
func checkFiles(files []*FileInfo, open OpenFunc, to bool) error {
	switch {
	case len(files) == 0:
		return errNoFile
	case open == nil:
		return errNoOpen
	case !to:
		return errors.New("no database given to write to")
	}
	return checkOrder(files)
}

// checkOrder checks that files make up a database, by their names.
func checkOrder(files []*FileInfo) error {
	if len(files) == 0 || slices.Contains(files, nil) {
		return errNoFile
	}
	var last TXID
	for _, f := range files {
		if err := CheckRange(f.MinTXID, f.MaxTXID); err != nil {
			return err
		}
		switch {
		case f.MinTXID > last+1:
			return fmt.Errorf("%s: it cannot be applied to the database after transaction %s", IDOf(f), last)
		case f.MaxTXID <= last:
			return fmt.Errorf("%s: the file before it ends at transaction %s already", IDOf(f), last)
		case f.Size < MinFileSize:
			return &FileError{f, fmt.Errorf("%w: %d bytes, and the smallest file has %d", ErrTruncated, f.Size, MinFileSize)}
		}
		last = f.MaxTXID
	}
	return nil
}

// An applier is one call of Apply.
type applier struct {
	db      Database
	batches chan *batch
	fail    context.CancelCauseFunc

	files []*appliedFile // newest first
	pages pageSet        // that have their final version

	mu      sync.Mutex
	sum     Checksum // of the pages written
	written int64    // bytes
}

// newest is the header that says what the database is.
func (a *applier) newest() Header { return a.files[0].header }

// readFiles cuts the files into batches of pages, newest file first.
func (a *applier) readFiles(ctx context.Context, ahead *readahead.Reader, files []*FileInfo) error {
	var size int64
	for _, f := range files {
		size += f.Size
	}
	for _, f := range newestFirst(files) {
		s := splitter{applier: a, ctx: ctx, ahead: ahead, file: &appliedFile{fileEnds: fileEnds{info: f}}}
		if err := s.readFile(size); err != nil {
			return nameFile(ctx, f, err)
		}
	}
	return nil
}

// nameFile says which file an error is about, unless it is that of the context.
func nameFile(ctx context.Context, f *FileInfo, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return &FileError{f, err}
}

// check is for after all batches are done.
func (a *applier) check() error {
	for _, f := range a.files {
		if err := f.check(); err != nil {
			return &FileError{f.info, err}
		}
	}
	if err := a.pages.checkComplete(a.newest()); err != nil {
		return err
	}
	return checkEnds(a.ends(), a.sum)
}

func (a *applier) ends() (newestFirst []fileEnds) {
	for _, f := range a.files {
		newestFirst = append(newestFirst, f.fileEnds)
	}
	return newestFirst
}

func (a *applier) result(read int64) (ApplyResult, error) {
	h := a.newest()
	if err := a.db.Truncate(int64(h.Commit) * int64(h.PageSize)); err != nil {
		return ApplyResult{}, fmt.Errorf("set size of database: %w", err)
	}
	return a.files[0].result(read, a.written), nil
}
