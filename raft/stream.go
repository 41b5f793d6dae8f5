package raft

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// A client takes a stream for dead after this many signs of life that did not come.
const missedSigns = 5

// stream is one that has begun: the node has said so.
type stream struct {
	grpc.ClientStream
	address string
	stop    context.CancelCauseFunc
}

// openStream opens a stream that may last as long as ctx, if it begins before asking ends. What is asked is
// in; the first answer says that the stream has begun, or why not.
func (c *caller) openStream(ctx, asking context.Context, method string, in any) (s stream, err error) {
	address, _ := c.guide.leader()
	defer func() { c.guide.heard(address, err) }()
	conn, err := c.reach(asking, address)
	if err != nil {
		return s, err
	}
	asked, err := json.Marshal(in)
	if err != nil {
		return s, err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer context.AfterFunc(asking, func() { stop(context.Cause(asking)) })()
	s = stream{address: address, stop: stop}
	shape := &grpc.StreamDesc{ServerStreams: true, ClientStreams: method == methodRestore}
	s.ClientStream, err = conn.NewStream(ctx, shape, "/"+service+"/"+method)
	if err == nil {
		err = s.SendMsg(wrapperspb.Bytes(asked))
	}
	if err == nil && !shape.ClientStreams {
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

// receive returns the next answer. One that does not come in time ends the stream.
func (s stream) receive(c *caller) (out bool, err error) {
	late := time.AfterFunc(missedSigns*c.cfg.Heartbeat, func() { s.stop(errors.New("no sign of life")) })
	defer late.Stop()
	return s.answer()
}

// answer returns the next answer, whenever it comes.
func (s stream) answer() (out bool, err error) {
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

// receive returns what a client asks of a stream.
func receive[In any](stream grpc.ServerStream) (in In, err error) {
	var raw wrapperspb.BytesValue
	if err = stream.RecvMsg(&raw); err == nil {
		err = json.Unmarshal(raw.Value, &in)
	}
	return in, err
}

// send answers in a stream.
func send(stream grpc.ServerStream, r reply[bool]) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return stream.SendMsg(wrapperspb.Bytes(b))
}
