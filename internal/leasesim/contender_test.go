package leasesim

import (
	"context"
	"errors"
	"time"

	"github.com/replctl/replicate/lease"
)

// live is a contender: what it does until the history is over.
func (w *world) live(m *machine) {
	life := 0
	p := w.newProcess(m, life)
	for p.sleep(rand2(p.rand, 0, 10*time.Second)); !w.over(); p.sleep(rand2(p.rand, 0, 10*time.Second)) {
		if p.rand.IntN(8) == 0 {
			p.runs()
			continue
		}
		if s := p.acquire(); s != nil && !p.hold(s) {
			p.die()
			s.forget()
			p.sleep(rand2(p.rand, 0, 20*time.Second))
			life++
			p = w.newProcess(m, life)
		}
	}
}

// sleep is true time, on a machine that may be halted.
func (p *process) sleep(d time.Duration) {
	time.Sleep(d)
	p.machine.Wait()
}

func (p *process) acquire() *tracked {
	ctx, cancel := context.WithTimeout(p.w.ctx, rand2(p.rand, 5*time.Second, 4*ttl))
	defer cancel()
	acquire := lease.Acquire
	if p.rand.IntN(3) == 0 {
		acquire = lease.TryAcquire
	}
	s, err := acquire(ctx, p.leaser, p.options())
	if err != nil {
		return nil
	}
	return p.w.track(p, s)
}

// hold works under a session, for a while or until it is lost, and then lets go of
// it. It returns false if the process is to die instead.
func (p *process) hold(t *tracked) bool {
	if p.rand.IntN(4) == 0 {
		straggles := rand2(p.rand, 0, 10*time.Second)
		t.Go(func(ctx context.Context) {
			select {
			case <-ctx.Done():
				p.sleep(straggles)
			case <-p.gone:
			}
		})
	}
	longest := 2 * ttl
	if p.w.drift > 0 {
		longest = 10 * ttl // so long that clocks come apart
	}
	for until := time.Now().Add(rand2(p.rand, 0, longest)); time.Now().Before(until) && !p.w.over(); {
		step := time.NewTimer(rand2(p.rand, time.Millisecond, 5*time.Second))
		select {
		case <-step.C:
		case <-t.Context().Done():
		}
		step.Stop()
		p.machine.Wait()
		if t.Valid() {
			p.w.work(p, t.Generation())
			if p.w.data {
				p.put(t)
			}
		} else if t.Context().Err() == nil {
			p.w.violate("%s: not valid, and the context goes on", p.name)
		}
		if t.Context().Err() != nil {
			break
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), rand2(p.rand, 0, 20*time.Second))
	defer cancel()
	switch p.rand.IntN(8) {
	case 0:
		return false
	case 1:
		cancel()
	}
	p.release(ctx, t)
	return true
}

func (p *process) release(ctx context.Context, t *tracked) {
	lostBefore := t.Context().Err() != nil && errors.Is(context.Cause(t.Context()), lease.ErrLost)
	err := t.Release(ctx)
	if t.Valid() || t.Context().Err() == nil {
		p.w.violate("%s: valid after its release", p.name)
	}
	if lostBefore && err == nil {
		p.w.violate("%s: a lost session is released without an error", p.name)
	}
	t.forget()
}

// disturb is what happens to a machine.
func (w *world) disturb(m *machine) {
	for {
		r := w.draw(m.id, "disturb")
		pause := time.NewTimer(rand2(r, time.Second, 2*time.Minute))
		select {
		case <-pause.C:
		case <-w.ctx.Done():
			pause.Stop()
			return
		}
		switch n := r.IntN(4); {
		case n == 0 && w.jump > 0:
			w.set(m, r.Int64())
		case n == 1 && w.suspends:
			w.halt(m, m.Suspend, rand2(r, 0, 2*ttl))
		case n == 2 && w.stops:
			w.halt(m, m.Stop, rand2(r, 0, 2*ttl))
		case n == 3 && w.faults > 0:
			m.cut.Store(time.Now().Add(rand2(r, 0, 2*ttl)).UnixNano())
		}
	}
}

// set sets a wall clock: anywhere within the skew that is allowed, or, where the
// store tells the time, anywhere.
func (w *world) set(m *machine, chance int64) {
	r := w.draw(m.id, "set")
	ahead := w.anySkew(r)
	if w.storeTime {
		ahead = m.Ahead() + rand2(r, -w.jump, w.jump)
	}
	w.check()
	m.changes.Add(1)
	w.note("%d set from %v to %v", m.id, m.Ahead(), ahead)
	m.Set(ahead)
	w.disturbed(m)
}

func (w *world) halt(m *machine, halt func(), d time.Duration) {
	w.note("%d halts for %v", m.id, d)
	halt()
	w.disturbed(m)
	time.Sleep(d)
	m.Resume()
	w.disturbed(m)
}

func (w *world) disturbed(m *machine) {
	w.mu.Lock()
	m.disturbed = time.Now()
	w.mu.Unlock()
	w.check()
}
