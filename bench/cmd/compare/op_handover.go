package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/replctl/replicate/lease"
)

// handingOver is the time from a release to the waiter having the lease. Ours waits
// in lease.Acquire; Litestream has nothing that waits, so that its leaser is
// asked as often by a loop.
func handingOver(_ context.Context, p *place) (contest, error) {
	c := contest{ours: p.at(oursName).handOver(ourWaiter)}
	if p.backend.kind == kindS3 {
		c.theirs = p.at(theirsName).handOver(theirWaiter)
	}
	return c, nil
}

// A waiter takes the lease when it is free. It calls waits when it has found it
// held, at least once.
type waiter func(ctx context.Context, p *place, waits func()) (release func(context.Context) error, err error)

// handOver releases at a moment between two looks of the waiter, which is another
// each time but the same for both sides.
func (p *place) handOver(wait waiter) side {
	moments := rand.New(rand.NewPCG(1, 2))
	return func(ctx context.Context, w *watch) error {
		release, err := wait(ctx, p, func() {})
		if err != nil {
			return err
		}
		waiting, got := make(chan struct{}, 1), make(chan error, 1)
		var releaseSecond func(context.Context) error
		go func() {
			var err error
			releaseSecond, err = wait(ctx, p, func() {
				select {
				case waiting <- struct{}{}:
				default:
				}
			})
			got <- err
		}()
		select {
		case <-waiting:
		case err := <-got:
			return errors.Join(errors.New("the waiter did not wait"), err)
		}
		time.Sleep(time.Duration(moments.Int64N(int64(p.size.Poll))))
		w.Start()
		err = errors.Join(release(ctx), <-got)
		w.Stop()
		if err != nil {
			return err
		}
		return releaseSecond(ctx)
	}
}

func ourWaiter(ctx context.Context, p *place, waits func()) (func(context.Context) error, error) {
	s, err := lease.Acquire(ctx, p.ourLeaser("owner"), lease.Options{
		PollEvery: p.size.Poll,
		OnEvent: func(e lease.Event) {
			if e.Kind == lease.EventWaiting {
				waits()
			}
		},
	})
	if err != nil {
		return nil, err
	}
	return s.Release, nil
}

func theirWaiter(ctx context.Context, p *place, waits func()) (func(context.Context) error, error) {
	l := p.theirLeaser("owner")
	for {
		lease, err := l.AcquireLease(ctx)
		if err == nil {
			return func(ctx context.Context) error { return l.ReleaseLease(ctx, lease) }, nil
		}
		if !isHeld(err) {
			return nil, err
		}
		waits()
		time.Sleep(p.size.Poll)
	}
}
