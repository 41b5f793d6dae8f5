package fleet

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"strings"
	"time"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/lease"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/restore"
	"github.com/replctl/replicate/v3compat"
)

// Look says what one replica is good for. What cannot be read is in Err, and a place
// without a replica is Empty.
func Look(ctx context.Context, src replica.Source, opts Options) *Database {
	db := &Database{}
	files, err := replica.Open(ctx, src)
	if err != nil {
		db.Verdict, db.Err = Unknown, err
		return db
	}
	look(ctx, db, files.Store, files.Layout, opts)
	return db
}

// look looks at the replica in a directory of the walk. It is nil if none is there, and something
// else has the names of one.
func (w *walk) look(ctx context.Context, dir string) *Database {
	db := &Database{Path: strings.TrimSuffix(dir, "/")}
	if foreign := look(ctx, db, below(w.store, dir), -1, w.opts); foreign {
		return nil
	}
	return db
}

// look fills in what is known of a replica whose root is that of a store. It is foreign if no
// object of a replica is there, and others are in its directories. A layout below 0 is that of the files
// that are there.
func look(ctx context.Context, db *Database, store blob.Store, layout ltx.Layout, opts Options) (foreign bool) {
	l := &looker{Database: db, store: store, layout: layout, opts: opts}
	names, err := listNames(ctx, store)
	if err != nil { // what a plan lists may be listed all the same, or says itself that it may not
		names = nil
	}
	if layout < 0 {
		if l.layout, err = layoutOf(ctx, store, names); err != nil {
			l.Verdict, l.Err = Unknown, err
			return false
		}
	}
	if opts.Sizes {
		l.count(ctx, names)
	}
	l.judge(ctx, names)
	inDoubt := l.Verdict == Broken || l.Verdict == Empty || l.Err != nil
	if names != nil && (!names.whole && inDoubt || errors.Is(l.Err, fs.ErrNotExist)) {
		// The ends of the levels do not show what leads to the newest state; or what they
		// showed is gone by now.
		*db = Database{Path: db.Path, Objects: db.Objects, Bytes: db.Bytes}
		l.judge(ctx, nil)
	}
	return l.Verdict == Empty && names != nil && names.foreign()
}

// layoutOf is that of the LTX files that are there, as a client finds it.
func layoutOf(ctx context.Context, store blob.Store, names *names) (ltx.Layout, error) {
	if names != nil {
		store = names
	}
	open := func(context.Context) (blob.Store, error) { return store, nil }
	_, layout, err := replica.NewClient("fleet", ltx.LayoutS3, open).Open(ctx)
	return layout, err
}

// looker looks at one replica.
type looker struct {
	*Database
	store  blob.Store
	layout ltx.Layout
	opts   Options
}

// judge says what a replica is good for, by the names that were listed; nil: lists it.
func (l *looker) judge(ctx context.Context, names *names) {
	src := source{l.store, l.layout}
	if names != nil {
		src.store = names
	}
	files := &replica.Files{Store: src.store, Layout: src.layout}
	plan, err := restore.NewPlan(ctx, src, restore.Target{})
	var unreachable *restore.PlanError
	switch {
	case errors.Is(err, replica.ErrNoReplica):
		l.Verdict = Empty
	case errors.As(err, &unreachable):
		l.Verdict, l.Newest = Broken, unreachable.Before
		l.problem(replica.SeverityError, "", unreachable.Reason)
	case err != nil:
		l.Verdict, l.Err = Unknown, err
	default:
		l.Newest = plan.State
		l.Verdict = l.freshness(time.Now())
		for _, note := range plan.Notes {
			l.problem(replica.SeverityWarning, "", note)
		}
	}
	if err == nil || unreachable != nil {
		l.history(ctx, files)
	}
	l.readLease(ctx, files, names)
	l.readDrill(ctx, files, names)
}

// freshness is that of the newest state, which can be restored.
func (l *looker) freshness(now time.Time) Verdict {
	switch {
	case l.Newest.Time.IsZero():
		l.problem(replica.SeverityWarning, "", "of when its newest state is, is not known")
		return Unknown
	case now.Sub(l.Newest.Time) > cmp.Or(l.opts.MaxAge, DefaultMaxAge):
		return Stale
	}
	return Fresh
}

// history finds which formats there are, and the oldest state that can be restored.
func (l *looker) history(ctx context.Context, files *replica.Files) {
	all, err := files.All(ctx)
	if err == nil && len(all) > 0 {
		l.Formats = append(l.Formats, replica.FormatLTX)
		timeline := files.Timeline(all, nil)
		if states := timeline.Chain.Restorable(); len(states) > 0 {
			l.Oldest, err = timeline.Point(ctx, states[0])
		}
	}
	l.doubt(err)
	generations, err := files.Backup().ListAll(ctx)
	l.doubt(err)
	if len(generations) == 0 {
		return
	}
	l.Formats = append(l.Formats, replica.FormatV3)
	points, err := v3compat.NamesOnly(generations...).AllPoints(ctx)
	l.doubt(err)
	for _, p := range points {
		if l.Oldest.IsZero() || p.Time.Before(l.Oldest.Time) {
			l.Oldest = replica.Point{Pos: p.Pos, Time: p.Time}
		}
	}
}

// doubt notes what cannot be read, and does not matter for the newest state.
func (l *looker) doubt(err error) {
	switch {
	case err == nil:
	case replica.IsDamage(err):
		l.problem(replica.SeverityWarning, "", "since when it can be restored is not known: "+err.Error())
	case l.Err == nil:
		l.Err, l.Verdict = err, Unknown
	}
}

func (l *looker) readLease(ctx context.Context, files *replica.Files, names *names) {
	if names != nil && names.whole && !names.infos.Has(lease.DefaultFile) {
		return
	}
	record, doubt, err := files.ReadLease(ctx)
	switch {
	case err != nil && blob.IsObjects(err):
		l.problem(replica.SeverityError, lease.DefaultFile, err.Error())
	case err != nil && l.Err == nil:
		l.Err, l.Verdict = err, Unknown
	case doubt != nil && record.State == lease.Corrupt:
		l.problem(replica.SeverityError, lease.DefaultFile, doubt.Error())
	case doubt != nil:
		l.problem(replica.SeverityInfo, lease.DefaultFile, doubt.Error())
	}
	l.Lease = record
}

func (l *looker) readDrill(ctx context.Context, files *replica.Files, names *names) {
	if names != nil && names.whole && !names.infos.Has(replica.DrillsKey) {
		return
	}
	switch drills, err := files.ReadDrills(ctx); {
	case err != nil:
		l.problem(replica.SeverityWarning, replica.DrillsKey, err.Error())
	case len(drills) > 0:
		l.Drill = &drills[0]
	}
}

// count counts what belongs to the formats.
func (l *looker) count(ctx context.Context, names *names) {
	var store blob.Reader = l.store
	if names != nil && names.whole {
		store = names
	}
	for info, err := range store.List(ctx, "", blob.ListOptions{}) {
		if err != nil {
			l.Err = err
			return
		}
		if belongs(info.Key) {
			l.Objects++
			l.Bytes += info.Size
		}
	}
}

// source is a replica that is open.
type source struct {
	store  blob.Store
	layout ltx.Layout
}

func (s source) Open(context.Context) (blob.Store, ltx.Layout, error) { return s.store, s.layout, nil }
