package replicate

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/ltx"
)

// LastLTXFile returns the last file of a level whose true time is at or before t,
// with that time, which is its header's, as CreatedAt. It is nil if all files are
// later, or there are none.
//
// The level is not listed: names are numbers, so that the search can ask a store
// behind a network for a few names from anywhere on, guess from two times where t is
// between them, and halve what is left where guesses fail. Among 5,000 files it takes
// some 10 requests where time passes evenly, at most 20; where it does not, a few for
// each bit of the range of transactions. Time is assumed to grow with the
// transaction, as by [TimeIndex]: that is the better one for several searches in a
// level, or where its listing is wanted anyway. A directory, where a few names cost as
// much as all, is listed once for a TimeIndex. The file, and the one after it, are
// confirmed as there.
func (c *StoreClient) LastLTXFile(ctx context.Context, level int, t time.Time) (*ltx.FileInfo, error) {
	if err := ltx.CheckLevel(level); err != nil {
		return nil, fmt.Errorf("find the last ltx file: %w", err)
	}
	store, layout, err := c.init(ctx)
	if err != nil {
		return nil, err
	}
	if k, ok := store.(blob.ModTimeKeeper); ok && k.KeepsModTime() { // a directory
		x, err := c.TimeIndex(ctx, level)
		if err != nil {
			return nil, err
		}
		return x.Last(ctx, t)
	}
	s := timeSearch{store: store, prefix: layout.LevelPrefix(level), level: level, t: t, c: c, seen: map[*ltx.FileInfo]headerTime{}}
	info, err := s.last(ctx)
	if err != nil {
		return nil, fmt.Errorf("find the last file at or before %s: %w", t.Format(time.RFC3339Nano), err)
	}
	return info, nil
}

// timeSearch looks for the last file at or before t. Where it read a file's true
// time, that is the file's CreatedAt.
type timeSearch struct {
	store  blob.Reader
	prefix string
	level  int
	t      time.Time
	c      *StoreClient
	seen   map[*ltx.FileInfo]headerTime
	next   *ltx.FileInfo // the first file that is known to be later
}

// last is find, with both sides of t confirmed.
func (s *timeSearch) last(ctx context.Context) (*ltx.FileInfo, error) {
	info, err := s.find(ctx)
	for _, f := range []*ltx.FileInfo{info, s.next} {
		if err == nil && f != nil {
			_, err = s.c.confirmTime(ctx, f, s.seen[f], s.t)
		}
	}
	return info, err
}

func (s *timeSearch) find(ctx context.Context) (*ltx.FileInfo, error) {
	r, err := s.list(ctx, "")
	if err != nil || len(r.files) == 0 {
		return nil, err
	}
	if later, err := s.later(ctx, r.files[0]); err != nil || later {
		return nil, err
	}
	info, known, err := s.along(ctx, byMin, r)
	if err != nil || known {
		return info, err
	}
	info, _, err = s.along(ctx, byMax(info.MinTXID), run{files: []*ltx.FileInfo{info}})
	return info, err
}

// later reads the true time of a file, and reports whether it is after t.
func (s *timeSearch) later(ctx context.Context, f *ltx.FileInfo) (bool, error) {
	seen, err := s.c.headerTime(ctx, f)
	if err != nil {
		return false, err
	}
	f.CreatedAt, s.seen[f] = seen.at, seen
	later := seen.at.After(s.t)
	if later && (s.next == nil || compareNames(f, s.next) < 0) {
		s.next = f
	}
	return later, nil
}

// compareNames orders the files of a level as a listing does.
func compareNames(a, b *ltx.FileInfo) int {
	return cmp.Or(cmp.Compare(a.MinTXID, b.MinTXID), cmp.Compare(a.MaxTXID, b.MaxTXID))
}

// run is files that follow each other. After the last of a whole one there is none.
type run struct {
	files []*ltx.FileInfo
	whole bool
}

// A search looks at runs of about searchPage names: enough to be hit by a guess, and
// no slower to list than two. Through a crowd of foreign names it goes in larger steps.
const (
	searchPage = 100
	crowdPage  = 1000
)

// list returns the files that follow a name of the level. There is no file among
// them only if none follows.
func (s *timeSearch) list(ctx context.Context, after string) (r run, err error) {
	opts := blob.ListOptions{Delimited: true, Limit: searchPage}
	if after != "" {
		opts.After = s.prefix + after
	}
	for {
		n := 0
		for info, err := range s.store.List(ctx, s.prefix, opts) {
			if err != nil {
				return run{}, fmt.Errorf("list ltx files of level %d: %w", s.level, err)
			}
			n++
			if opts.After = info.Key; info.IsPrefix() {
				opts.After = strings.TrimSuffix(info.Key, "/") + "0" // behind all of "name/"; itself no file's name
			}
			if f, ok := levelFile(s.level, s.prefix, info); ok {
				r.files = append(r.files, f)
			}
		}
		if r.whole = n < opts.Limit; r.whole || len(r.files) > 0 {
			return r, nil
		}
		opts.Limit = crowdPage
	}
}

// An axis is one of the two numbers in a name, along which a search goes: first the
// MinTXID of all files, then the MaxTXID of those that have the same MinTXID. It is
// one file mostly, but all of a level of snapshots.
type axis struct {
	of   func(*ltx.FileInfo) ltx.TXID
	name func(ltx.TXID) string      // before those of the files from a number on, behind all others
	has  func(f *ltx.FileInfo) bool // whether a file is on the axis
}

var byMin = axis{
	of:   func(f *ltx.FileInfo) ltx.TXID { return f.MinTXID },
	name: ltx.TXID.String,
	has:  func(*ltx.FileInfo) bool { return true },
}

func byMax(minTXID ltx.TXID) axis {
	return axis{
		of:   func(f *ltx.FileInfo) ltx.TXID { return f.MaxTXID },
		name: func(x ltx.TXID) string { return minTXID.String() + "-" + x.String() },
		has:  func(f *ltx.FileInfo) bool { return f.MinTXID == minTXID },
	}
}

// along looks for the last file at or before t from a run on, whose first file is.
// What it returns is known to be the last one, or else to be the last but for files
// with the same number.
func (s *timeSearch) along(ctx context.Context, a axis, r run) (lo *ltx.FileInfo, known bool, err error) {
	first := r.files[0]
	b := bracket{t: s.t, first: point{a.of(first), first.CreatedAt}, missed: -1}
	for {
		if lo, known, err = s.within(ctx, r); err != nil || known {
			return lo, known, err
		}
		b.raise(point{a.of(lo), lo.CreatedAt}, a.of(lo)-a.of(r.files[0]))
		if r, known, err = s.onward(ctx, a, &b, lo); err != nil || len(r.files) == 0 {
			return lo, known, err
		}
	}
}

// onward looks for a run that begins behind lo, and at or before t. There is none if
// nothing is left of the bracket, or lo is known to be the last file.
func (s *timeSearch) onward(ctx context.Context, a axis, b *bracket, lo *ltx.FileInfo) (r run, known bool, err error) {
	for {
		x, more := b.guess()
		if !more {
			return run{}, false, nil
		}
		after, follows := a.name(x), x-1 == b.lo.x && b.missed < maxMissed
		if follows {
			after = ltx.FormatName(lo.MinTXID, lo.MaxTXID)
		}
		if r, err = s.list(ctx, after); err != nil {
			return run{}, false, err
		}
		later, hi := true, point{}
		if r = a.cut(r); len(r.files) > 0 {
			later, err = s.later(ctx, r.files[0])
			hi = point{a.of(r.files[0]), r.files[0].CreatedAt}
		}
		switch {
		case err != nil:
			return run{}, false, err
		case !later:
			return r, false, nil
		case follows:
			return run{}, true, nil
		}
		b.lower(x, hi)
	}
}

// cut leaves out the files that are not on the axis. They are known to be later.
func (a axis) cut(r run) run {
	for i, f := range r.files {
		if !a.has(f) {
			return run{r.files[:i], true}
		}
	}
	return r
}

// within looks for the last file at or before t in a run, whose first file is. It is
// known to be the last of all if a later one follows in the run, or none.
func (s *timeSearch) within(ctx context.Context, r run) (lo *ltx.FileInfo, known bool, err error) {
	i, j := 0, len(r.files)-1
	if j == 0 {
		return r.files[0], r.whole, nil
	}
	if later, err := s.later(ctx, r.files[j]); err != nil || !later {
		return r.files[j], r.whole, err
	}
	for missed := 0; j-i > 1; {
		width := j - i
		k := i + width/2
		if missed < maxMissed {
			share := between(s.t, r.files[i].CreatedAt, r.files[j].CreatedAt)
			k = i + min(max(1, int(share*float64(width))), width-1)
		}
		later, err := s.later(ctx, r.files[k])
		if err != nil {
			return nil, false, err
		}
		if later {
			j = k
		} else {
			i = k
		}
		if missed++; j-i <= width/2 {
			missed = 0
		}
	}
	return r.files[i], true, nil
}

// maxMissed is how many guesses in a row may leave more than half of what there was.
const maxMissed = 2

// between is where t is from a (0) to b (1).
func between(t, a, b time.Time) float64 {
	return float64(t.Sub(a)) / float64(b.Sub(a))
}

// point is a file's number, and its true time.
type point struct {
	x  ltx.TXID
	at time.Time
}

// bracket is what is known of where t is on an axis.
type bracket struct {
	t         time.Time
	first, lo point    // the first file, and the last one that is known not to be later
	bound     ltx.TXID // no file from here on is at or before t; 0 if that is not known
	hi        point    // the first file from bound on, if there is one
	span      ltx.TXID // the numbers that a page covers, about
	missed    int      // guesses since something was halved
}

func (b *bracket) raise(lo point, span ltx.TXID) {
	width := b.bound - b.lo.x
	b.lo, b.span = lo, max(1, span)
	b.judge(width)
}

func (b *bracket) lower(bound ltx.TXID, hi point) {
	width := b.bound - b.lo.x
	if b.bound == 0 {
		b.missed, width = -1, 0
	}
	b.bound, b.hi = bound, hi
	b.judge(width)
}

// judge counts a guess, as missed unless less than half of the width is left.
func (b *bracket) judge(width ltx.TXID) {
	if b.missed++; b.bound != 0 && b.bound-b.lo.x <= width/2 {
		b.missed = 0
	}
}

// farthest is how many times as far as it has come a search goes in one step, on the
// way to the first file that is later.
const farthest = 32

// guess returns where to look next, from lo.x+1 to below the bound, if that leaves
// anything.
func (b *bracket) guess() (x ltx.TXID, more bool) {
	room := maxTXID - b.lo.x
	if b.bound != 0 {
		room = b.bound - b.lo.x - 1
	}
	if room == 0 {
		return 0, false
	}
	ahead := float64(b.span) / 2 // so that what is sought is in the middle of the page
	var step float64
	switch width := float64(room); {
	case b.bound != 0 && b.missed >= maxMissed:
		step = width / 2
	case b.bound != 0 && !b.hi.at.IsZero():
		step = float64(b.hi.x-b.lo.x)*between(b.t, b.lo.at, b.hi.at) - ahead
	case b.bound != 0: // the end is near, and it is more likely near lo than near the bound
		step = min(b.even()-ahead, math.Sqrt(width*float64(b.span)))
	default:
		step = farthest * (float64(b.lo.x-b.first.x) + float64(b.span))
		if b.missed < maxMissed {
			step = min(step, b.even()-ahead)
		}
	}
	return b.lo.x + clamp(step, room), true
}

// even is how far t is from lo if time goes on as it did up to there.
func (b *bracket) even() float64 {
	if b.lo.x == b.first.x {
		return math.Inf(1)
	}
	return float64(b.lo.x-b.first.x) * (between(b.t, b.first.at, b.lo.at) - 1)
}

// clamp is a step as a number from 1 to room.
func clamp(step float64, room ltx.TXID) ltx.TXID {
	switch {
	case !(step > 1): // also what is not a number
		return 1
	case step >= float64(room):
		return room
	}
	return ltx.TXID(step)
}
