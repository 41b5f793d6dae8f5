package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"math"
)

// Image is a consistent view of a database, as of the moment it was opened. It
// must be closed. One goroutine may use it at a time.
type Image struct {
	ctx      context.Context
	file     string
	conn     *connection
	pageSize uint32
	pages    uint32

	scan *sql.Rows // all pages in order, nil before the first
	next uint32    // the page that scan stands before

	unlocked *state // what the files were, if they are read without locks
}

// begin begins a read transaction. The first statement that reads, not BEGIN,
// fixes its moment: the count of pages.
func begin(ctx context.Context, file, access string, pragmas ...string) (*Image, error) {
	pragmas = append([]string{busyTimeout}, pragmas...)
	conn, err := connect(ctx, file, access, append(pragmas, "query_only(1)")...)
	if err != nil {
		return nil, err
	}
	im := &Image{ctx: ctx, file: file, conn: conn}
	if err := im.begin(); err != nil {
		conn.Close()
		return nil, err
	}
	return im, nil
}

func (im *Image) begin() error {
	if _, err := im.conn.ExecContext(im.ctx, "BEGIN"); err != nil {
		return err
	}
	var pages int64
	if err := im.conn.QueryRowContext(im.ctx, "PRAGMA page_count").Scan(&pages); err != nil {
		return err
	}
	if err := im.conn.QueryRowContext(im.ctx, "PRAGMA page_size").Scan(&im.pageSize); err != nil {
		return err
	}
	if pages == 0 {
		return ErrEmpty
	}
	if pages < 0 || pages > math.MaxUint32 {
		return fmt.Errorf("a count of %d pages", pages)
	}
	im.pages = uint32(pages)
	return nil
}

// PageSize is the size of every page in bytes, a power of two from 512 to 65536.
func (im *Image) PageSize() uint32 { return im.pageSize }

// Pages is the count of pages, at least 1: the size of the database as of the last
// transaction in the image. The database file may hold more or fewer.
func (im *Image) Pages() uint32 { return im.pages }

// ReadPage reads the page with number pgno, 1 to [Image.Pages], into buf, which
// must have exactly the size of a page. The lock page, the one at byte 1<<30 of a
// database, in which SQLite stores nothing, reads as zeros.
//
// Reading all pages in order is fast, with or without the lock page, and may be
// repeated; any other order costs a query for each page. Of a database that is
// read without locks, reading the last page is [ErrChanged] if it was changed.
func (im *Image) ReadPage(pgno uint32, buf []byte) error {
	err := im.readPage(pgno, buf)
	if err == nil && pgno == im.pages {
		err = im.unchanged()
	}
	if err != nil {
		return fmt.Errorf("read page %d of %s: %w", pgno, im.file, explain(err))
	}
	return nil
}

func (im *Image) readPage(pgno uint32, buf []byte) error {
	if pgno == 0 || pgno > im.pages {
		return fmt.Errorf("the database has the pages 1 to %d", im.pages)
	}
	if len(buf) != int(im.pageSize) {
		return fmt.Errorf("a buffer of %d bytes for a page of %d", len(buf), im.pageSize)
	}
	if pgno == 1 {
		if err := im.rewind(); err != nil {
			return err
		}
	}
	if im.scan == nil || pgno < im.next || pgno > im.next+1 {
		return im.lookUp(pgno, buf)
	}
	return im.advance(pgno, buf)
}

// rewind puts the scan before the first page.
func (im *Image) rewind() error {
	if im.scan != nil {
		im.scan.Close()
	}
	scan, err := im.conn.QueryContext(im.ctx, "SELECT data FROM sqlite_dbpage('main')")
	if err != nil {
		im.scan = nil
		return err
	}
	im.scan, im.next = scan, 1
	return scan.Err()
}

// advance moves the scan past page pgno, which it stands before or one page before.
func (im *Image) advance(pgno uint32, buf []byte) error {
	for ; im.next <= pgno; im.next++ {
		if im.scan.Next() {
			continue
		}
		if err := im.scan.Err(); err != nil {
			return err
		}
		return fmt.Errorf("SQLite's list of pages ends at page %d of %d", im.next-1, im.pages)
	}
	var data sql.RawBytes
	if err := im.scan.Scan(&data); err != nil {
		return err
	}
	return fill(buf, data)
}

// lookUp reads a page on its own.
func (im *Image) lookUp(pgno uint32, buf []byte) error {
	var data []byte
	row := im.conn.QueryRowContext(im.ctx, "SELECT data FROM sqlite_dbpage('main') WHERE pgno = ?", pgno)
	if err := row.Scan(&data); err != nil {
		return err
	}
	return fill(buf, data)
}

func fill(buf, data []byte) error {
	if len(data) != len(buf) {
		return fmt.Errorf("SQLite gave a page of %d bytes, not %d", len(data), len(buf))
	}
	copy(buf, data)
	return nil
}

// unchanged says whether the files are those that the image began with, if they
// are read without locks.
func (im *Image) unchanged() error {
	if im.unlocked == nil {
		return nil
	}
	now, err := stateOf(im.file)
	if err != nil {
		return err
	}
	if now != *im.unlocked {
		return ErrChanged
	}
	return nil
}

// Close ends the read transaction.
func (im *Image) Close() error {
	if im.conn == nil {
		return nil // it was never open
	}
	if im.scan != nil {
		im.scan.Close()
	}
	if err := im.conn.Close(); err != nil {
		return fmt.Errorf("close database %s: %w", im.file, err)
	}
	return nil
}
