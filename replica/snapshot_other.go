package replica

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/ltx"
)

// ErrOtherDatabase: the replica belongs to another database than the one that was to
// be written into it.
var ErrOtherDatabase = errors.New("the replica is of another database")

// Limits of the comparison of a database with the replica's newest snapshot.
const (
	comparedPages = 24  // at most, spread over both
	fewPages      = 8   // if so many differ, all, and the tables too, it is another database
	dbHeaderSize  = 100 // bytes of page 1 before its content, with counters that change
)

// checkSameDatabase refuses an image that has nothing in common with the replica's newest
// snapshot: another page size; other tables, and not one of many compared pages the same; or
// not one page the same, and SQLite's counters of changes went back, which only grow in one
// database. SQLite gives a database no name. So another one with the same tables, or with
// few pages, passes if its counters are higher, since a busy database changes all its pages
// between two snapshots. One that was restored to an earlier state may be refused.
func checkSameDatabase(ctx context.Context, client replicate.ReplicaClient, im Image, files []*ltx.FileInfo) error {
	bases := slices.DeleteFunc(slices.Clone(files), func(f *ltx.FileInfo) bool { return f.MinTXID != 1 })
	slices.SortFunc(bases, func(a, b *ltx.FileInfo) int { return cmp.Compare(b.MaxTXID, a.MaxTXID) })
	for _, f := range bases {
		err := compareWith(ctx, client, im, f)
		if !IsDamage(err) { // a damaged one says nothing; the one before it may
			return err
		}
	}
	return nil
}

func compareWith(ctx context.Context, client replicate.ReplicaClient, im Image, f *ltx.FileInfo) error {
	open := func(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
		return client.OpenLTXFile(ctx, f.Level, f.MinTXID, f.MaxTXID, offset, length)
	}
	name := ltx.FormatName(f.MinTXID, f.MaxTXID)
	outline, err := ltx.ReadOutline(ctx, f.Size, open)
	if err != nil {
		return fmt.Errorf("compare with snapshot %s: %w", name, err)
	}
	if size := outline.Header.PageSize; size != im.PageSize() {
		return fmt.Errorf("%w: its pages have %d bytes, and those of the database %d", ErrOtherDatabase, size, im.PageSize())
	}
	c := imageComparison{im: im, outline: outline, open: open}
	if err := c.run(ctx); err != nil {
		return fmt.Errorf("compare with snapshot %s: %w", name, err)
	}
	return c.verdict(name)
}

// imageComparison counts pages of an image that are the same in a snapshot.
type imageComparison struct {
	im       Image
	outline  ltx.Outline
	open     ltx.OpenRangeFunc
	empty    bool // the snapshot, or the image, has no table
	tables   bool // page 1 is the same but for its header: the tables are the same
	back     bool // the counters in the header have not grown since the snapshot as they must
	compared int  // of the other pages
	same     int  // of these
}

func (c *imageComparison) run(ctx context.Context) error {
	pages := min(c.im.Pages(), c.outline.Header.Commit)
	step := max(1, pages/comparedPages)
	ours, theirs := make([]byte, c.im.PageSize()), make([]byte, c.im.PageSize())
	for pgno := uint32(1); pgno <= pages; pgno += step {
		if pgno == c.outline.Header.LockPgno() {
			continue
		}
		ok, err := c.outline.ReadPage(ctx, c.open, pgno, theirs)
		if err == nil {
			err = c.im.ReadPage(pgno, ours)
		}
		switch {
		case err != nil:
			return err
		case pgno == 1:
			c.tables = bytes.Equal(ours[dbHeaderSize:], theirs[dbHeaderSize:])
			c.empty = noCells(ours) || noCells(theirs)
			c.back = wentBack(ours, theirs, c.tables)
		case ok && !blank(ours) && !blank(theirs):
			c.compared++
			if bytes.Equal(ours, theirs) {
				c.same++
			}
		}
	}
	return nil
}

// wentBack compares the file change counter and the schema cookie of two headers
// (https://www.sqlite.org/fileformat.html, 1.3). In one database they only grow, the
// cookie with every change of the tables.
func wentBack(ours, theirs []byte, sameTables bool) bool {
	changes := cmp.Compare(binary.BigEndian.Uint32(ours[24:]), binary.BigEndian.Uint32(theirs[24:]))
	schema := cmp.Compare(binary.BigEndian.Uint32(ours[40:]), binary.BigEndian.Uint32(theirs[40:]))
	return changes < 0 || schema < 0 || schema == 0 && !sameTables
}

// noCells reports whether page 1 is a leaf of the schema with nothing in it.
func noCells(page1 []byte) bool {
	const leaf = 0x0d
	return page1[dbHeaderSize] == leaf && page1[dbHeaderSize+3] == 0 && page1[dbHeaderSize+4] == 0
}

// blank reports whether a page says nothing about its database: it is all zeros, or the
// leaf of an empty table or index.
func blank(page []byte) bool {
	return (page[0] == 0x0d || page[0] == 0x0a || page[0] == 0) && page[3] == 0 && page[4] == 0
}

func (c *imageComparison) verdict(name string) error {
	switch {
	case c.empty || c.same > 0 || !c.back && (c.tables || c.compared < fewPages):
		return nil
	case c.back:
		return fmt.Errorf("%w: the database's counters of changes do not go on from snapshot %s, "+
			"of which not one of %d more pages is as in the database", ErrOtherDatabase, name, c.compared)
	}
	return fmt.Errorf("%w: it has other tables, and of %d more pages of snapshot %s not one is as in the database",
		ErrOtherDatabase, c.compared, name)
}
