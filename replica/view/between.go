package view

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/replctl/replicate/ltx"
)

// maxBetween bounds how many files are looked at to learn which pages were written between two states.
const maxBetween = 1000

// written is which pages were written.
type written []uint64

func (w written) has(pgno uint32) bool { return w[pgno/64]&(1<<(pgno%64)) != 0 }

// writtenBetween returns the pages that the transactions after one state, up to a later one, have written,
// as the page indexes of the files between them say. It is nil if that cannot be known: the states
// are of two replicas, or no files but snapshots lead from one to the other, or one cannot be read.
func writtenBetween(ctx context.Context, older, newer *pages) (written, error) {
	was, is := older.layout.Load(), newer.layout.Load()
	pages := max(was.pages.Header().Commit, is.pages.Header().Commit)
	w := make(written, pages/64+1)
	err := newer.precedes(ctx, was)
	var path []*ltx.FileInfo
	if err == nil {
		path, err = newer.pathBetween(ctx, was.pages.Header().MaxTXID, is.pages.Header().MaxTXID)
	}
	sketches := make([]*sketch, len(path))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(newer.concurrency)
	for i, f := range path {
		g.Go(func() (err error) {
			sketches[i], err = newer.sketch(gctx, &stored{info: f, key: newer.replica.Key(f)}, pages)
			return err
		})
	}
	if err = errors.Join(err, g.Wait()); err != nil {
		if ctx.Err() != nil || errors.Is(err, ErrMaxBytes) {
			return nil, err
		}
		return nil, nil // it is not needed
	}
	for _, s := range sketches {
		for i := range s.outline.Index.Len() {
			if pgno, _, _ := s.outline.Index.At(i); pgno <= pages {
				w[pgno/64] |= 1 << (pgno % 64)
			}
		}
	}
	return w, nil
}

var errNoPath = errors.New("no files lead from one state to the other")

// precedes returns an error unless the replica has the newest file of another state: that state is one of this
// replica.
func (p *pages) precedes(ctx context.Context, was *layout) error {
	f := was.files[len(was.files)-1]
	f.version.mu.Lock()
	want := bytes.Clone(f.version.trailer)
	f.version.mu.Unlock()
	if len(want) != ltx.TrailerSize {
		return errNoPath
	}
	trailer, _, err := p.readTrailer(ctx, f)
	if err == nil && !bytes.Equal(trailer, want) {
		err = errNoPath
	}
	return err
}

// pathBetween finds the fewest files that have all transactions from one to another, the first not
// included, and none after that. They may have some before it.
func (p *pages) pathBetween(ctx context.Context, after, to ltx.TXID) (path []*ltx.FileInfo, err error) {
	if after == to {
		return nil, nil
	}
	files, err := p.replica.All(ctx)
	if err != nil {
		return nil, err
	}
	files = slices.DeleteFunc(files, func(f *ltx.FileInfo) bool {
		return f.Level == ltx.SnapshotLevel || f.MinTXID <= 1 || f.MaxTXID > to || f.MaxTXID <= after
	})
	for after < to {
		var next *ltx.FileInfo
		for _, f := range files {
			if f.MinTXID <= after+1 && f.MaxTXID > after && (next == nil || f.MaxTXID > next.MaxTXID) {
				next = f
			}
		}
		if next == nil || len(path) == maxBetween {
			return nil, errNoPath
		}
		path, after = append(path, next), next.MaxTXID
	}
	return path, nil
}
