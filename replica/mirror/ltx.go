package mirror

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"sort"

	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica/retain"
)

// planLTX adds the LTX files to a round.
func (c *copier) planLTX(ctx context.Context, round *copyRound, files, there []*ltx.FileInfo) (err error) {
	if len(files) == 0 {
		return nil
	}
	if err := c.checkNewer(files, there); err != nil {
		return err
	}
	if !c.opts.Since.IsZero() {
		if files, _, err = retain.LTX(ctx, c.src, c.src.Timeline(files, nil), c.opts.Since, 0); err != nil {
			return err
		}
	}
	c.addLTX(round, files, there)
	return nil
}

// checkNewer refuses a destination that has transactions which the source does not
// have: somebody else writes there.
func (c *copier) checkNewer(files, there []*ltx.FileInfo) error {
	byEnd := func(a, b *ltx.FileInfo) int { return cmp.Compare(a.MaxTXID, b.MaxTXID) }
	if len(there) == 0 {
		return nil
	}
	ours, theirs := slices.MaxFunc(files, byEnd), slices.MaxFunc(there, byEnd)
	if theirs.MaxTXID <= ours.MaxTXID {
		return nil
	}
	why := fmt.Sprintf("the source ends with transaction %s, and the destination has later ones", ours.MaxTXID)
	return &ConflictError{c.src.Key(ours), c.dst.Key(theirs), why, false}
}

func (c *copier) addLTX(round *copyRound, files, there []*ltx.FileInfo) {
	sizes := make(map[ltx.FileID]int64, len(there))
	for _, f := range there {
		sizes[ltx.IDOf(f)] = f.Size
	}
	var usable []*copyJob
	for _, f := range files {
		j := newCopyJob(c.src.Key(f), c.dst.Key(f), f.Size)
		j.file, j.onPath = f, math.MaxInt
		size, present := sizes[ltx.IDOf(f)]
		switch {
		case present:
			j.isThere(size)
			round.present = append(round.present, j)
		case c.damaged[j.key] != "":
			round.left = append(round.left, j)
			continue
		default:
			round.jobs = append(round.jobs, j)
		}
		usable = append(usable, j)
	}
	markPath(usable)
	link(usable)
	slices.SortFunc(round.jobs, func(a, b *copyJob) int { // what is on the path comes first
		return cmp.Or(cmp.Compare(a.onPath, b.onPath), cmp.Compare(a.depth, b.depth), compareEnds(a, b))
	})
}

// compareEnds orders files by the transactions that they end with: that is the order of the states.
func compareEnds(a, b *copyJob) int {
	return cmp.Or(cmp.Compare(a.file.MaxTXID, b.file.MaxTXID),
		cmp.Compare(a.file.MinTXID, b.file.MinTXID), cmp.Compare(a.file.Level, b.file.Level))
}

// markPath finds the way to the latest state that can be restored. Its files are applied to
// one another.
func markPath(jobs []*copyJob) {
	of := make(map[*ltx.FileInfo]*copyJob, len(jobs))
	var files []*ltx.FileInfo
	for _, j := range jobs {
		of[j.file] = j
		if j.size >= ltx.MinFileSize {
			files = append(files, j.file)
		}
	}
	chain := ltx.NewChain(files)
	states := chain.Restorable()
	if len(states) == 0 {
		return
	}
	path, err := chain.Reach(states[len(states)-1])
	if err != nil {
		return // not of a state that is restorable
	}
	for i, f := range path.Files {
		j := of[f]
		j.onPath, j.depth = i, i+1
		if i > 0 {
			j.gate = behind(of[path.Files[i-1]])
		}
	}
}

// link finds for each other file which one it is applied to: the file of a state that it can
// be applied to, itself within reach in as few steps as may be, so that many files can be
// copied at a time. What cannot be restored from these files is applied to nothing, and copied
// last: a hole in an LTX replica shows.
func link(jobs []*copyJob) {
	slices.SortFunc(jobs, compareEnds)
	var states []*copyJob // for each state the file of least depth, by transaction
	for _, j := range jobs {
		j.attach(states)
		last := len(states) - 1
		switch {
		case j.depth == math.MaxInt:
		case last < 0 || states[last].file.MaxTXID < j.file.MaxTXID:
			states = append(states, j)
		case j.depth < states[last].depth:
			states[last] = j
		}
	}
}

// attach finds what a file is applied to.
func (j *copyJob) attach(states []*copyJob) {
	f := j.file
	i := sort.Search(len(states), func(i int) bool { return states[i].file.MaxTXID >= f.MinTXID-1 })
	switch {
	case j.onPath != math.MaxInt:
	case f.Size < ltx.MinFileSize:
		j.depth = math.MaxInt
	case f.MinTXID == 1:
		j.depth = 1
	case i == len(states) || states[i].file.MaxTXID >= f.MaxTXID:
		j.depth = math.MaxInt
	default:
		j.depth, j.gate = states[i].depth+1, behind(states[i])
	}
}
