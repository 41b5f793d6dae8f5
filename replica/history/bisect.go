package history

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"slices"

	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/restore"
	"github.com/replctl/replicate/replica/view"
)

// BisectOptions say between which moments a change is searched for. The zero value is all of them.
type BisectOptions struct {
	From *restore.Target // the first moment that there is if nil
	To   restore.Target  // the latest if zero

	// While is an SQL expression of value, such as "value < 100": the change is then the first
	// moment at which it is not true. Without it, it is the first at which the value differs from
	// that at From.
	While string

	// All looks at every moment, and finds every change. The question is asked again where a page
	// has changed that the answer before was made of: it must not depend on anything else.
	All bool

	View view.Options // of each view; MaxBytes is for all of them together

	// Progress, if set, is told of each moment that was asked, and how many are left at most.
	Progress func(v Value, left int)
}

// Boundary is two moments, one after the other, with different answers.
type Boundary struct{ Before, After Value }

// Bisection is what [Bisect] has found.
type Bisection struct {
	From, To Value
	Same     bool // the answers at From and To are the same
	Moments  int  // from From to To, both included
	Asked    int  // how often the question was asked; without All, each time of a view of its own

	// Boundaries are where the answer changed, the oldest first. Without [BisectOptions.All] it is at
	// most one. If Same, that is one of several, and none means that all moments that were asked
	// had the same answer. If not, it is the only one, or one of several.
	Boundaries []Boundary

	Stats view.Stats // of all views
}

// ErrNoMoments: there is no moment between the two, or they are not in that order.
var ErrNoMoments = errors.New("no moments to search")

// Bisect finds a moment at which the answer to SQL changed, by binary search. The SQL gives one
// value; no row is NULL. If it fails at one of two moments, as before a table was made, the answers
// differ; if it fails at both ends, that is the error, a *[query.Error].
//
// It opens ceil(log2(N-1))+2 views for N moments. If the answers at both ends are the same, it asks
// at up to log2(N) moments between, and searches before the first that differs: in all that is up to
// twice as many views.
func Bisect(ctx context.Context, src replica.Source, sql string, opts BisectOptions) (*Bisection, error) {
	b := &bisector{src: src, opts: opts, question: question{sql, opts.While}, out: &Bisection{}}
	if err := b.run(ctx); err != nil {
		return nil, fmt.Errorf("bisect: %w", err)
	}
	return b.out, nil
}

type bisector struct {
	src      replica.Source
	opts     BisectOptions
	question question
	moments  *momentList
	values   map[int]Value
	out      *Bisection
}

func (b *bisector) run(ctx context.Context) error {
	lo, hi, err := b.ends(ctx)
	if err != nil {
		return err
	}
	b.out.Moments, b.out.Same = hi-lo+1, b.question.same(b.out.From, b.out.To)
	if b.opts.All {
		return b.scan(ctx, lo, hi)
	}
	if b.out.Same {
		lo, hi, err = b.sample(ctx, lo, hi)
	}
	if err != nil || hi <= lo {
		return err
	}
	return b.search(ctx, lo, hi)
}

// ends asks at both ends, and returns their places.
func (b *bisector) ends(ctx context.Context) (lo, hi int, err error) {
	b.values = map[int]Value{}
	to, state, err := b.ask(ctx, b.opts.To)
	if err != nil {
		return 0, 0, err
	}
	files, err := replica.Open(ctx, b.src)
	if err == nil {
		b.moments, err = listMoments(ctx, files, state.Format)
	}
	if err != nil {
		return 0, 0, err
	}
	if b.moments.len() == 0 {
		return 0, 0, ErrNoMoments
	}
	hi = b.moments.find(state)
	target := b.moments.target(0)
	if b.opts.From != nil {
		target = *b.opts.From
	}
	from, begin, err := b.ask(ctx, target)
	if err != nil {
		return 0, 0, err
	}
	if begin.Format != state.Format {
		return 0, 0, fmt.Errorf("%w: the one is in the %s data, the other in the %s data", ErrNoMoments,
			begin.Format, state.Format)
	}
	if lo = b.moments.find(begin); lo > hi {
		return 0, 0, fmt.Errorf("%w: the first is after the last, %s after %s", ErrNoMoments,
			replica.FormatTime(begin.Time), replica.FormatTime(state.Time))
	}
	if from.Err != nil && to.Err != nil && from.Err.Message == to.Err.Message {
		return 0, 0, from.Err
	}
	b.values[lo], b.values[hi] = from, to
	b.out.From, b.out.To = from, to
	return lo, hi, nil
}

// ask asks at a moment.
func (b *bisector) ask(ctx context.Context, target restore.Target) (Value, view.State, error) {
	opts := b.opts.View
	if opts.MaxBytes > 0 {
		if opts.MaxBytes -= b.out.Stats.Bytes; opts.MaxBytes <= 0 {
			return Value{}, view.State{}, view.ErrMaxBytes
		}
	}
	v, err := view.Open(ctx, b.src, target, opts)
	if err != nil {
		return Value{}, view.State{}, err
	}
	defer v.Close()
	s := v.State()
	value, err := b.question.at(ctx, v, opts.TempDir, replica.Point{TXID: s.TXID, Pos: s.Pos, Time: s.Time})
	b.out.Asked++
	addStats(&b.out.Stats, v.Stats())
	return value, s, err
}

func addStats(sum *view.Stats, s view.Stats) {
	sum.Requests += s.Requests
	sum.Bytes += s.Bytes
	sum.Cached += s.Cached
	sum.CacheHits += s.CacheHits
}

// askAt asks at a moment by its place; left is how many moments are then asked yet.
func (b *bisector) askAt(ctx context.Context, i, left int) (Value, error) {
	if v, ok := b.values[i]; ok {
		return v, nil
	}
	v, _, err := b.ask(ctx, b.moments.target(i))
	if err != nil {
		return Value{}, err
	}
	b.values[i] = v
	if b.opts.Progress != nil {
		b.opts.Progress(v, left)
	}
	return v, nil
}

// search finds the change between two moments with different answers.
func (b *bisector) search(ctx context.Context, lo, hi int) error {
	for hi-lo > 1 {
		mid := lo + (hi-lo)/2
		v, err := b.askAt(ctx, mid, bits.Len(uint(hi-mid-1)))
		switch {
		case isGone(err):
			b.forget(mid)
			hi--
		case err != nil:
			return err
		case b.question.same(v, b.out.From):
			lo = mid
		default:
			hi = mid
		}
	}
	b.out.Boundaries = []Boundary{{b.values[lo], b.values[hi]}}
	return nil
}

// isGone reports whether a moment is not there any more.
func isGone(err error) bool {
	return errors.Is(err, restore.ErrNoSuchState) || errors.Is(err, view.ErrGone)
}

// forget removes a moment, and moves those after it.
func (b *bisector) forget(gone int) {
	b.moments.without(gone)
	b.out.Moments--
	moved := map[int]Value{}
	for i, v := range b.values {
		if i > gone {
			i--
		}
		moved[i] = v
	}
	b.values = moved
}

// sample asks at moments between two with the same answer: the one in the middle, those in the
// middle of both halves, and so on, log2(N) in all. It returns two places with different answers,
// or the same place twice if it has found none.
func (b *bisector) sample(ctx context.Context, lo, hi int) (from, to int, err error) {
	most := bits.Len(uint(hi - lo))
	gaps := [][2]int{{lo, hi}}
	for asked := 0; asked < most && len(gaps) > 0; {
		gap := gaps[0]
		gaps = gaps[1:]
		mid := gap[0] + (gap[1]-gap[0])/2
		if mid == gap[0] {
			continue
		}
		v, err := b.askAt(ctx, mid, most-asked)
		if err != nil && !isGone(err) {
			return 0, 0, err
		}
		if asked++; err == nil && !b.question.same(v, b.out.From) {
			return b.lastSame(mid), mid, nil
		}
		gaps = append(gaps, [2]int{gap[0], mid}, [2]int{mid, gap[1]})
	}
	return lo, lo, nil
}

// lastSame is the last moment before another that was asked: all of these have the same answer.
func (b *bisector) lastSame(before int) int {
	var asked []int
	for i := range b.values {
		if i < before {
			asked = append(asked, i)
		}
	}
	return slices.Max(asked)
}

// scan asks at every moment at which a page has changed that the answer before was made of.
func (b *bisector) scan(ctx context.Context, lo, hi int) error {
	r := &replay{src: b.src, opts: b.opts.View, only: b.moments.format}
	from, to := b.out.From.Point, b.out.To.Point
	if r.between = (ltx.Range{Min: from.TXID, Max: to.TXID}); to.TXID == 0 {
		r.since, r.until = from.Time, to.Time
	}
	var last *Value
	var made *reading
	asked := b.out.Asked
	begin := func() { b.out.Boundaries, b.out.Moments, b.out.Asked, last, made = nil, 0, asked, nil, nil }
	err := r.run(ctx, begin, func(s *step) error {
		if s.base {
			return nil
		}
		b.out.Moments++
		if needed, err := made.isStale(s, s.db.Size()); err != nil {
			return err
		} else if !needed {
			last.Point = s.point
			return nil
		}
		made = newReading(s)
		v, err := b.question.at(ctx, made, b.opts.View.TempDir, s.point)
		if err != nil {
			return err
		}
		b.out.Asked++
		if last != nil && !b.question.same(*last, v) {
			b.out.Boundaries = append(b.out.Boundaries, Boundary{*last, v})
		}
		if last = &v; b.opts.Progress != nil {
			b.opts.Progress(v, hi-lo+1-b.out.Moments)
		}
		return nil
	})
	addStats(&b.out.Stats, r.meter.stats())
	return err
}
