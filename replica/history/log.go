package history

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/replctl/replicate/replica/diff"

	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/view"
)

// LogOptions say which moments are listed. The zero value is all of them.
type LogOptions struct {
	Since, Until time.Time // both included

	// Table leaves out the moments that have not changed this table, nor made or dropped it. Case
	// does not matter. [diff.ErrNoTable] if no moment has it.
	Table string

	// Limit, unless zero, is how many moments are listed, the newest.
	Limit int

	// Rows counts the rows that each moment has inserted, updated and deleted, by table. It opens a
	// view of each moment, and reads where pages have changed: see [Compare].
	Rows bool

	View view.Options // of the views that are opened; MaxBytes is for all that is read

	// Progress, if set, is told how much of the work is done.
	Progress func(done, total int)
}

// Entry is a moment of a log, and what was written since the moment before.
type Entry struct {
	replica.Point
	Before replica.Point // the moment before; zero for the first, and for that of a chain of a v0.3 backup
	Size   int64         // of the database, in bytes
	Stored int64         // size of the object that has what was written

	// Pages is how many pages were written. Whole says that it is all there are: no moment comes
	// before, or only a snapshot is left.
	Pages int
	Whole bool

	// Of is the transactions that wrote the pages, of an LTX replica: more than those that lead to
	// this moment where only a larger file has these.
	Of ltx.Range

	Schema bool         // the schema changed
	Tables []TablePages // that were written, by name
}

// TablePages is a table, and how many pages of it and of its indexes were written. Overflow pages, which
// have long values, are not among them.
type TablePages struct {
	Name  string
	Pages int
	Rows  *diff.Counts // with Rows; nil if there is no moment before, or if the rows cannot be compared
}

// History is what [Log] and [RowHistory] have read.
type History struct {
	More     bool              // there are older moments, or states, than those that Limit allows
	Problems []replica.Problem // why moments may be missing: what is damaged was passed over
	Stats    view.Stats
}

// Log lists the moments of a replica, the newest first: of both formats, if it has both. The error
// is replica.ErrNoReplica where there is none.
func Log(ctx context.Context, src replica.Source, opts LogOptions) ([]Entry, *History, error) {
	l := &logger{table: strings.ToLower(opts.Table), limit: opts.Limit}
	r := &replay{src: src, opts: opts.View, since: opts.Since, until: opts.Until, progress: opts.Progress}
	if opts.Table == "" && opts.Limit > 0 {
		r.last = opts.Limit + 1 // one more tells whether there are more
	}
	begin := func() { l.entries, l.known, l.more = nil, nil, false }
	err := r.run(ctx, begin, func(s *step) error { return l.step(ctx, s) })
	if err == nil && opts.Table != "" && !l.found {
		err = fmt.Errorf("%s: %w", opts.Table, diff.ErrNoTable)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("log: %w", err)
	}
	slices.SortStableFunc(l.entries, func(a, b Entry) int { return a.Time.Compare(b.Time) })
	l.cut()
	if opts.Rows {
		if err := r.countRows(ctx, l.entries, opts.Table); err != nil {
			return nil, nil, fmt.Errorf("log: %w", err)
		}
	}
	slices.Reverse(l.entries)
	return l.entries, &History{More: l.more, Problems: r.problems, Stats: r.meter.stats()}, nil
}

// logger makes entries of steps.
type logger struct {
	table   string // in lower case
	limit   int
	entries []Entry
	known   *owners // of the step before
	point   replica.Point
	found   bool // the table, at any step
	more    bool
}

func (l *logger) step(ctx context.Context, s *step) error {
	before := l.known
	now, err := findOwners(ctx, s, before)
	if err != nil {
		return err
	}
	last := l.point
	l.known, l.point = now, s.point
	l.found = l.found || l.table != "" && slices.ContainsFunc(now.tables(), l.isTable)
	if s.base {
		return nil
	}
	e := Entry{Point: s.point, Size: s.db.Size(), Stored: s.stored, Pages: len(s.pages), Whole: s.whole, Of: s.span}
	if !s.first {
		e.Before = last
	}
	e.Schema = before != nil && before.cookie != now.cookie
	if s.whole {
		e.Pages = int(s.db.Size() / int64(s.pageSize))
	}
	e.Tables = touched(s, before, now)
	if l.table == "" || slices.ContainsFunc(e.Tables, func(t TablePages) bool { return l.isTable(t.Name) }) {
		l.entries = append(l.entries, e)
	}
	if len(l.entries) > 2*l.limit+1000 {
		l.cut()
	}
	return nil
}

func (l *logger) isTable(name string) bool { return strings.ToLower(name) == l.table }

// cut leaves the newest entries.
func (l *logger) cut() {
	if n := len(l.entries) - l.limit; l.limit > 0 && n > 0 {
		l.entries, l.more = slices.Clone(l.entries[n:]), true
	}
}

// touched are the tables of the pages of a step: those that they belong to, and those that they
// belonged to before. Tables that were made or dropped are among them.
func touched(s *step, before, now *owners) []TablePages {
	pages := map[string]int{}
	if s.whole {
		for pgno := range now.of {
			pages[now.table(uint32(pgno))]++
		}
	}
	isSchema := before == nil || before.cookie != now.cookie
	for _, pgno := range s.pages {
		if pgno == 1 && !isSchema {
			continue // its header says how large the database is
		}
		was, is := before.table(pgno), now.table(pgno)
		if is == "" {
			is = was
		}
		if pages[is]++; was != is && was != "" {
			pages[was]++
		}
	}
	if before != nil && isSchema {
		for _, one := range [][2]*owners{{before, now}, {now, before}} {
			others := one[1].tables()
			for _, name := range one[0].tables() {
				if _, found := slices.BinarySearch(others, name); !found {
					pages[name] += 0
				}
			}
		}
	}
	delete(pages, "")
	tables := []TablePages{}
	for _, name := range slices.Sorted(maps.Keys(pages)) {
		tables = append(tables, TablePages{Name: name, Pages: pages[name]})
	}
	return tables
}
