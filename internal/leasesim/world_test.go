package leasesim

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/clock"
	"github.com/replctl/replicate/internal/clock/faketime"
	"github.com/replctl/replicate/lease"
)

// Times of every history.
const (
	ttl     = 30 * time.Second
	guard   = 3 * time.Second
	maxSkew = 2 * time.Second
	bound   = guard + maxSkew
)

// setup is what a history is made of, but for its seed.
type setup struct {
	contenders int
	ops        int           // of leasers, after which it ends
	storeTime  bool          // the store tells its time
	skew       time.Duration // wall clocks are within so much of each other
	jump       time.Duration // they are set by so much at most, within skew if there is no store time; not at all if zero
	suspends   bool          // machines are suspended
	stops      bool          // processes are stopped
	faults     float64       // share of requests that go wrong
	drift      float64       // clocks run fast or slow by so much
	wrongStore time.Duration // each answer tells a time of the store that is wrong by up to so much
	data       bool          // holders write data, too

	// Planted bugs; nil for none.
	store   func(*process, cas.Store) cas.Store
	leaser  func(*process, leaser) leaser
	session func(*process, clock.Clock) clock.Clock
	runner  func(context.Context, replicate.Leaser, lease.Options, func(context.Context, *lease.Session) error) error
	// uncounted: data is written by a client that does not tell the session of its requests.
	uncounted bool
}

// world is one history while it runs, and what it leaves.
type world struct {
	setup
	seed  uint64
	start time.Time
	mem   cas.Memory
	ctx   context.Context
	end   context.CancelFunc

	mu         sync.Mutex
	seq        int64 // of events
	history    []*operation
	sessions   []*tracked
	machines   []*machine
	generation int64 // of the last session
	fenced     int64 // of the last work done under a valid session
	content    int64 // generation of the data
	stored     int64 // of the record
	violations []string
	notes      []string // of what happened to machines
	events     map[lease.EventKind]int
}

// machine is where a contender's processes run, one after the other.
type machine struct {
	*faketime.Clock
	id        int
	disturbed time.Time    // last time that it was halted, went on, or was set
	changes   atomic.Int64 // of its clock
	cut       atomic.Int64 // no request gets through until then, in nanoseconds of true time
}

// process is one life of a contender.
type process struct {
	w       *world
	machine *machine
	name    string
	rand    *rand.Rand // of the contender's own doing
	dead    atomic.Bool
	gone    chan struct{} // closed when dead
	leaser  leaser
	leftOut atomic.Int64 // by the mutant that leaves out what requests take
}

var errDead = errors.New("process is dead")

func newWorld(seed uint64, s setup) *world {
	w := &world{setup: s, seed: seed, start: time.Now(), events: make(map[lease.EventKind]int)}
	w.ctx, w.end = context.WithCancel(context.Background())
	return w
}

// draw is chance, as a function of who asks, for what, and when: so that it does
// not depend on the order of goroutines.
func (w *world) draw(who int, what string) *rand.Rand {
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%d %d %s %d", w.seed, who, what, time.Since(w.start))
	return rand.New(rand.NewPCG(h.Sum64(), w.seed))
}

func (w *world) violate(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.violations = append(w.violations, fmt.Sprintf("%v: ", time.Since(w.start))+fmt.Sprintf(format, args...))
}

// log is the operations, in the order in which they were called.
func (w *world) log() (lines []string) {
	lines = slices.Clone(w.notes)
	for _, o := range w.history {
		lines = append(lines, o.String())
	}
	return lines
}

func (w *world) over() bool { return w.ctx.Err() != nil }

// run is the history. It must be called in a bubble.
func (w *world) run() {
	var everybody sync.WaitGroup
	for i := range w.contenders {
		m := &machine{id: i, Clock: faketime.New(w.anySkew(w.draw(i, "clock")))}
		m.Drift(w.anyDrift(w.draw(i, "drift")))
		w.machines = append(w.machines, m)
	}
	for _, m := range w.machines {
		everybody.Go(func() { w.live(m) })
		everybody.Go(func() { w.disturb(m) })
	}
	everybody.Go(w.watch)
	everybody.Wait()
	time.Sleep(time.Hour) // requests arrive, and what goes on behind a dead process ends
}

func (w *world) anySkew(r *rand.Rand) time.Duration {
	if w.skew == 0 {
		return 0
	}
	switch r.IntN(4) { // the ends of what is allowed, most often
	case 0:
		return -w.skew / 2
	case 1:
		return w.skew / 2
	}
	return rand2(r, -w.skew/2, w.skew/2)
}

// anyDrift is the rate of a clock: at one of the ends of what is allowed, or right.
func (w *world) anyDrift(r *rand.Rand) float64 {
	return w.drift * float64(r.IntN(3)-1)
}

// rand2 is a duration between two.
func rand2(r *rand.Rand, from, to time.Duration) time.Duration {
	return from + time.Duration(r.Int64N(int64(to-from)+1))
}

func (w *world) newProcess(m *machine, life int) *process {
	p := &process{w: w, machine: m, name: fmt.Sprintf("contender %d", m.id), gone: make(chan struct{})}
	p.rand = w.draw(m.id, fmt.Sprintf("life %d", life))
	store := p.open(&network{settles: true, applied: w.applied})
	var l leaser = lease.NewLeaser("simulated",
		func() lease.Config {
			return lease.Config{Owner: p.name, TTL: ttl, MaxTTL: ttl, MaxSkew: maxSkew}.WithClock(leaserClock{p})
		},
		func(context.Context) (cas.Store, error) { return store, nil })
	if w.leaser != nil {
		l = w.leaser(p, l)
	}
	p.leaser = &recorder{leaser: l, p: p}
	return p
}

// open returns the store as the process sees it.
func (p *process) open(n *network) cas.Store {
	n.w, n.p = p.w, p
	var store cas.Store = n
	if p.w.store != nil {
		store = p.w.store(p, store)
	}
	return store
}

// die ends a process, as SIGKILL does: nothing of it runs on.
func (p *process) die() {
	p.dead.Store(true)
	close(p.gone)
}

func (p *process) options() lease.Options {
	var c clock.Clock = sessionClock{p}
	if p.w.session != nil {
		c = p.w.session(p, c)
	}
	patience := ttl / 3 * time.Duration(1+p.rand.IntN(2))
	return lease.Options{Guard: guard, AttemptTimeout: patience, PollEvery: pollTick, OnEvent: func(e lease.Event) {
		p.w.mu.Lock()
		defer p.w.mu.Unlock()
		p.w.events[e.Kind]++
	}}.WithClock(c)
}

// pollTick is so short that it has no jitter, which would not be of the seed; the
// clock makes it longer.
const pollTick = 1

// sessionClock is the machine's, with timers that are late.
type sessionClock struct{ p *process }

func (c sessionClock) Now() clock.Instant { return c.p.machine.Now() }

func (c sessionClock) Sleep(ctx context.Context, d time.Duration) error {
	if c.p.dead.Load() {
		return errDead
	}
	r := c.p.w.draw(c.p.machine.id, "sleep "+d.String())
	if d == pollTick {
		d = rand2(r, 2*time.Second, 15*time.Second)
		if r.IntN(4) == 0 {
			d = rand2(r, 50*time.Millisecond, time.Second)
		}
	}
	late := rand2(r, 0, time.Millisecond)
	if r.IntN(100) == 0 {
		late = rand2(r, 0, maxLate)
	}
	due := time.Now().Add(d + late)
	err := c.p.machine.Sleep(ctx, d+late)
	if time.Now().After(due) { // all that slept through a halt wake up, one after the other
		time.Sleep(rand2(r, 1, time.Millisecond))
	}
	if c.p.dead.Load() {
		return errDead
	}
	if err == nil {
		err = context.Cause(ctx)
	}
	return err
}

const maxLate = time.Second

// leaserClock is the machine's. Whoever has looked at it may be held up before
// anything comes of it.
type leaserClock struct{ p *process }

func (c leaserClock) Now() clock.Instant {
	now := c.p.machine.Now()
	if r := c.p.w.draw(c.p.machine.id, "look at the clock"); c.p.w.stops && r.IntN(300) == 0 {
		pause := ttl
		if c.p.w.storeTime {
			pause = slowestRead / 2 // it counts as part of the round trip
		}
		time.Sleep(rand2(r, 0, pause))
	}
	return now
}

func (c leaserClock) Sleep(ctx context.Context, d time.Duration) error {
	return c.p.machine.Sleep(ctx, d)
}

// note adds what happened to the log.
func (w *world) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.notes = append(w.notes, fmt.Sprintf("%v: machine ", time.Since(w.start))+fmt.Sprintf(format, args...))
}
