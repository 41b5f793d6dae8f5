package history

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/replctl/replicate/internal/ordered"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/view"
	"github.com/replctl/replicate/sqlite"
)

// step is a moment that a replay passes.
type step struct {
	point replica.Point
	base  bool // it is before those that were asked for: the replay begins with it
	first bool // it does not go on from the step before

	// pages are those that were written since the step before, ascending, and perhaps more of the
	// transactions of span, if that is not zero. Whole says that all pages are new, and there are no
	// numbers: there is no step before, or only a snapshot of the moment.
	pages []uint32
	whole bool
	span  ltx.Range

	stored   int64 // bytes of the object that has the pages
	pageSize uint32
	db       sqlite.View // until the next step
}

// replay goes through the moments of a replica, the oldest first.
type replay struct {
	src      replica.Source
	files    *replica.Files
	opts     view.Options
	since    time.Time // zero: from the first moment on
	until    time.Time // zero: up to the latest
	last     int       // if not 0, how many moments are asked for, of each format
	only     string    // the format; both if empty
	between  ltx.Range // if not zero, the first and the last transaction of FormatLTX
	progress func(done, total int)

	damaged  []string // keys of objects that were found to be damaged
	problems []replica.Problem
	meter    meter
}

// maxDamaged bounds around how many damaged objects a replay goes.
const maxDamaged = 10

// run calls do with each step, of a v0.3 backup first. If an LTX file turns out to be damaged, it
// calls begin, and then begins again without the file.
func (r *replay) run(ctx context.Context, begin func(), do func(*step) error) (err error) {
	if r.files, err = replica.Open(ctx, r.src); err != nil {
		return err
	}
	for {
		begin()
		r.meter.max = r.opts.MaxBytes
		found, err := r.once(ctx, do)
		key, isDamaged := r.files.DamagedObject(err)
		switch {
		case isDamaged && len(r.damaged) < maxDamaged && !replica.IsRefusal(err):
			r.damaged = append(r.damaged, key)
			r.problem(key, err.Error())
			continue
		case err == nil && !found:
			return replica.ErrNoReplica
		}
		return err
	}
}

func (r *replay) once(ctx context.Context, do func(*step) error) (inBackup bool, err error) {
	if r.only != replica.FormatLTX {
		if inBackup, err = r.backup(ctx, do); err != nil {
			return inBackup, err
		}
	}
	if r.only == replica.FormatV3 {
		return inBackup, nil
	}
	inLTX, err := r.transactions(ctx, do)
	return inBackup || inLTX, err
}

// problem notes what is wrong, once.
func (r *replay) problem(object, message string) {
	p := replica.Problem{Severity: replica.SeverityError, Object: object, Message: message}
	if !slices.Contains(r.problems, p) {
		r.problems = append(r.problems, p)
	}
}

// transactions is the steps of an LTX replica.
func (r *replay) transactions(ctx context.Context, do func(*step) error) (found bool, err error) {
	all, err := r.files.All(ctx)
	if err != nil || len(all) == 0 {
		return false, err
	}
	p := &ltxReplay{replay: r, timeline: r.files.Timeline(all, r.damaged)}
	p.states = p.timeline.Chain.Restorable()
	from, to, err := p.window(ctx)
	if err != nil {
		return true, err
	}
	if to == len(p.states)-1 {
		p.checkEnd()
	}
	if from > to {
		return true, nil
	}
	if r.last > 0 {
		from = max(from, to-r.last+1)
	}
	defer p.layers.close()
	return true, p.run(ctx, from, to, do)
}

// ltxReplay is a replay of an LTX replica: a view of the moment before the first step, and on it the
// pages of the files that lead from step to step.
type ltxReplay struct {
	*replay
	timeline *replica.Timeline
	states   []ltx.TXID
	layers   layers
}

// window is the first and the last moment that are asked for, by their places; from > to for none.
func (p *ltxReplay) window(ctx context.Context) (from, to int, err error) {
	to = len(p.states) - 1
	if p.between.Max != 0 {
		from, _ = slices.BinarySearch(p.states, p.between.Min)
		last, _ := slices.BinarySearch(p.states, p.between.Max+1)
		return from, last - 1, nil
	}
	if !p.since.IsZero() {
		n, err := p.timeline.Until(ctx, p.since.Add(-1))
		if err != nil {
			return 0, 0, err
		}
		for from <= to && n > 0 && p.states[from] <= p.timeline.Ends[n-1].MaxTXID {
			from++
		}
	}
	if !p.until.IsZero() {
		n, err := p.timeline.Until(ctx, p.until)
		if err != nil {
			return 0, 0, err
		}
		for to >= 0 && (n == 0 || p.states[to] > p.timeline.Ends[n-1].MaxTXID) {
			to--
		}
	}
	return from, to, nil
}

// checkEnd notes that transactions at the end have no moment, because something is missing.
func (p *ltxReplay) checkEnd() {
	last := ltx.TXID(0)
	if n := len(p.states); n > 0 {
		last = p.states[n-1]
	}
	if latest := p.timeline.Latest(); latest > last {
		p.problem("", fmt.Sprintf("the transactions after %s and up to %s have no moment: something is missing, or damaged",
			last, latest))
	}
}

func (p *ltxReplay) run(ctx context.Context, from, to int, do func(*step) error) error {
	first := max(0, from-1)
	state, err := p.rebase(ctx, first)
	if err != nil {
		return err
	}
	s := &step{point: state, base: first < from, first: true, whole: true, span: ltx.Range{Min: 1, Max: state.TXID}}
	if leads := p.leading(0, state.TXID); first == from && leads != nil {
		s.stored = leads.Size
	}
	if err := p.pass(s, do); err != nil {
		return err
	}
	places := func(yield func(int, error) bool) {
		for i := first + 1; i <= to && yield(i, nil); i++ {
		}
	}
	for s, err := range ordered.Map(ctx, replica.HeaderReads, places, p.read) {
		if err != nil {
			return p.explain(ctx, err)
		}
		if p.progress != nil {
			p.progress(s.place-first, to-first)
		}
		if err := p.advance(ctx, s); err != nil {
			return p.explain(ctx, err)
		}
		if err := p.pass(&s.step, do); err != nil {
			return p.explain(ctx, err)
		}
	}
	return nil
}

// explain says that a file that is missing means that the replica has changed meanwhile.
func (p *ltxReplay) explain(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case isMissing(err) && !errors.Is(err, view.ErrGone):
		return fmt.Errorf("%w: %w", view.ErrGone, err)
	}
	return err
}

func (p *ltxReplay) pass(s *step, do func(*step) error) error {
	s.db, s.pageSize = &p.layers, p.layers.pageSize
	return do(s)
}

// ltxStep is a step as its files say it.
type ltxStep struct {
	step
	place int
	layer *layer // that leads there; nil if a snapshot does
}

// read reads the page indexes of the files of a step.
func (p *ltxReplay) read(ctx context.Context, i int) (*ltxStep, error) {
	before, now := p.states[i-1], p.states[i]
	s := &ltxStep{place: i}
	leads, around := p.leading(before, now), p.around(before, now)
	if leads == nil || around == nil {
		return nil, fmt.Errorf("no file leads from transaction %s to %s", before, now)
	}
	var err error
	if leads.MinTXID > 1 {
		if s.layer, err = p.readLayer(ctx, leads); err != nil {
			return nil, err
		}
	}
	s.span, s.stored, s.whole = ltx.Range{Min: around.MinTXID, Max: around.MaxTXID}, around.Size, around.MinTXID == 1
	changed := s.layer
	if around != leads && !s.whole {
		if changed, err = p.readLayer(ctx, around); err != nil {
			return nil, err
		}
	}
	for k := 0; !s.whole && k < changed.outline.Index.Len(); k++ {
		pgno, _, _ := changed.outline.Index.At(k)
		s.pages = append(s.pages, pgno)
	}
	if s.layer != nil && leads.Level != ltx.SnapshotLevel && p.timeline.Ends[p.timeline.End(now)] == leads {
		s.point = replica.Point{TXID: now, Time: ltx.Time(s.layer.outline.Header)}
		return s, nil
	}
	s.point, err = p.timeline.Point(ctx, now)
	return s, err
}

// leading is the file that leads from a moment to the next one, with the fewest transactions. There
// is one, or the next one would not be a moment.
func (p *ltxReplay) leading(before, now ltx.TXID) (found *ltx.FileInfo) {
	for _, f := range p.timeline.Files {
		fits := f.MaxTXID == now && f.MinTXID <= before+1 && !p.isUseless(f)
		if fits && (found == nil || f.MinTXID > found.MinTXID) {
			found = f
		}
	}
	return found
}

// around is the file with the fewest transactions that has all of those between two moments.
func (p *ltxReplay) around(before, now ltx.TXID) (found *ltx.FileInfo) {
	for _, f := range p.timeline.Files {
		fits := f.MinTXID <= before+1 && f.MaxTXID >= now && !p.isUseless(f)
		if fits && (found == nil || f.MaxTXID-f.MinTXID < found.MaxTXID-found.MinTXID) {
			found = f
		}
	}
	return found
}

func (p *ltxReplay) isUseless(f *ltx.FileInfo) bool {
	for _, u := range p.timeline.Useless {
		if u == f {
			return true
		}
	}
	return false
}

// advance makes the database that of a step.
func (p *ltxReplay) advance(ctx context.Context, s *ltxStep) error {
	if s.layer == nil || p.layers.isFull() {
		_, err := p.rebase(ctx, s.place)
		return err
	}
	return p.layers.add(s.layer)
}
