package leasesim

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/replctl/replicate"
)

// lock is the state of the model: a lock with fencing numbers.
type lock struct {
	generation int64
	owner      string
	etag       string        // that the holder knows; empty if nobody was told of this generation
	released   bool          // or never held
	untold     bool          // released, and the holder was not told
	until      time.Duration // the holder may think itself valid up to here, in true time
}

// step is what changes the lock or reads it: what an operation reports, or what it
// wrote without being able to report it.
type step struct {
	*operation
	effect *written // nil for what is reported
}

func (s step) String() string {
	if s.effect != nil {
		return fmt.Sprintf(
			"at %v %s %s writes generation %d (released: %v)",
			s.effect.at,
			s.p.name,
			s.kind,
			s.effect.Generation,
			s.effect.Released,
		)
	}
	return s.operation.String()
}

// lockModel says what operations may do to a lock, one after the other.
var lockModel = porcupine.Model{
	Init: func() any { return lock{released: true} },
	Step: func(state, input, _ any) (bool, any) {
		l, s := state.(lock), input.(step)
		switch {
		case s.effect != nil:
			return l.silently(s)
		case s.kind == acquiring:
			return l.acquire(s.operation)
		case s.kind == withdrawing:
			return true, l // what it wrote are effects
		case s.kind == renewing:
			return l.renew(s.operation)
		}
		return l.release(s.operation)
	},
}

// takeable reports whether the lock is released, or its holder knows by now that it is over.
func (l lock) takeable(now time.Duration) bool { return l.released || l.etag == "" || now > l.until }

// silently is a write with a lost answer, or one that came too late.
func (l lock) silently(s step) (bool, lock) {
	e := s.effect
	if s.kind == withdrawing {
		mine := e.Generation == l.generation && l.owner == s.p.name && l.etag == ""
		return e.Released && (mine || l.takeable(e.at) && e.Generation == l.generation+1),
			lock{generation: e.Generation, owner: s.p.name, released: true}
	}
	if s.kind == acquiring && l.again(s.operation, e.Generation) {
		return true, l
	}
	if s.kind == acquiring {
		return l.takeable(e.at) && e.Generation == l.generation+1, lock{generation: e.Generation, owner: s.p.name}
	}
	legal := l.generation == e.Generation && (!l.released || l.untold)
	l.released, l.untold = e.Released, e.Released
	return legal, l
}

func (l lock) acquire(o *operation) (bool, lock) {
	var exists *replicate.LeaseExistsError
	switch {
	case o.err == nil:
		next := lock{generation: o.out.Generation, owner: o.p.name, etag: o.out.ETag, until: o.began + ttl - guard}
		return l.again(o, next.generation) || l.takeable(o.ended) && next.generation == l.generation+1, next
	case errors.As(o.err, &exists):
		return !l.released && l.owner == exists.Owner, l
	}
	return true, l
}

// again reports whether an acquisition writes its own record once more, of which
// nobody was told.
func (l lock) again(o *operation, generation int64) bool {
	return l.generation == generation && l.owner == o.p.name && l.etag == "" && !l.released
}

// holds reports whether the lease that o was given is held.
func (l lock) holds(o *operation) bool {
	return !l.released && l.generation == o.in.Generation && l.etag == o.in.ETag
}

func (l lock) renew(o *operation) (bool, lock) {
	switch next := l; {
	case o.err == nil:
		next.etag, next.until = o.out.ETag, o.began+ttl-guard
		return l.holds(o), next
	case errors.Is(o.err, replicate.ErrLeaseNotHeld):
		return !l.holds(o) || o.lapsed, l
	}
	return true, l
}

func (l lock) release(o *operation) (bool, lock) {
	switch next := l; {
	case o.err == nil:
		next.released, next.untold = true, false
		return l.holds(o) || l.untold && l.generation == o.in.Generation, next
	case errors.Is(o.err, replicate.ErrLeaseNotHeld):
		return !l.holds(o), l
	case errors.Is(o.err, replicate.ErrLeaseAlreadyReleased):
		return l.released && l.generation == o.in.Generation, l
	}
	return true, l
}

// steps are the operations, and their silent effects, as the store knows them.
func (w *world) steps() (steps []porcupine.Operation) {
	for _, o := range w.history {
		silent := o.writes
		if o.err == nil && o.kind != withdrawing {
			silent = silent[:max(0, len(silent)-1)]
		}
		for _, e := range silent {
			steps = append(steps, porcupine.Operation{ClientId: o.p.machine.id, Input: step{o, &e}, Call: o.call, Return: e.seq})
		}
		steps = append(steps, porcupine.Operation{ClientId: o.p.machine.id, Input: step{o, nil}, Call: o.call, Return: o.ret})
	}
	return steps
}

// linearize checks the history of a world that has come to its end.
func (w *world) linearize() {
	steps := w.steps()
	switch result, info := porcupine.CheckOperationsVerbose(lockModel, steps, 10*time.Minute); result {
	case porcupine.Unknown:
		w.violations = append(w.violations, "linearizability could not be decided")
	case porcupine.Illegal:
		w.violations = append(w.violations, "the history is not linearizable; "+stuck(steps, info))
	}
}

// stuck names where the longest part that is linearizable ends: its last steps, and
// the first to return of those that do not follow.
func stuck(steps []porcupine.Operation, info porcupine.LinearizationInfo) string {
	var longest []int
	for _, p := range info.PartialLinearizations()[0] {
		if len(p) > len(longest) {
			longest = p
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d of %d steps are; these last:", len(longest), len(steps))
	done := make(map[int]bool)
	for i, id := range longest {
		done[id] = true
		if i >= len(longest)-8 {
			fmt.Fprintf(&b, "\n\t%v", steps[id].Input)
		}
	}
	var left []porcupine.Operation
	for id, s := range steps {
		if !done[id] {
			left = append(left, s)
		}
	}
	slices.SortFunc(left, func(a, b porcupine.Operation) int { return cmp.Compare(a.Return, b.Return) })
	b.WriteString("\nbut not these:")
	for _, s := range left[:min(3, len(left))] {
		fmt.Fprintf(&b, "\n\t%v", s.Input)
	}
	return b.String()
}
