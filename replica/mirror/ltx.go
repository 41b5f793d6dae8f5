package mirror

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sort"

	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica/retain"
)

// planLTX adds the LTX files to a round. It reports whether there are any.
func (c *copier) planLTX(ctx context.Context, round *copyRound) (found bool, err error) {
	files, err := c.src.All(ctx)
	if err != nil || len(files) == 0 {
		return false, err
	}
	there, err := c.dst.All(ctx)
	if err != nil {
		return true, fmt.Errorf("destination: %w", err)
	}
	if err := c.checkNewer(files, there); err != nil {
		return true, err
	}
	if !c.opts.Since.IsZero() {
		if files, _, err = retain.LTX(ctx, c.src, c.src.Timeline(files, nil), c.opts.Since, 0); err != nil {
			return true, err
		}
	}
	c.addLTX(round, files, there)
	return true, nil
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
	return &ConflictError{c.src.Key(ours), c.dst.Key(theirs), fmt.Sprintf("the source ends with transaction %s, and the destination has later ones", ours.MaxTXID), false}
}

func (c *copier) addLTX(round *copyRound, files, there []*ltx.FileInfo) {
	sizes := make(map[ltx.FileID]int64, len(there))
	for _, f := range there {
		sizes[ltx.IDOf(f)] = f.Size
	}
	tree := &ltxTree{}
	for _, f := range files {
		j := c.ltxJob(f)
		size, present := sizes[ltx.IDOf(f)]
		switch {
		case present:
			j.there = size
			j.finish(nil)
			round.present = append(round.present, j)
		case c.damaged[j.key] != "":
			round.left = append(round.left, j)
			continue
		default:
			round.jobs = append(round.jobs, j)
		}
		tree.nodes = append(tree.nodes, &ltxNode{job: j})
	}
	tree.build()
	slices.SortStableFunc(round.jobs, func(a, b *copyJob) int { return cmp.Compare(tree.rank[a], tree.rank[b]) })
}

func (c *copier) ltxJob(f *ltx.FileInfo) *copyJob {
	j := newCopyJob(c.src.Key(f), c.dst.Key(f), f.Size)
	j.file = f
	return j
}

// ltxTree says for each file which one it is applied to: the file of a state that
// it can be applied to, itself within reach in as few steps as may be, so that many
// files can be copied at a time. Files of the way to the latest state are applied
// to one another. What cannot be restored from these files is applied to nothing,
// and copied last: a hole in an LTX replica shows.
type ltxTree struct {
	nodes []*ltxNode
	rank  map[*copyJob]int // position in a good order
}

type ltxNode struct {
	job    *copyJob
	onPath int // position on the way to the latest state, from 1; 0 if not on it
	depth  int // steps from nothing
}

const unreachableDepth = int(^uint(0) >> 1)

func (t *ltxTree) build() {
	t.markPath()
	t.link()
	slices.SortStableFunc(t.nodes, func(a, b *ltxNode) int {
		if (a.onPath > 0) != (b.onPath > 0) {
			return cmp.Compare(b.onPath, a.onPath) // what is on it comes first
		}
		return cmp.Or(cmp.Compare(a.onPath, b.onPath), cmp.Compare(a.depth, b.depth), cmp.Compare(a.job.file.MaxTXID, b.job.file.MaxTXID))
	})
	t.rank = make(map[*copyJob]int, len(t.nodes))
	for i, n := range t.nodes {
		t.rank[n.job] = i
	}
}

// markPath finds the way to the latest state that can be restored.
func (t *ltxTree) markPath() {
	nodes := make(map[*ltx.FileInfo]*ltxNode, len(t.nodes))
	var files []*ltx.FileInfo
	for _, n := range t.nodes {
		nodes[n.job.file] = n
		if n.job.size >= ltx.MinFileSize {
			files = append(files, n.job.file)
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
	var before *ltxNode
	for i, f := range path.Files {
		n := nodes[f]
		n.onPath, n.depth = i+1, i+1
		if before != nil {
			n.job.gate = behind(before.job)
		}
		before = n
	}
}

// link goes through the files in the order of the transactions that they end with,
// which is that of the states.
func (t *ltxTree) link() {
	slices.SortFunc(t.nodes, func(a, b *ltxNode) int {
		return cmp.Or(cmp.Compare(a.job.file.MaxTXID, b.job.file.MaxTXID), cmp.Compare(a.job.file.MinTXID, b.job.file.MinTXID), cmp.Compare(a.job.file.Level, b.job.file.Level))
	})
	var states []*ltxNode // for each state that of least depth, by transaction
	for i := 0; i < len(t.nodes); {
		var best *ltxNode
		end := t.nodes[i].job.file.MaxTXID
		for ; i < len(t.nodes) && t.nodes[i].job.file.MaxTXID == end; i++ {
			n := t.nodes[i]
			n.attach(states)
			if n.depth != unreachableDepth && (best == nil || n.depth < best.depth) {
				best = n
			}
		}
		if best != nil {
			states = append(states, best)
		}
	}
}

// attach finds what a file is applied to.
func (n *ltxNode) attach(states []*ltxNode) {
	f := n.job.file
	switch {
	case n.onPath > 0:
		return
	case f.Size < ltx.MinFileSize:
		n.depth = unreachableDepth
		return
	case f.MinTXID == 1:
		n.depth = 1
		return
	}
	i := sort.Search(len(states), func(i int) bool { return states[i].job.file.MaxTXID >= f.MinTXID-1 })
	if i == len(states) {
		n.depth = unreachableDepth
		return
	}
	n.depth = states[i].depth + 1
	n.job.gate = behind(states[i].job)
}
