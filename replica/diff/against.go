package diff

import (
	"bytes"
	"context"
	"fmt"

	"github.com/replctl/replicate/replica/view"
)

// Image is a database that is in use, as of one moment: a [sqlite.Image].
type Image interface {
	PageSize() uint32
	Pages() uint32
	ReadPage(pgno uint32, buf []byte) error
}

// PageDiff is how two databases differ in their pages.
type PageDiff struct {
	Different int64    // pages, those that only one of them has included
	Total     int64    // pages of the larger one
	Ranges    []Range  // of the pages that differ: the first of them, in order
	PageSizes [2]int64 // of the view and the image, in bytes; they differ in everything if they differ here
}

// Range is the pages First to Last.
type Range struct{ First, Last uint32 }

// maxRanges is how many ranges of pages are told apart.
const maxRanges = 20

// Identical reports whether there is no difference.
func (d *PageDiff) Identical() bool { return d.Different == 0 }

// Against compares a view with a database that is in use. If the replica has a checksum of its
// database, and it is that of the image, no page of the view is read. Else all are that both have, in
// order: progress, unless nil, is told how many so far.
func Against(ctx context.Context, v *view.View, im Image, progress func(done, total int64)) (*PageDiff, error) {
	size := int64(im.PageSize())
	d := &PageDiff{Total: int64(im.Pages()), PageSizes: [2]int64{int64(v.PageSize()), size}}
	if d.PageSizes[0] != size {
		d.Different = d.Total
		return d, nil
	}
	if same, known, err := v.HasPages(im.Pages(), im.ReadPage); err != nil || known && same {
		return d, err
	}
	both := min(d.Total, v.Size()/size)
	d.Total = max(d.Total, v.Size()/size)
	here, there := make([]byte, size), make([]byte, size)
	for pgno := uint32(1); int64(pgno) <= d.Total; pgno++ {
		if int64(pgno) > both {
			d.add(pgno)
			continue
		}
		if err := im.ReadPage(pgno, here); err != nil {
			return nil, err
		}
		if _, err := v.ReadAtContext(ctx, there, int64(pgno-1)*size); err != nil {
			return nil, fmt.Errorf("page %d: %w", pgno, err)
		}
		if !bytes.Equal(here, there) {
			d.add(pgno)
		}
		if progress != nil {
			progress(int64(pgno), both)
		}
	}
	return d, nil
}

func (d *PageDiff) add(pgno uint32) {
	d.Different++
	if n := len(d.Ranges); n > 0 && d.Ranges[n-1].Last+1 == pgno {
		d.Ranges[n-1].Last = pgno
	} else if n < maxRanges {
		d.Ranges = append(d.Ranges, Range{pgno, pgno})
	}
}
