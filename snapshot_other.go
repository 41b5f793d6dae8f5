package replicate

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/replctl/replicate/ltx"
)

// ErrOtherDatabase: the replica is of another database than the one that was to be
// written into it.
var ErrOtherDatabase = errors.New("the replica is of another database")

// What is compared of a database with the replica's newest snapshot.
const (
	comparedPages = 24  // at most, spread over both
	fewPages      = 8   // of so many that differ, all, a database of the same tables is another one
	dbHeaderSize  = 100 // bytes of page 1 before its content, with counters that change
)

// checkSameDatabase refuses an image that has nothing in common with the replica's newest
// snapshot: another page size; other tables, and not one of the compared pages the same; or
// the same tables, and of many pages not one the same. SQLite gives a database no name,
// and so a small database with the same tables passes, and one that was vacuumed is refused.
func checkSameDatabase(ctx context.Context, client ReplicaClient, im Image, files []*ltx.FileInfo) error {
	bases := slices.DeleteFunc(slices.Clone(files), func(f *ltx.FileInfo) bool { return f.MinTXID != 1 })
	slices.SortFunc(bases, func(a, b *ltx.FileInfo) int { return cmp.Compare(b.MaxTXID, a.MaxTXID) })
	for _, f := range bases {
		err := compareWith(ctx, client, im, f)
		if !isDamage(err) { // a damaged one says nothing; the one before it may
			return err
		}
	}
	return nil
}

func compareWith(ctx context.Context, client ReplicaClient, im Image, f *ltx.FileInfo) error {
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
		case ok && !blank(ours) && !blank(theirs):
			c.compared++
			if bytes.Equal(ours, theirs) {
				c.same++
			}
		}
	}
	return nil
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
	case c.empty || c.same > 0 || c.tables && c.compared < fewPages:
		return nil
	case c.tables:
		return fmt.Errorf("%w: of %d pages of snapshot %s not one is as in the database, though both have the same tables", ErrOtherDatabase, c.compared, name)
	}
	return fmt.Errorf("%w: it has other tables, and of %d more pages of snapshot %s not one is as in the database", ErrOtherDatabase, c.compared, name)
}
