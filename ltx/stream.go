package ltx

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
)

// MaxStreamFiles is how many files [Stream] reads at once, at most: each takes
// some 100 KiB of memory and an open file or connection.
const MaxStreamFiles = 64

// ErrTooManyFiles: more files than can be read at once. [Apply] has no such
// limit, but needs a file to write to.
var ErrTooManyFiles = errors.New("too many LTX files to read at once")

// Stream writes the database that [Apply] would make to w, from its first byte
// to its last. It reads all files at once, each from its beginning, and so takes
// at most MaxStreamFiles; more are an error that is [ErrTooManyFiles], before
// anything is read or written. The lock page is written as zeros.
//
// Everything is verified that Apply verifies, but much of it only after the last
// page: what was written can not be taken back. The output is good only if the
// error is nil.
//
// Of the options, Concurrency is not used. Up to 8 files are being opened at once.
func Stream(ctx context.Context, files []*FileInfo, open OpenFunc, w io.Writer,
	opts ApplyOptions) (ApplyResult, error) {
	if len(files) > MaxStreamFiles {
		return ApplyResult{}, fmt.Errorf("%w: %d, and the limit is %d", ErrTooManyFiles, len(files), MaxStreamFiles)
	}
	if err := checkFiles(files, open, w != nil); err != nil {
		return ApplyResult{}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	m := &merger{ctx: ctx, w: bufio.NewWriterSize(w, writeSize), sum: ChecksumFlag}
	defer m.close()
	if err := m.openAll(newestFirst(files), open, opts); err != nil {
		return ApplyResult{}, err
	}
	if err := m.merge(); err != nil {
		return ApplyResult{}, err
	}
	return m.finish(opts)
}

// A merger writes the pages of several files in their order.
type merger struct {
	ctx     context.Context
	w       *bufio.Writer
	cursors []*cursor // newest first
	sum     Checksum  // of the pages written
	written int64     // bytes
}

// A cursor is a file and the page it is at.
type cursor struct {
	info  *FileInfo
	rc    io.ReadCloser
	dec   *Decoder
	limit uint32 // see pageSet
	pgno  uint32 // 0 after the last page
	page  []byte
}

func (m *merger) close() {
	for _, c := range m.cursors {
		if c.rc != nil {
			c.rc.Close()
		}
	}
}

// newest is the header that says what the database is.
func (m *merger) newest() Header { return m.cursors[0].dec.Header() }

func (m *merger) openAll(files []*FileInfo, open OpenFunc, opts ApplyOptions) error {
	errs := make([]error, len(files))
	slots := make(chan struct{}, maxStreams)
	var wg sync.WaitGroup
	for i, f := range files {
		c := &cursor{info: f}
		m.cursors = append(m.cursors, c)
		slots <- struct{}{}
		wg.Go(func() {
			if c.rc, errs[i] = open(m.ctx, f, 0, 0); errs[i] != nil {
				errs[i] = fmt.Errorf("open: %w", errs[i])
			}
			<-slots
		})
	}
	wg.Wait()
	for i, c := range m.cursors {
		err := errs[i]
		if err == nil {
			err = m.begin(c, opts.Progress)
		}
		if err != nil {
			return nameFile(m.ctx, c.info, err)
		}
	}
	return nil
}

// begin reads a file up to its first page.
func (m *merger) begin(c *cursor, progress func(int64)) (err error) {
	r := io.Reader(c.rc)
	if progress != nil {
		r = &progressReader{r, progress}
	}
	if c.dec, err = NewDecoder(r); err != nil {
		return err
	}
	return checkSameDatabase(c.info, c.dec.Header(), m.newest())
}

// advance goes on to the next page of the file.
func (c *cursor) advance() error {
	pgno, page, err := c.dec.Next()
	if isEnd(err) {
		c.pgno, c.page = 0, nil
		return checkListedSize(c.info, c.dec.Bytes())
	}
	c.pgno, c.page = pgno, page
	return err
}

func (m *merger) merge() error {
	h := m.newest()
	limit := h.Commit
	for _, c := range m.cursors {
		c.limit = limit
		limit = min(limit, c.dec.Header().Commit)
		if err := c.advance(); err != nil {
			return nameFile(m.ctx, c.info, err)
		}
	}
	for pgno := uint32(1); pgno <= h.Commit; pgno++ {
		if err := m.writePage(pgno, h); err != nil {
			return err
		}
	}
	for _, c := range m.cursors {
		for c.pgno != 0 {
			if err := c.advance(); err != nil {
				return nameFile(m.ctx, c.info, err)
			}
		}
	}
	return nil
}

// writePage writes the newest version of a page, and goes on to the next in all
// files that have it.
func (m *merger) writePage(pgno uint32, h Header) error {
	if pgno == h.LockPgno() {
		return m.write(make([]byte, h.PageSize))
	}
	found := false
	for _, c := range m.cursors {
		if c.pgno != pgno {
			continue
		}
		if !found && pgno > c.limit {
			break
		}
		if !found {
			if err := m.write(c.page); err != nil {
				return err
			}
			m.written += int64(h.PageSize)
			if !h.NoChecksum() {
				m.sum = ChecksumFlag | (m.sum ^ pageChecksum(pgno, c.page))
			}
		}
		found = true
		if err := c.advance(); err != nil {
			return nameFile(m.ctx, c.info, err)
		}
	}
	if !found {
		return missingPage(pgno, h)
	}
	return nil
}

func (m *merger) write(page []byte) error {
	if err := m.ctx.Err(); err != nil {
		return context.Cause(m.ctx)
	}
	if _, err := m.w.Write(page); err != nil {
		return fmt.Errorf("write database: %w", err)
	}
	return nil
}

// finish is for after all files were read.
func (m *merger) finish(opts ApplyOptions) (ApplyResult, error) {
	var ends []fileEnds
	var read int64
	for _, c := range m.cursors {
		ends = append(ends, fileEnds{c.info, c.dec.Header(), c.dec.Trailer()})
		read += c.dec.Bytes()
	}
	if err := checkEnds(ends, m.sum); err != nil {
		return ApplyResult{}, err
	}
	if err := m.w.Flush(); err != nil {
		return ApplyResult{}, fmt.Errorf("write database: %w", err)
	}
	opts.tell(ends)
	return ends[0].result(read, m.written), nil
}

// A progressReader tells of each piece that is read.
type progressReader struct {
	r        io.Reader
	progress func(int64)
}

func (p *progressReader) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	if n > 0 {
		p.progress(int64(n))
	}
	return n, err
}
