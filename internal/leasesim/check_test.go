package leasesim

import (
	"fmt"
	"slices"
	"time"

	"github.com/replctl/replicate/lease"
)

// tracked is a session that is watched.
type tracked struct {
	*lease.Session
	p    *process
	over time.Time // when it was first seen not to be valid
}

// track watches a new session, from its first instant on.
func (w *world) track(p *process, s *lease.Session) *tracked {
	t := &tracked{Session: s, p: p}
	g := s.Generation()
	w.mu.Lock()
	before := w.generation
	w.generation = g
	w.sessions = append(w.sessions, t)
	w.mu.Unlock()
	if g <= before {
		w.violate("%s acquires generation %d after %d", p.name, g, before)
	}
	w.check()
	return t
}

func (t *tracked) forget() {
	w := t.p.w
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sessions = slices.DeleteFunc(w.sessions, func(o *tracked) bool { return o == t })
}

// check looks for two valid sessions, now. It asks how much time is left, because
// asking Valid ends a session that is not. Nobody can ask on a halted machine.
func (w *world) check() {
	w.mu.Lock()
	defer w.mu.Unlock()
	var valid []string
	for _, t := range w.sessions {
		left := t.Left()
		if left > 0 && t.p.machine.Running() && !t.p.dead.Load() {
			valid = append(valid, fmt.Sprintf("%s (generation %d, for %v)", t.p.name, t.Generation(), left))
		}
		if left <= 0 && t.over.IsZero() {
			t.over = time.Now()
		}
	}
	if len(valid) > 1 {
		w.violations = append(w.violations, fmt.Sprintf("%v: sessions valid at once: %v", time.Since(w.start), valid))
	}
}

// watch checks every now and then, and that what is over ends.
func (w *world) watch() {
	for !w.over() {
		time.Sleep(rand2(w.draw(-1, "watch"), time.Millisecond, 2*time.Second))
		w.check()
		w.mu.Lock()
		for _, t := range w.sessions {
			if !t.over.IsZero() && t.Context().Err() == nil && t.p.machine.Running() && !t.p.dead.Load() &&
				time.Since(t.over) > notices && time.Since(t.p.machine.disturbed) > notices {
				w.violations = append(
					w.violations,
					fmt.Sprintf(
						"%v: %s is over since %v, and its context goes on",
						time.Since(w.start),
						t.p.name,
						t.over.Sub(w.start),
					),
				)
				t.over = time.Time{}
			}
		}
		w.mu.Unlock()
	}
}

// notices is how long a running machine may take to notice the end of a session.
const notices = guard/2*105/100 + maxLate + 2*time.Millisecond

// work is done under a session that has just said that it is valid.
func (w *world) work(p *process, generation int64) {
	w.mu.Lock()
	before := w.fenced
	w.fenced = max(before, generation)
	w.mu.Unlock()
	if generation < before {
		w.violate("%s works with generation %d after %d", p.name, generation, before)
	}
}
