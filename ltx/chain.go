package ltx

import (
	"cmp"
	"slices"
	"time"
)

// Range is the transactions from Min to Max, both included.
type Range struct{ Min, Max TXID }

func (r Range) String() string { return r.Min.String() + "-" + r.Max.String() }

// Gap is a hole: the transactions between After and Before, both excluded, are
// missing.
type Gap struct{ After, Before TXID }

// Missing is the transactions in the hole.
func (g Gap) Missing() Range { return Range{g.After + 1, g.Before - 1} }

// LevelSummary describes the files of one level.
type LevelSummary struct {
	Level            int
	Files            int
	Bytes            int64
	MinTXID, MaxTXID TXID

	// Oldest and Newest are the extremes of CreatedAt; zero if no file has one.
	Oldest, Newest time.Time

	// Gaps are holes between the files of this level. Other levels may fill
	// them. That a level begins above 1 is no gap: retention deletes from the
	// front. Snapshots all begin at 1, so their level has none.
	Gaps []Gap
}

// Chain answers what the files of a replica, of all levels together, make up:
// which transactions are there, which states of the database can be restored,
// and from which files.
//
// A file has the pages that its transactions changed, as they are after the last
// of them. So it can be applied to the database after any transaction from
// MinTXID-1 to MaxTXID-1, and gives the database after MaxTXID: files may
// overlap, but not leave a hole, and there is no stopping inside a file. A file
// whose MinTXID is 1 needs nothing before it.
//
// A Chain does not look into files. It is immutable and safe for concurrent use.
type Chain struct {
	files   []*FileInfo // see compareFiles
	levels  []LevelSummary
	covered []Range
	states  []state // by txid
}

// NewChain builds the chain of the given files, which may be in any order. It
// keeps the pointers: the files must not change afterwards. A file with a level
// or a range that no name can have (see [CheckLevel] and [CheckRange]) is left
// out.
func NewChain(files []*FileInfo) *Chain {
	c := &Chain{files: make([]*FileInfo, 0, len(files))}
	for _, f := range files {
		if f != nil && CheckLevel(f.Level) == nil && CheckRange(f.MinTXID, f.MaxTXID) == nil {
			c.files = append(c.files, f)
		}
	}
	slices.SortFunc(c.files, func(a, b *FileInfo) int { return cmp.Compare(a.MinTXID, b.MinTXID) })
	c.levels = summarize(c.files)
	c.covered = merge(c.files)
	slices.SortFunc(c.files, compareFiles)
	c.states = restorable(c.files)
	return c
}

// compareFiles orders by MaxTXID; the rest makes the order, and with it every
// choice between files, independent of that of the listing.
func compareFiles(a, b *FileInfo) int {
	if a.MaxTXID != b.MaxTXID {
		return cmp.Compare(a.MaxTXID, b.MaxTXID)
	}
	return cmp.Or(cmp.Compare(a.MinTXID, b.MinTXID), cmp.Compare(a.Level, b.Level),
		cmp.Compare(a.Size, b.Size), a.CreatedAt.Compare(b.CreatedAt))
}

// Levels describes the levels that have files, ascending.
func (c *Chain) Levels() []LevelSummary {
	levels := slices.Clone(c.levels)
	for i := range levels {
		levels[i].Gaps = slices.Clone(levels[i].Gaps)
	}
	return levels
}

// Covered is which transactions are in any file: disjoint ranges, ascending,
// never adjacent.
func (c *Chain) Covered() []Range { return slices.Clone(c.covered) }

// Gaps is which transactions from 1 to [Chain.MaxTXID] are in no file. Nothing
// after the first of them can be restored.
func (c *Chain) Gaps() (gaps []Gap) {
	var last TXID
	for _, r := range c.covered {
		if r.Min > last+1 {
			gaps = append(gaps, Gap{last, r.Min})
		}
		last = r.Max
	}
	return gaps
}

// MaxTXID is the last transaction in any file; 0 if there is no file. It need
// not be restorable.
func (c *Chain) MaxTXID() TXID {
	if len(c.files) == 0 {
		return 0
	}
	return c.files[len(c.files)-1].MaxTXID
}

// summarize takes files by MinTXID.
func summarize(files []*FileInfo) (levels []LevelSummary) {
	var all [MaxLevel + 1]LevelSummary
	for _, f := range files {
		l := &all[f.Level]
		if l.Files > 0 && f.MinTXID-1 > l.MaxTXID && f.Level != SnapshotLevel {
			l.Gaps = append(l.Gaps, Gap{l.MaxTXID, f.MinTXID})
		}
		if l.Files == 0 {
			l.Level, l.MinTXID = f.Level, f.MinTXID
		}
		l.Files++
		l.Bytes += f.Size
		l.MaxTXID = max(l.MaxTXID, f.MaxTXID)
		if t := f.CreatedAt; !t.IsZero() {
			if l.Oldest.IsZero() || t.Before(l.Oldest) {
				l.Oldest = t
			}
			if t.After(l.Newest) {
				l.Newest = t
			}
		}
	}
	for _, l := range all {
		if l.Files > 0 {
			levels = append(levels, l)
		}
	}
	return levels
}

// merge takes files by MinTXID.
func merge(files []*FileInfo) (covered []Range) {
	for _, f := range files {
		if n := len(covered); n > 0 && f.MinTXID-1 <= covered[n-1].Max {
			covered[n-1].Max = max(covered[n-1].Max, f.MaxTXID)
		} else {
			covered = append(covered, Range{f.MinTXID, f.MaxTXID})
		}
	}
	return covered
}
