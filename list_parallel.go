package replicate

import (
	"context"
	"iter"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/internal/ordered"
	"github.com/replctl/replicate/ltx"
)

// A listing over a network takes a round trip per thousand names, one after the
// other. Names of LTX files are numbers, so that a long level can be listed in
// several ranges at once: after parallelAfter files it is known how densely the
// transactions lie, and the next ranges, of about rangeFiles files each, are asked
// for together. The first empty one ends the guessing, and what is left is listed
// in one go: nothing, mostly.
const (
	parallelAfter = 10_000
	rangeFiles    = 4_000
)

// listLevel yields the LTX files of a level from seek on, in order.
func listLevel(ctx context.Context, store blob.Reader, layout ltx.Layout, level int, seek ltx.TXID) iter.Seq2[*ltx.FileInfo, error] {
	n := 1
	if p, ok := store.(blob.ParallelLister); ok {
		n = p.ListConcurrency()
	}
	if n <= 1 {
		return listRange(ctx, store, layout, level, seek, maxTXID)
	}
	return func(yield func(*ltx.FileInfo, error) bool) {
		for from, more := seek, true; more; {
			from, more = listOn(ctx, from, yield, func(from, to ltx.TXID) iter.Seq2[*ltx.FileInfo, error] {
				return listRange(ctx, store, layout, level, from, to)
			}, n)
		}
	}
}

const maxTXID = ^ltx.TXID(0)

// listOn lists one after the other, up to parallelAfter files, and then in ranges
// until one is empty. It returns where to go on, if there may be more.
func listOn(ctx context.Context, from ltx.TXID, yield func(*ltx.FileInfo, error) bool, list func(from, to ltx.TXID) iter.Seq2[*ltx.FileInfo, error], n int) (next ltx.TXID, more bool) {
	first, last, count := ltx.TXID(0), ltx.TXID(0), 0
	for info, err := range list(from, maxTXID) {
		// Not between two files with the same MinTXID: a range begins with one.
		if count >= parallelAfter && info != nil && info.MinTXID != last {
			break
		}
		if !yield(info, err) || err != nil {
			return 0, false
		}
		if count++; count == 1 {
			first = info.MinTXID
		}
		last = info.MinTXID
	}
	if count < parallelAfter || last == maxTXID {
		return 0, false
	}
	width := ((last-first)/parallelAfter + 1) * rangeFiles
	collect := func(_ context.Context, from ltx.TXID) (files []*ltx.FileInfo, err error) {
		to := from + width - 1
		if to < from {
			to = maxTXID
		}
		for info, err := range list(from, to) {
			if err != nil {
				return nil, err
			}
			files = append(files, info)
		}
		return files, nil
	}
	next = last + 1
	for files, err := range ordered.Map(ctx, n, starts(next, width), collect) {
		if err != nil {
			yield(nil, err)
			return 0, false
		}
		if len(files) == 0 {
			return next, true
		}
		for _, info := range files {
			if !yield(info, nil) {
				return 0, false
			}
		}
		if next += width; next < width {
			return 0, false // the last range there is
		}
	}
	return 0, false
}

// starts yields the beginnings of ranges of the given width.
func starts(from, width ltx.TXID) iter.Seq2[ltx.TXID, error] {
	return func(yield func(ltx.TXID, error) bool) {
		for yield(from, nil) && from+width > from {
			from += width
		}
	}
}
