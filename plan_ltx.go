package replicate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/replctl/replicate/ltx"
)

// ltxPlanner is the work on a plan of an LTX replica.
type ltxPlanner struct {
	c     *StoreClient
	chain *ltx.Chain

	// ends has, for each transaction that a file ends with, ascending, the file
	// that tells its time best: that of the lowest level. A snapshot's header may
	// have the time when it was taken.
	ends  *TimeIndex
	notes []string

	// useless are files that are there and do not count: cut off, or damaged.
	useless []*ltx.FileInfo
}

func (c *StoreClient) planLTX(ctx context.Context, target Target, damaged []string) (*Plan, error) {
	// Compaction moves transactions to a higher level while the levels are listed,
	// so that what is moved can be missed. It is not missed twice.
	plan, err := c.planLTXOnce(ctx, target, damaged)
	if errors.Is(err, ErrDamaged) {
		return c.planLTXOnce(ctx, target, damaged)
	}
	return plan, err
}

func (c *StoreClient) planLTXOnce(ctx context.Context, target Target, damaged []string) (*Plan, error) {
	files, err := c.allFiles(ctx)
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, ErrNoReplica
	}
	p, err := c.newLTXPlanner(ctx, files, damaged)
	if err != nil {
		return nil, err
	}
	path, err := p.find(ctx, target)
	if err != nil {
		return nil, err
	}
	return p.plan(ctx, path)
}

// newLTXPlanner leaves out what is too short to be a file, and what is known to be
// damaged.
func (c *StoreClient) newLTXPlanner(ctx context.Context, files []*ltx.FileInfo, damaged []string) (*ltxPlanner, error) {
	_, layout, err := c.init(ctx)
	if err != nil {
		return nil, err
	}
	p := &ltxPlanner{c: c}
	var usable []*ltx.FileInfo
	for _, f := range files {
		if f.Size < ltx.MinFileSize || slices.Contains(damaged, layout.Key(f.Level, f.MinTXID, f.MaxTXID)) {
			p.useless = append(p.useless, f)
		} else {
			usable = append(usable, f)
		}
	}
	p.chain, p.ends = ltx.NewChain(usable), c.timeIndex(ends(usable))
	return p, nil
}

// allFiles lists all levels, concurrently.
func (c *StoreClient) allFiles(ctx context.Context) (files []*ltx.FileInfo, err error) {
	var levels [ltx.MaxLevel + 1][]*ltx.FileInfo
	g, ctx := errgroup.WithContext(ctx)
	for level := range levels {
		g.Go(func() (err error) {
			levels[level], err = c.levelFiles(ctx, level)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for _, level := range levels {
		files = append(files, level...)
	}
	return files, nil
}

// ends takes files by level.
func ends(files []*ltx.FileInfo) []*ltx.FileInfo {
	seen := make(map[ltx.TXID]bool, len(files))
	var ends []*ltx.FileInfo
	for _, f := range files {
		if !seen[f.MaxTXID] {
			seen[f.MaxTXID] = true
			ends = append(ends, f)
		}
	}
	sort.Slice(ends, func(i, j int) bool { return ends[i].MaxTXID < ends[j].MaxTXID })
	return ends
}

// point is the state after a transaction that a file ends with; zero for 0.
func (p *ltxPlanner) point(ctx context.Context, txid ltx.TXID) (Point, error) {
	if txid == 0 {
		return Point{}, nil
	}
	i := sort.Search(p.ends.Len(), func(i int) bool { return p.ends.files[i].MaxTXID >= txid })
	at, err := p.ends.time(ctx, i)
	return Point{TXID: txid, Time: at}, err
}

func (p *ltxPlanner) find(ctx context.Context, target Target) (*ltx.Path, error) {
	switch {
	case !target.Timestamp.IsZero():
		return p.at(ctx, target)
	case target.TXID != 0:
		return p.reach(ctx, target, target.TXID)
	}
	return p.reach(ctx, target, p.latest())
}

// latest is the last transaction that any file is named for.
func (p *ltxPlanner) latest() ltx.TXID {
	last := p.chain.MaxTXID()
	for _, f := range p.useless {
		last = max(last, f.MaxTXID)
	}
	return last
}

// reach makes a PlanError of what is not there.
func (p *ltxPlanner) reach(ctx context.Context, target Target, txid ltx.TXID) (*ltx.Path, error) {
	path, err := p.chain.Reach(txid)
	var unreachable *ltx.UnreachableError
	if !errors.As(err, &unreachable) {
		return path, err
	}
	planErr := &PlanError{Target: target, Format: FormatLTX, Reason: unreachable.Reason, kind: ErrDamaged}
	if txid > p.chain.MaxTXID() || !p.hole(0, txid) {
		planErr.kind = ErrNoSuchState
	}
	for _, f := range p.useless {
		if r := unreachable.Missing; f.MinTXID <= r.Max && f.MaxTXID >= r.Min || f.MaxTXID == txid {
			planErr.kind = ErrDamaged
			planErr.Reason += fmt.Sprintf("; level %d has %s, of %d bytes, but that is damaged", f.Level, ltx.FormatName(f.MinTXID, f.MaxTXID), f.Size)
		}
	}
	if txid <= p.chain.MaxTXID() {
		if wanted, err := p.point(ctx, txid); err == nil { // of a damaged file it is not known
			planErr.wanted = wanted.Time
		}
	}
	if planErr.Before, err = p.point(ctx, unreachable.Below); err == nil {
		planErr.After, err = p.point(ctx, unreachable.Above)
	}
	if err != nil {
		return nil, err
	}
	return nil, planErr
}

// hole reports whether transactions after one and up to another are in no file.
func (p *ltxPlanner) hole(after, upTo ltx.TXID) bool {
	for _, gap := range p.chain.Gaps() {
		if missing := gap.Missing(); missing.Max > after && missing.Min <= upTo {
			return true
		}
	}
	return false
}

// at finds the last state at or before a time. Time grows with the transaction, so
// that a binary search needs few headers.
func (p *ltxPlanner) at(ctx context.Context, target Target) (*ltx.Path, error) {
	later, err := p.ends.until(ctx, target.Timestamp)
	if err != nil {
		return nil, err
	}
	if lost := p.lostBefore(ctx, target.Timestamp, later); lost != 0 {
		return p.reach(ctx, target, lost)
	}
	states := p.chain.Restorable()
	if later == 0 {
		return nil, p.tooEarly(ctx, target, states)
	}
	last := p.ends.files[later-1].MaxTXID
	n := sort.Search(len(states), func(i int) bool { return states[i] > last })
	if n == 0 && !p.hole(0, last) {
		return nil, p.tooEarly(ctx, target, states)
	}
	if n == 0 || p.hole(states[n-1], last) {
		return p.reach(ctx, target, last)
	}
	if err := p.note(ctx, target, states[n-1], last); err != nil {
		return nil, err
	}
	return p.reach(ctx, target, states[n-1])
}

// lostBefore is the last transaction before a time that only a useless file ends
// with, of those after the one before ends[later]; 0 if there is none. A file that
// does not tell its time any more may be of any between its neighbours'.
func (p *ltxPlanner) lostBefore(ctx context.Context, t time.Time, later int) (lost ltx.TXID) {
	for _, f := range p.useless {
		known := later > 0 && f.MaxTXID <= p.ends.files[later-1].MaxTXID || later < p.ends.Len() && f.MaxTXID >= p.ends.files[later].MaxTXID
		if known || f.MaxTXID <= lost {
			continue
		}
		if at, err := p.c.fileTime(ctx, f); err != nil || !at.After(t) {
			lost = f.MaxTXID
		}
	}
	return lost
}

// tooEarly is for a time before the first state that can be restored.
func (p *ltxPlanner) tooEarly(ctx context.Context, target Target, states []ltx.TXID) error {
	e := &PlanError{Target: target, Format: FormatLTX, kind: ErrNoSuchState}
	if len(states) == 0 { // no file begins at 1
		_, err := p.reach(ctx, target, p.chain.MaxTXID())
		return err
	}
	first, err := p.point(ctx, states[0])
	if err != nil {
		return err
	}
	e.After = first
	e.Reason = fmt.Sprintf("%s is before the earliest state that can be restored, transaction %s of %s", clockTime(target.Timestamp), first.TXID, clockTime(first.Time))
	return e
}

// note says in what way the state is not what was asked for: got is the transaction
// that will be restored, last the last one before the time.
func (p *ltxPlanner) note(ctx context.Context, target Target, got, last ltx.TXID) error {
	point, err := p.point(ctx, got)
	if err != nil {
		return err
	}
	switch {
	case got != last:
		p.notes = append(p.notes, fmt.Sprintf("transactions after %s and up to %s are also before that time, but compaction has left no file that ends between them; the state is that of %s", got, last, clockTime(point.Time)))
	case p.hole(last, last+1):
		p.notes = append(p.notes, fmt.Sprintf("what follows %s is in no file, and may be before that time as well; the state is that of %s", last, clockTime(point.Time)))
	case last == p.latest() && point.Time.Before(target.Timestamp):
		p.notes = append(p.notes, fmt.Sprintf("%s is after the last transaction, which is %s of %s", clockTime(target.Timestamp), last, clockTime(point.Time)))
	}
	return nil
}

func (p *ltxPlanner) plan(ctx context.Context, path *ltx.Path) (*Plan, error) {
	_, layout, err := p.c.init(ctx)
	if err != nil {
		return nil, err
	}
	plan := &Plan{Format: FormatLTX, Notes: p.notes, Bytes: path.Bytes, files: path.Files}
	if plan.State, err = p.point(ctx, path.TXID()); err != nil {
		return nil, err
	}
	for _, f := range path.Files {
		plan.Objects = append(plan.Objects, PlanObject{layout.Key(f.Level, f.MinTXID, f.MaxTXID), f.Size})
		plan.Requests++
	}
	return plan, nil
}
