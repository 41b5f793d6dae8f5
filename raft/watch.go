package raft

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/replctl/replicate/cas"
)

// watching asks for a stream of hints.
type watching struct {
	Prefix string
	Every  time.Duration // between signs of life
}

// A client takes a stream for dead after this many signs of life that did not come.
const missedSigns = 5

// serveWatch sends true when a record below a prefix may have changed, and false at the beginning and as a
// sign of life, for as long as this node leads.
func (n *Node) serveWatch(_ any, stream grpc.ServerStream) error {
	var raw wrapperspb.BytesValue
	if err := stream.RecvMsg(&raw); err != nil {
		return err
	}
	var in watching
	err := json.Unmarshal(raw.Value, &in)
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

func send(stream grpc.ServerStream, r reply[bool]) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return stream.SendMsg(wrapperspb.Bytes(b))
}

// hintStream is a stream of hints that has begun.
type hintStream struct {
	grpc.ClientStream
	address string
	stop    context.CancelCauseFunc
}

// watch has the leader's hints put into a channel until the context ends, and closes it then.
func (c *caller) watch(ctx context.Context, prefix string, hints chan<- struct{}) error {
	ctx, cancel := context.WithCancel(ctx)
	unhook := context.AfterFunc(c.ctx, cancel)
	open := func(asking context.Context) (hintStream, error) { return c.openStream(ctx, asking, prefix) }
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

// openStream opens a stream that may last as long as ctx, if it begins before asking ends.
func (c *caller) openStream(ctx, asking context.Context, prefix string) (s hintStream, err error) {
	address, _ := c.guide.leader()
	defer func() { c.guide.heard(address, err) }()
	conn, err := c.reach(asking, address)
	if err != nil {
		return s, err
	}
	in, err := json.Marshal(watching{prefix, c.cfg.Heartbeat})
	if err != nil {
		return s, err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer context.AfterFunc(asking, func() { stop(context.Cause(asking)) })()
	s = hintStream{address: address, stop: stop}
	s.ClientStream, err = conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/"+service+"/"+methodWatch)
	if err == nil {
		err = s.SendMsg(wrapperspb.Bytes(in))
	}
	if err == nil {
		err = s.CloseSend()
	}
	if err != nil {
		err = fmt.Errorf("%w: %s: %w", errLost, address, err)
	} else {
		_, err = s.receive(c)
	}
	if err != nil {
		stop(err)
	}
	return s, err
}

// receive returns the next message. One that does not come in time ends the stream.
func (s hintStream) receive(c *caller) (changed bool, err error) {
	late := time.AfterFunc(missedSigns*c.cfg.Heartbeat, func() { s.stop(errors.New("no sign of life")) })
	defer late.Stop()
	var raw wrapperspb.BytesValue
	var r reply[bool]
	if err = s.RecvMsg(&raw); err == nil {
		err = json.Unmarshal(raw.Value, &r)
	}
	if err != nil {
		return false, fmt.Errorf("%w: %s: %w", errLost, s.address, err)
	}
	return r.Out, r.err(s.address)
}

// each passes hints on until the stream ends.
func (s hintStream) each(c *caller, hints chan<- struct{}) (err error) {
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
