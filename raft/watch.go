package raft

import (
	"context"
	"time"

	"google.golang.org/grpc"

	"github.com/replctl/replicate/cas"
)

// watching asks for a stream of hints.
type watching struct {
	Prefix string
	Every  time.Duration // between signs of life
}

// serveWatch sends true when a record below a prefix may have changed, and false at the beginning and as a
// sign of life, for as long as this node leads.
func (n *Node) serveWatch(_ any, stream grpc.ServerStream) error {
	in, err := receive[watching](stream)
	if err == nil {
		err = cas.CheckPrefix(in.Prefix)
	}
	if err == nil {
		err = n.hint(stream, in)
	}
	return send(stream, failed[bool](n, err))
}

func (n *Node) hint(stream grpc.ServerStream, in watching) error {
	alive := time.NewTicker(max(in.Every, minHeartbeat))
	defer alive.Stop()
	for changed := false; ; {
		one, all := n.fsm.watch(in.Prefix)
		if err := n.started(); err != nil {
			return err
		}
		if !n.isLeader() {
			return ErrNotLeader
		}
		if err := send(stream, reply[bool]{Out: changed}); err != nil {
			return err
		}
		select {
		case <-one:
			changed = true
		case <-all:
			changed = true
		case <-alive.C:
			changed = false
		case <-stream.Context().Done():
			return context.Cause(stream.Context())
		case <-n.ctx.Done():
			return ErrClosed
		}
	}
}

// watch has the leader's hints put into a channel until the context ends, and closes it then.
func (c *caller) watch(ctx context.Context, prefix string, hints chan<- struct{}) error {
	ctx, cancel := context.WithCancel(ctx)
	unhook := context.AfterFunc(c.ctx, cancel)
	open := func(asking context.Context) (stream, error) {
		return c.openStream(ctx, asking, methodWatch, watching{prefix, c.cfg.Heartbeat})
	}
	s, err := insist(ctx, c, methodWatch, open)
	if err != nil {
		cancel()
		return err
	}
	go func() {
		defer close(hints)
		defer unhook()
		defer cancel()
		for err == nil {
			_ = s.each(c, hints)
			if s, err = insist(ctx, c, methodWatch, open); err == nil {
				hint(hints) // something may have been missed
			}
		}
	}()
	return nil
}

func hint(hints chan<- struct{}) {
	select {
	case hints <- struct{}{}:
	default:
	}
}

// each passes hints on until the stream ends.
func (s stream) each(c *caller, hints chan<- struct{}) (err error) {
	defer func() { s.stop(err); c.guide.heard(s.address, err) }()
	for {
		changed, err := s.receive(c)
		if err != nil {
			return err
		}
		if changed {
			hint(hints)
		}
	}
}
