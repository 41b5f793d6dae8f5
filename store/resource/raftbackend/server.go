package raftbackend

import (
	"context"
	"fmt"
	"strconv"

	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"

	"github.com/replctl/replicate/store/resource"
)

// The service that nodes call one another by. Each answer, an error too, has the index of
// the last log entry that the leader had applied, as a trailer.
const (
	serviceName = "replicate.resource.v1.Forwarding"
	applyMethod = "Apply" // a Log message; returns the resource that was written
	readMethod  = "Read"  // an ID; returns the resource, by a strong read
	syncMethod  = "Sync"  // nothing; returns nothing, when the leader's state is current
	indexKey    = "applied-index"
)

// newServer returns the server of a backend's forwarding service.
func newServer(b *Backend) *grpc.Server {
	method := func(name string, do func(context.Context, []byte) ([]byte, error)) grpc.MethodDesc {
		return grpc.MethodDesc{MethodName: name, Handler: func(
			_ any, ctx context.Context, receive func(any) error, _ grpc.UnaryServerInterceptor,
		) (any, error) {
			var in frame
			if err := receive(&in); err != nil {
				return nil, err
			}
			out, err := b.serve(ctx, in.bytes, do)
			if err := grpc.SetTrailer(ctx, metadata.Pairs(indexKey, strconv.FormatUint(b.applied(), 10))); err != nil {
				return nil, err
			}
			if err != nil {
				return nil, toStatus(err)
			}
			return &frame{out}, nil
		}}
	}
	s := grpc.NewServer(grpc.ForceServerCodecV2(codec{}), grpc.MaxRecvMsgSize(maxMessage), grpc.WaitForHandlers(true))
	s.RegisterService(&grpc.ServiceDesc{
		ServiceName: serviceName, HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{
			method(applyMethod, b.serveApply), method(readMethod, b.serveRead), method(syncMethod, b.serveSync),
		},
	}, b)
	return s
}

// serve makes a call on the leader. A node that does not lead forwards nothing: calls
// could go in a circle.
func (b *Backend) serve(
	ctx context.Context, req []byte, do func(context.Context, []byte) ([]byte, error),
) ([]byte, error) {
	if err := b.check(ctx, resource.Strong); err != nil {
		return nil, inconsistent(err)
	}
	if !b.handle.IsLeader() {
		return nil, fmt.Errorf("%w: this node does not lead", resource.ErrInconsistent)
	}
	return do(ctx, req)
}

func (b *Backend) serveApply(ctx context.Context, req []byte) ([]byte, error) {
	m, err := decodeMessage(req)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", resource.ErrInvalid, err)
	}
	if err := m.check(); err != nil {
		return nil, err
	}
	stored, err := b.order(ctx, m, req)
	if err != nil || stored == nil {
		return nil, err
	}
	return encodeResource(stored), nil
}

func (b *Backend) serveRead(ctx context.Context, req []byte) ([]byte, error) {
	var id resource.ID
	if err := decode(req, func(c *coder) { idFields(&id, c) }); err != nil {
		return nil, err
	}
	if err := b.ensure(ctx); err != nil {
		return nil, err
	}
	r, err := b.state().Read(id)
	if err != nil {
		return nil, err
	}
	return encodeResource(r), nil
}

func (b *Backend) serveSync(ctx context.Context, _ []byte) ([]byte, error) { return nil, b.ensure(ctx) }

// frame is a message of the service, encoded.
type frame struct{ bytes []byte }

// codec passes frames on. Its name is that of protobuf, which they are.
type codec struct{}

func (codec) Name() string { return "proto" }

func (codec) Marshal(v any) (mem.BufferSlice, error) {
	f, ok := v.(*frame)
	if !ok {
		return nil, fmt.Errorf("encode a %T: want a frame", v)
	}
	return mem.BufferSlice{mem.SliceBuffer(f.bytes)}, nil
}

func (codec) Unmarshal(data mem.BufferSlice, v any) error {
	f, ok := v.(*frame)
	if !ok {
		return fmt.Errorf("decode a %T: want a frame", v)
	}
	f.bytes = data.Materialize()
	return nil
}
