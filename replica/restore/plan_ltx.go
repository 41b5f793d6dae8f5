package restore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sort"
	"time"

	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
)

// ltxPlanner is the work on a plan of an LTX replica.
type ltxPlanner struct {
	*replica.Timeline
	of    *replica.Files
	notes []string
	next  replica.Point // the first state after the moment, if the moment has not one of its own
}

// planLTX plans around the files that the search by time finds to be damaged, and says
// which these are.
func (c planner) planLTX(ctx context.Context, target Target, damaged []string) (*Plan, error) {
	var notes []string
	var refused error // the first that is no damage: the store may be well by now
	for again := true; ; {
		plan, err := c.planLTXOnce(ctx, target, damaged)
		key, isDamaged := c.DamagedObject(err)
		if isDamaged && replica.IsRefusal(err) && !c.opensLTX(ctx, append(damaged, key)) {
			return nil, err // all files are refused
		}
		switch {
		case isDamaged && len(notes) < maxAttempts:
			damaged = append(slices.Clone(damaged), key)
			if refused == nil && replica.IsRefusal(err) {
				refused = err
			}
			notes = append(notes, fmt.Sprintf("%v; it is not used", err))
		case again && (errors.Is(err, replica.ErrDamaged) || errors.Is(err, fs.ErrNotExist)):
			// Compaction moves transactions to a higher level while the levels are
			// listed, so that what is moved can be missed. It is not missed twice.
			again = false
		case err != nil:
			return nil, around(refused, err)
		default:
			plan.Notes = append(notes, plan.Notes...)
			return plan, nil
		}
	}
}

func (c planner) planLTXOnce(ctx context.Context, target Target, damaged []string) (*Plan, error) {
	files, err := c.All(ctx)
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, replica.ErrNoReplica
	}
	p := &ltxPlanner{Timeline: c.Timeline(files, damaged), of: c.Files}
	path, err := p.find(ctx, target)
	if err != nil {
		return nil, err
	}
	return p.plan(ctx, path)
}

// opensLTX reports whether any LTX file can be read that is not among others.
func (c planner) opensLTX(ctx context.Context, others []string) bool {
	files, err := c.All(ctx)
	if err != nil {
		return false
	}
	var keys []string
	for _, f := range files {
		keys = append(keys, c.Key(f))
	}
	return c.OpensAny(ctx, keys, others)
}

func (p *ltxPlanner) find(ctx context.Context, target Target) (*ltx.Path, error) {
	switch {
	case !target.Timestamp.IsZero():
		return p.at(ctx, target)
	case target.TXID != 0:
		return p.reach(ctx, target, target.TXID)
	}
	return p.reach(ctx, target, p.Latest())
}

// reach makes a PlanError of what is not there.
func (p *ltxPlanner) reach(ctx context.Context, target Target, txid ltx.TXID) (*ltx.Path, error) {
	path, err := p.Chain.Reach(txid)
	var unreachable *ltx.UnreachableError
	if !errors.As(err, &unreachable) {
		return path, err
	}
	planErr := &PlanError{Target: target, Format: replica.FormatLTX, Reason: unreachable.Reason, Kind: replica.ErrDamaged}
	if txid > p.Chain.MaxTXID() || !p.hole(0, txid) {
		planErr.Kind = ErrNoSuchState
	}
	way := p.wayThroughDamage(txid)
	for _, f := range p.Useless {
		r := unreachable.Missing
		if f.MinTXID <= r.Max && f.MaxTXID >= r.Min || f.MaxTXID == txid || slices.Contains(way, f) {
			planErr.Kind = replica.ErrDamaged
			planErr.Reason += fmt.Sprintf("; level %d has %s, %s", f.Level, ltx.FormatName(f.MinTXID, f.MaxTXID), p.flaw(ctx, f))
		}
	}
	if txid <= p.Chain.MaxTXID() {
		if wanted, err := p.Point(ctx, txid); err == nil { // of a damaged file it is not known
			planErr.wanted = wanted.Time
		}
	}
	if planErr.Before, err = p.Point(ctx, unreachable.Below); err == nil {
		planErr.After, err = p.Point(ctx, unreachable.Above)
	}
	if err != nil {
		return nil, err
	}
	return nil, planErr
}

// flaw says what is wrong with a useless file.
func (p *ltxPlanner) flaw(ctx context.Context, f *ltx.FileInfo) string {
	if err := replica.WhyUnread(ctx, p.of.Store, p.of.Key(f)); err != nil {
		return fmt.Sprintf("but %v", err)
	}
	return fmt.Sprintf("of %d bytes, but that is damaged", f.Size)
}

// wayThroughDamage is the files that would lead to a transaction if none were damaged.
func (p *ltxPlanner) wayThroughDamage(txid ltx.TXID) []*ltx.FileInfo {
	path, err := p.Whole.Reach(txid)
	if err != nil {
		return nil
	}
	return path.Files
}

// lostToDamage is the last transaction after one and up to another whose state could be
// restored if no file were damaged, and cannot be; 0 if there is none.
func (p *ltxPlanner) lostToDamage(after, upTo ltx.TXID) ltx.TXID {
	states := p.Whole.Restorable()
	n := sort.Search(len(states), func(i int) bool { return states[i] > upTo })
	if len(p.Useless) == 0 || n == 0 || states[n-1] <= after {
		return 0
	}
	return states[n-1]
}

// hole reports whether transactions after one and up to another are in no file.
func (p *ltxPlanner) hole(after, upTo ltx.TXID) bool {
	for _, gap := range p.Chain.Gaps() {
		if missing := gap.Missing(); missing.Max > after && missing.Min <= upTo {
			return true
		}
	}
	return false
}

// at finds the last state at or before a time. Time grows with the transaction, so
// that a binary search needs few headers.
func (p *ltxPlanner) at(ctx context.Context, target Target) (*ltx.Path, error) {
	later, err := p.Until(ctx, target.Timestamp)
	if err != nil {
		return nil, err
	}
	if lost, timed := p.lostBefore(ctx, target.Timestamp, later); lost != nil {
		if path, err := p.reach(ctx, target, lost.MaxTXID); err != nil || timed {
			return path, err
		}
		return nil, p.untimed(ctx, target, lost)
	}
	states := p.Chain.Restorable()
	if later == 0 {
		return nil, p.tooEarly(ctx, target, states)
	}
	last := p.Ends[later-1].MaxTXID
	n := sort.Search(len(states), func(i int) bool { return states[i] > last })
	var got ltx.TXID
	if n > 0 {
		got = states[n-1]
	}
	if lost := p.lostToDamage(got, last); lost != 0 {
		return p.reach(ctx, target, lost)
	}
	if n == 0 && !p.hole(0, last) {
		return nil, p.tooEarly(ctx, target, states)
	}
	if n == 0 || p.hole(got, last) {
		return p.reach(ctx, target, last)
	}
	if err := p.note(ctx, target, states[n-1:], last); err != nil {
		return nil, err
	}
	return p.reach(ctx, target, got)
}

// lostBefore is the useless file that alone tells, of those files that may be the last
// one at or before t, when its last transaction was; nil if there is none. Transactions
// up to ends[later-1] are known to be before t, and those from ends[later] on after it. It
// is timed if the store confirms the time in its header: if not, it may be of any time
// between its neighbours'.
func (p *ltxPlanner) lostBefore(ctx context.Context, t time.Time, later int) (lost *ltx.FileInfo, timed bool) {
	for _, f := range p.Useless {
		isBefore := later > 0 && f.MaxTXID <= p.Ends[later-1].MaxTXID
		if isBefore || p.isAfter(f, later) || lost != nil && f.MaxTXID <= lost.MaxTXID {
			continue
		}
		seen, err := p.of.Time(ctx, f)
		confirmed := err == nil && seen.Agrees(t)
		if !confirmed || !seen.At.After(t) {
			lost, timed = f, confirmed
		}
	}
	return lost, timed
}

// isAfter reports whether a file ends with ends[later] or after it. Where only a
// snapshot is left that ends there, its time is when it was taken, and the transaction
// may have been earlier.
func (p *ltxPlanner) isAfter(f *ltx.FileInfo, later int) bool {
	if later == len(p.Ends) {
		return false
	}
	next := p.Ends[later]
	onlySnapshot := next.Level == ltx.SnapshotLevel && f.Level != ltx.SnapshotLevel
	return f.MaxTXID > next.MaxTXID || f.MaxTXID == next.MaxTXID && !onlySnapshot
}

// untimed is for a state that can be restored, of which only a damaged file tells
// whether it is at or before the time.
func (p *ltxPlanner) untimed(ctx context.Context, target Target, f *ltx.FileInfo) error {
	e := &PlanError{Target: target, Format: replica.FormatLTX, Kind: replica.ErrDamaged}
	e.Reason = fmt.Sprintf("when transaction %s was is not known: level %d has %s, of %d bytes, but that is damaged",
		f.MaxTXID, f.Level, ltx.FormatName(f.MinTXID, f.MaxTXID), f.Size)
	states := p.Chain.Restorable()
	i := sort.Search(len(states), func(i int) bool { return states[i] >= f.MaxTXID })
	var err error
	if i > 0 {
		e.Before, err = p.Point(ctx, states[i-1])
	}
	if i < len(states) && err == nil {
		e.After, err = p.Point(ctx, states[i])
	}
	if err != nil {
		return err
	}
	return e
}

// tooEarly is for a time before the first state that can be restored.
func (p *ltxPlanner) tooEarly(ctx context.Context, target Target, states []ltx.TXID) error {
	e := &PlanError{Target: target, Format: replica.FormatLTX, Kind: ErrNoSuchState}
	if len(states) == 0 { // no file begins at 1
		_, err := p.reach(ctx, target, p.Chain.MaxTXID())
		return err
	}
	first, err := p.Point(ctx, states[0])
	if err != nil {
		return err
	}
	e.After = first
	e.Reason = fmt.Sprintf("%s is before the earliest state that can be restored, transaction %s of %s",
		replica.FormatTime(target.Timestamp), first.TXID, replica.FormatTime(first.Time))
	return e
}

// note says in what way the state is not what was asked for: states[0] is the
// transaction that will be restored, those after it are later, and last is the last
// transaction before the time.
func (p *ltxPlanner) note(ctx context.Context, target Target, states []ltx.TXID, last ltx.TXID) error {
	got, err := p.Point(ctx, states[0])
	if err != nil {
		return err
	}
	within := got.Time.Before(target.Timestamp) && p.inside(last)
	if (within || got.TXID != last) && len(states) > 1 {
		if p.next, err = p.Point(ctx, states[1]); err != nil {
			return err
		}
	}
	moment, state := replica.FormatTime(target.Timestamp), replica.FormatTime(got.Time)
	switch {
	case got.TXID != last:
		p.notef("transactions after %s and up to %s are also before that time, "+
			"but compaction has left no file that ends between them; the state is that of %s%s",
			got.TXID, last, state, p.nextState())
	case p.hole(last, last+1):
		p.notef("what follows %s is in no file, and may be before that time as well; the state is that of %s%s",
			last, state, p.nextState())
	case within:
		p.notef("%s lies inside a compacted file: transactions after %s may be before that time as well, "+
			"and no file ends with them; the state is that of %s%s", moment, got.TXID, state, p.nextState())
	case last == p.Latest() && got.Time.Before(target.Timestamp):
		p.notef("%s is after the last transaction, which is %s of %s", moment, last, state)
	}
	return nil
}

func (p *ltxPlanner) notef(format string, args ...any) {
	p.notes = append(p.notes, fmt.Sprintf(format, args...))
}

// inside reports whether the first file end after a transaction is more than one
// transaction later: then those between have no state of their own.
func (p *ltxPlanner) inside(last ltx.TXID) bool {
	i := p.End(last + 1)
	return i < len(p.Ends) && p.Ends[i].MaxTXID > last+1
}

func (p *ltxPlanner) nextState() string {
	if p.next.IsZero() {
		return ""
	}
	return fmt.Sprintf(", and the next one is %s of %s", p.next.TXID, replica.FormatTime(p.next.Time))
}

func (p *ltxPlanner) plan(ctx context.Context, path *ltx.Path) (*Plan, error) {
	if err := p.noteFormerHolder(ctx, path); err != nil {
		return nil, err
	}
	plan := &Plan{Format: replica.FormatLTX, Notes: p.notes, Next: p.next, Bytes: path.Bytes, Files: path.Files}
	plan.confirm = func(ctx context.Context, t time.Time) error { return p.Confirm(ctx, path.TXID(), t) }
	var err error
	if plan.State, err = p.Point(ctx, path.TXID()); err != nil {
		return nil, err
	}
	for _, f := range path.Files {
		plan.Objects = append(plan.Objects, replica.Object{Key: p.of.Key(f), Size: f.Size})
		plan.Requests++
	}
	return plan, nil
}
