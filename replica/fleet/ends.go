package fleet

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/v3compat"
)

// listEnds lists of a large replica what its newest and its oldest state take, if nothing is wrong:
// of each level of LTX files the first names and the last ones, and of each generation the
// snapshots, and the segments from the newest snapshot on.
func listEnds(ctx context.Context, store blob.Reader) (infos []blob.Info, err error) {
	e := &ends{ctx: ctx, store: store}
	roots := e.directories("")
	if slices.Contains(roots, "ltx/") {
		roots = append(roots, e.directories("ltx/")...)
	}
	for _, layout := range []ltx.Layout{ltx.LayoutFile, ltx.LayoutS3} {
		for level := ltx.MinLevel; level <= ltx.MaxLevel; level++ {
			if prefix := layout.LevelPrefix(level); slices.Contains(roots, prefix) {
				e.level(prefix)
			}
		}
	}
	for _, prefix := range e.directories(v3compat.GenerationsPrefix) {
		id := strings.TrimSuffix(strings.TrimPrefix(prefix, v3compat.GenerationsPrefix), "/")
		if v3compat.IsGenerationID(id) {
			e.generation(id)
		}
	}
	slices.SortFunc(e.infos, func(a, b blob.Info) int { return strings.Compare(a.Key, b.Key) })
	e.infos = slices.CompactFunc(e.infos, func(a, b blob.Info) bool { return a.Key == b.Key })
	return e.infos, e.err
}

// ends are the names that were listed, until a listing failed.
type ends struct {
	ctx   context.Context
	store blob.Reader
	infos []blob.Info
	err   error
}

// page lists a page of names, and keeps them. It is empty after a failure.
func (e *ends) page(prefix, after string) (infos []blob.Info) {
	if e.err == nil {
		infos, e.err = listPage(e.ctx, e.store, prefix, after)
		e.infos = append(e.infos, infos...)
	}
	return infos
}

// directories lists those below a prefix.
func (e *ends) directories(prefix string) (found []string) {
	if e.err != nil {
		return nil
	}
	for info, err := range e.store.List(e.ctx, prefix, blob.ListOptions{Delimited: true}) {
		if err != nil {
			e.err = err
			return nil
		}
		if info.IsPrefix() {
			found = append(found, info.Key)
		}
	}
	return found
}

// rest lists all names after a key.
func (e *ends) rest(prefix, after string) {
	for {
		infos := e.page(prefix, after)
		if len(infos) < page {
			return
		}
		after = infos[len(infos)-1].Key
	}
}

// level lists the first page of a level and, if there are more, the last names, of which it
// does not know where they are: it seeks them by steps that double, then by halving. The last
// full page and all names after it are listed without a hole.
func (e *ends) level(prefix string) {
	full := e.page(prefix, "")
	if len(full) < page {
		return
	}
	const near = 3 * page // what is not sought but listed
	var end ltx.TXID      // few names are at or after it; 0: not known
	for step := ltx.TXID(page); e.err == nil; {
		first, last := txidOf(prefix, full[0]), txidOf(prefix, full[len(full)-1])
		density := float64(page) / float64(max(last-first, 1))
		at := last + step
		if end != 0 {
			at = last + (end-last)/2
		}
		if at <= last || end > last && float64(end-last)*density <= near {
			break // names that are none, or the end
		}
		if infos := e.page(prefix, prefix+at.String()); len(infos) == page {
			full, step = infos, 2*step
		} else {
			end = at
		}
	}
	e.rest(prefix, full[len(full)-1].Key)
}

// txidOf is the first transaction of a file; 0 of what is none.
func txidOf(prefix string, info blob.Info) ltx.TXID {
	first, _, _ := ltx.ParseName(strings.TrimPrefix(info.Key, prefix))
	return first
}

// generation lists the snapshots of a generation of a v0.3 backup, and the segments from the
// newest snapshot on.
func (e *ends) generation(id string) {
	snapshots, wal := v3compat.GenerationPrefix(id)+v3compat.SnapshotsDir, v3compat.GenerationPrefix(id)+v3compat.WALDir
	before, after := len(e.infos), ""
	e.rest(snapshots, "")
	for _, info := range slices.Backward(e.infos[before:]) {
		index, err := v3compat.ParseSnapshotName(strings.TrimPrefix(info.Key, snapshots))
		if err == nil && info.Size > 0 {
			name, _, _ := strings.Cut(v3compat.FormatWALSegmentName(index, 0), "_")
			after = wal + name
			break
		}
	}
	e.rest(wal, after)
	if e.err != nil {
		return
	}
	switch info, err := e.store.Stat(e.ctx, v3compat.TimesKey(id)); {
	case err == nil:
		e.infos = append(e.infos, info)
	case !errors.Is(err, fs.ErrNotExist):
		e.err = err
	}
}
