package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/replctl/replicate/replica/check"
	"github.com/replctl/replicate/replica/diff"
	"github.com/replctl/replicate/replica/restore"
	"github.com/replctl/replicate/replica/view"
	"github.com/replctl/replicate/sqlite"
)

// againstJSON is how a database differs from the newest state of its replica.
type againstJSON struct {
	Database  string `json:"database"`
	Identical bool   `json:"identical"`
	Different int64  `json:"different"` // pages
	Total     int64  `json:"total"`
	Pages     string `json:"pages,omitempty"` // which differ, such as "1-3,7,…"
	note      string
}

// compareLive compares the newest state with the database that --against names; nil if it names none.
// The replica is looked at first: what it has that the database has not is no delay.
func (a *app) compareLive(ctx context.Context, r *opened, opts *checkOptions) (*againstJSON, error) {
	if opts.against == "" {
		return nil, nil
	}
	v, err := view.Open(ctx, r, restore.Target{}, view.Options{TempDir: opts.tempDir})
	if err != nil {
		return nil, planError(err)
	}
	defer v.Close()
	doc := &againstJSON{Database: opts.against}
	im, err := a.openImage(ctx, opts.against)
	switch {
	case errors.Is(err, sqlite.ErrEmpty):
		doc.Identical, doc.note = v.Size() == 0, "it is empty"
		return doc, nil
	case err != nil:
		return nil, err
	}
	defer im.Close()
	m := a.newMeter("comparing")
	defer m.done()
	size := int64(im.PageSize())
	d, err := diff.Against(ctx, v, im, func(done, total int64) { m.update(done*size, total*size) })
	if err != nil {
		return nil, err
	}
	doc.Identical, doc.Different, doc.Total = d.Identical(), d.Different, d.Total
	if d.PageSizes[0] != d.PageSizes[1] {
		doc.note = fmt.Sprintf("its pages are of %d bytes, and those of the replica of %d", d.PageSizes[1], d.PageSizes[0])
	}
	doc.Pages = pageRanges(d)
	return doc, nil
}

// pageRanges is such as "1-3,7".
func pageRanges(d *diff.PageDiff) string {
	var parts []string
	named := int64(0)
	for _, r := range d.Ranges {
		part := fmt.Sprint(r.First)
		if r.Last > r.First {
			part += fmt.Sprintf("-%d", r.Last)
		}
		parts = append(parts, part)
		named += int64(r.Last-r.First) + 1
	}
	if named < d.Different && named > 0 {
		parts = append(parts, "…")
	}
	return strings.Join(parts, ",")
}

// String says it to people.
func (d *againstJSON) String() string {
	switch {
	case d.Identical:
		return "identical with the newest state"
	case d.note != "":
		return "another one than the newest state: " + d.note
	}
	return fmt.Sprintf("differs from the newest state in %d of %s: %s", d.Different,
		count(int(d.Total), "page", "pages"), d.Pages)
}

// verdict ends a check: of a database that is identical, the age of the replica does not count.
func (d *againstJSON) verdict(a *app, report *check.Report, opts *checkOptions) error {
	maxAge := opts.maxAge
	if d.Identical {
		maxAge = agoFlag{}
	}
	err := a.verdict(!report.OK(), newestOf(report.Restorable), &maxAge)
	if err == nil && !d.Identical && opts.maxAge.text == "" {
		return errStale
	}
	return err
}
