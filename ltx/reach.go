package ltx

import (
	"fmt"
	"slices"
	"sort"
	"time"
)

// Path is how to get to a state of the database.
type Path struct {
	Files []*FileInfo // in order of application; the first has MinTXID 1
	Bytes int64       // of all files
}

// TXID is the transaction that the path leads to.
func (p *Path) TXID() TXID { return p.last().MaxTXID }

// Time is when that transaction was, as far as the listing knew: the CreatedAt
// of the last file.
func (p *Path) Time() time.Time { return p.last().CreatedAt }

func (p *Path) last() *FileInfo {
	if len(p.Files) == 0 {
		return new(FileInfo)
	}
	return p.Files[len(p.Files)-1]
}

// UnreachableError says why a state cannot be restored, and what can be instead.
type UnreachableError struct {
	Target TXID

	// Below and Above are the nearest transactions that can be restored; 0 if
	// there is none.
	Below, Above TXID

	// Missing is which transactions would have to be in some file; zero if
	// the cause is another.
	Missing Range

	// Reason is the cause, in words.
	Reason string
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("transaction %s cannot be restored: %s", e.Target, e.Reason)
}

// A state of the database that can be restored: how cheaply, and by applying
// which file to which other state.
type state struct {
	txid  TXID
	bytes int64
	count int
	file  *FileInfo
	prev  int // index of the state that file is applied to; -1 if none is needed
}

func (s state) cheaper(t state) bool {
	if s.bytes != t.bytes {
		return s.bytes < t.bytes
	}
	return s.count < t.count
}

// restorable finds all states, and the cheapest way to each, in order of
// MaxTXID, which is the order of files. A file applies to the cheapest state
// from MinTXID-1 on. Of the states so far, frontier has those that are cheaper
// than all after them, so the first of them from MinTXID-1 on is the one.
func restorable(files []*FileInfo) []state {
	var states []state
	var frontier []int
	for i := 0; i < len(files); {
		var best state
		end := files[i].MaxTXID
		for ; i < len(files) && files[i].MaxTXID == end; i++ {
			s, ok := apply(files[i], states, frontier)
			if ok && (best.file == nil || s.cheaper(best)) {
				best = s
			}
		}
		if best.file == nil {
			continue
		}
		for len(frontier) > 0 && !states[frontier[len(frontier)-1]].cheaper(best) {
			frontier = frontier[:len(frontier)-1]
		}
		frontier = append(frontier, len(states))
		states = append(states, best)
	}
	return states
}

func apply(f *FileInfo, states []state, frontier []int) (state, bool) {
	s := state{txid: f.MaxTXID, bytes: f.Size, count: 1, file: f, prev: -1}
	if f.MinTXID == 1 {
		return s, true
	}
	i := sort.Search(len(frontier), func(i int) bool { return states[frontier[i]].txid >= f.MinTXID-1 })
	if i == len(frontier) {
		return s, false
	}
	s.prev = frontier[i]
	s.bytes += states[s.prev].bytes
	s.count += states[s.prev].count
	return s, true
}

// Restorable is which transactions [Chain.Reach] succeeds for, ascending.
func (c *Chain) Restorable() []TXID {
	txids := make([]TXID, len(c.states))
	for i, s := range c.states {
		txids[i] = s.txid
	}
	return txids
}

// Reach finds the files that give the database as it was after target, exactly.
// Of all ways it is that with the least bytes, and among these with the fewest
// files. The error is an *[UnreachableError].
func (c *Chain) Reach(target TXID) (*Path, error) {
	i, ok := c.find(target)
	if !ok {
		return nil, c.unreachable(target, i)
	}
	p := &Path{Bytes: c.states[i].bytes, Files: make([]*FileInfo, 0, c.states[i].count)}
	for ; i >= 0; i = c.states[i].prev {
		p.Files = append(p.Files, c.states[i].file)
	}
	slices.Reverse(p.Files)
	return p, nil
}

// find is the first state at or after target, and whether it is at target.
func (c *Chain) find(target TXID) (int, bool) {
	i := sort.Search(len(c.states), func(i int) bool { return c.states[i].txid >= target })
	return i, i < len(c.states) && c.states[i].txid == target
}

func (c *Chain) unreachable(target TXID, next int) *UnreachableError {
	e := &UnreachableError{Target: target}
	if next > 0 {
		e.Below = c.states[next-1].txid
	}
	if next < len(c.states) {
		e.Above = c.states[next].txid
	}
	var first Gap
	if gaps := c.Gaps(); len(gaps) > 0 {
		first = gaps[0]
	}
	last := c.MaxTXID()
	switch {
	case last == 0:
		e.Reason = "there are no LTX files"
	case target == 0:
		e.Reason = "transactions are numbered from 1"
	case first.Before == 0 && target > last:
		e.Missing = Range{last + 1, target}
		e.Reason = fmt.Sprintf("the last transaction is %s", last)
	case first.After == 0 && first.Before > 0:
		e.Missing = first.Missing()
		e.Reason = fmt.Sprintf("there is no snapshot: no file begins at transaction 1, the first begins at %s", first.Before)
	case first.Before > 0 && target > first.After:
		e.Missing = first.Missing()
		e.Reason = missingReason(e.Missing)
	default:
		e.Reason = c.insideReason(target)
	}
	return e
}

func missingReason(r Range) string {
	if r.Min == r.Max {
		return fmt.Sprintf("transaction %s is in no file", r.Min)
	}
	return fmt.Sprintf("transactions %s are in no file", r)
}

// insideReason is for a target that is in some file, with nothing missing before
// it: no file ends there, or those that do have nothing to be applied to.
func (c *Chain) insideReason(target TXID) string {
	var around, ending *FileInfo
	for _, f := range c.files {
		switch {
		case f.MaxTXID == target:
			ending = f
		case f.MinTXID <= target && target < f.MaxTXID &&
			(around == nil || f.MaxTXID-f.MinTXID < around.MaxTXID-around.MinTXID):
			around = f
		}
	}
	if ending == nil {
		return fmt.Sprintf("it lies inside %s, and no file ends there", Range{around.MinTXID, around.MaxTXID})
	}
	return fmt.Sprintf("%s ends there, but no state from %s to %s, to which it could be applied, can be restored",
		Range{ending.MinTXID, ending.MaxTXID}, ending.MinTXID-1, ending.MaxTXID-1)
}
