package check

import (
	"cmp"
	"slices"

	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
)

// compareWriters looks for signs that two have written here: files that do not go on
// where the one before them ends, and a file of a former holder of the lease among those
// of a later one. It goes by what was read of the files anyway.
func (in *inspector) compareWriters(files []*checked) {
	files = slices.Clone(files)
	slices.SortStableFunc(files, func(a, b *checked) int {
		return cmp.Or(cmp.Compare(a.info.Level, b.info.Level), cmp.Compare(a.info.MaxTXID, b.info.MaxTXID))
	})
	for i := 1; i < len(files); i++ {
		before, after := files[i-1], files[i]
		if before.info.Level != after.info.Level || before.header == nil || after.header == nil {
			continue
		}
		if err := ltx.CheckFollows(*before.header, before.post, *after.header); err != nil {
			in.problem(replica.SeverityWarning, in.Key(&after.info),
				"%v; which one's rows a restore gives depends on the files it takes", err)
		}
	}
	in.compareGenerations(files)
}

// compareGenerations takes files by level and transaction. A lease's generation grows with
// the transaction, within a level and from one level to the next: a file is compacted by
// the holder that wrote it, or by a later one. A file of an earlier generation than one
// before it in its level was written by a former holder.
//
// So was one that is alone in what a file of a higher level and a later generation has,
// without the file of its own level that follows it. Retention deletes from the front: a
// file whose successor is gone came after that was deleted.
func (in *inspector) compareGenerations(files []*checked) {
	var highest *checked // of the level, so far
	for i, f := range files {
		if i == 0 || files[i-1].info.Level != f.info.Level {
			highest = nil
		}
		switch {
		case f.generation == 0:
		case highest != nil && f.generation < highest.generation:
			in.formerHolder(f, highest)
		default:
			highest = f
			if i+1 < len(files) && files[i+1].info.Level == f.info.Level && files[i+1].info.MinTXID == f.info.MaxTXID+1 {
				continue
			}
			if over := coveredLater(files[i+1:], f); over != nil {
				in.formerHolder(f, over)
			}
		}
	}
}

// coveredLater is a file of a higher level that has a file's transactions and the next
// one, and was written under a later lease.
func coveredLater(higher []*checked, f *checked) *checked {
	i := slices.IndexFunc(higher, func(g *checked) bool {
		return g.info.Level > f.info.Level && g.info.Level != ltx.SnapshotLevel && g.generation > f.generation &&
			g.info.MinTXID <= f.info.MinTXID && g.info.MaxTXID > f.info.MaxTXID
	})
	if i < 0 {
		return nil
	}
	return higher[i]
}

func (in *inspector) formerHolder(f, later *checked) {
	in.problem(replica.SeverityWarning, in.Key(&f.info), "written under lease generation %d, but %s under %d: "+
		"a former holder's write came late, and what it has may never have been the database's state",
		f.generation, in.Key(&later.info), later.generation)
}
