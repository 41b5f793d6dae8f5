package leasesim

import (
	"context"
	"errors"
	"runtime"
	"time"

	"github.com/replctl/replicate/lease"
)

// runs holds the lease by lease.Run, with a function that leaves in any way.
func (p *process) runs() {
	ctx, cancel := context.WithTimeout(p.w.ctx, rand2(p.rand, 5*time.Second, 4*ttl))
	defer cancel()
	run := lease.Run
	if p.w.runner != nil {
		run = p.w.runner
	}
	how, works := p.rand.IntN(3), rand2(p.rand, 0, 2*ttl)
	var held *tracked
	lost := false
	left := make(chan error, 1)
	go func() {
		err := errors.New("it panicked, or has ended its goroutine")
		defer func() {
			_ = recover()
			left <- err
		}()
		err = run(ctx, p.leaser, p.options(), func(ctx context.Context, s *lease.Session) error {
			held = p.w.track(p, s)
			timer := time.NewTimer(works)
			defer timer.Stop()
			select {
			case <-timer.C:
			case <-ctx.Done():
			}
			p.machine.Wait()
			lost = errors.Is(s.Err(), lease.ErrLost)
			switch how {
			case 0:
				panic("simulated")
			case 1:
				runtime.Goexit()
			}
			return ctx.Err()
		})
	}()
	err := <-left
	if held == nil {
		return
	}
	if held.Valid() {
		p.w.violate("%s: the session goes on after Run", p.name)
	}
	if how == 2 && lost && !errors.Is(err, lease.ErrLost) {
		p.w.violate("%s: Run hides that the session was lost: %v", p.name, err)
	}
	held.forget()
}
