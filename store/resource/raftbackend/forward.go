package raftbackend

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/metadata"

	"github.com/replctl/replicate/store/resource"
)

// leader is the connection that calls are forwarded on.
type leader struct {
	handle Handle
	log    *slog.Logger

	mu   sync.Mutex
	conn *grpc.ClientConn
}

// changed closes the connection.
func (l *leader) changed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn == nil {
		return
	}
	if err := l.conn.Close(); err != nil {
		l.log.Warn("close the connection to the previous leader", "error", err)
	}
	l.conn = nil
}

// connect returns a connection that has reached the leader. After an error nothing was sent.
func (l *leader) connect(ctx context.Context) (*grpc.ClientConn, error) {
	conn, err := l.dial()
	if err != nil {
		return nil, inconsistent(fmt.Errorf("dial the leader: %w", err))
	}
	conn.Connect()
	for {
		state := conn.GetState()
		switch state {
		case connectivity.Ready:
			return conn, nil
		case connectivity.TransientFailure, connectivity.Shutdown:
			return nil, fmt.Errorf("%w: no connection to the leader at %s", resource.ErrInconsistent, conn.Target())
		case connectivity.Idle:
			conn.Connect()
		}
		if !conn.WaitForStateChange(ctx, state) {
			return nil, inconsistent(fmt.Errorf("dial the leader at %s: %w", conn.Target(), context.Cause(ctx)))
		}
	}
}

func (l *leader) dial() (*grpc.ClientConn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn != nil {
		return l.conn, nil
	}
	conn, err := l.handle.DialLeader()
	if err != nil {
		l.log.Warn("dial the leader", "error", err)
		return nil, err
	}
	l.conn = conn
	return conn, nil
}

// forward makes a call to the leader, and waits until this node has applied what the
// answer is based on; behind is the error of that. An error of the call that is neither
// one of package resource nor of package cas leaves its outcome open.
func (b *Backend) forward(ctx context.Context, method string, req []byte) (rsp []byte, behind, err error) {
	defer b.sayWhenSlow("waiting for the leader to answer a forwarded call")()
	conn, err := b.leader.connect(ctx)
	if err != nil {
		return nil, nil, err
	}
	var trailer metadata.MD
	in, out := frame{req}, frame{}
	err = conn.Invoke(ctx, "/"+serviceName+"/"+method, &in, &out,
		grpc.ForceCodecV2(codec{}), grpc.Trailer(&trailer), grpc.MaxCallRecvMsgSize(maxMessage))
	index, isAnswer := indexOf(trailer)
	if isAnswer {
		behind = b.await(ctx, index)
	}
	switch {
	case err != nil && !isAnswer && ctx.Err() != nil:
		err = openError{context.Cause(ctx)}
	case err != nil:
		err = fromStatus(err, isAnswer)
	}
	return out.bytes, behind, err
}

// indexOf returns the index that the leader had applied. Without one the answer is not
// the leader's, but that of something on the way.
func indexOf(trailer metadata.MD) (index uint64, ok bool) {
	values := trailer.Get(indexKey)
	if len(values) != 1 {
		return 0, false
	}
	index, err := strconv.ParseUint(values[0], 10, 64)
	return index, err == nil
}

// forwardApply has the leader apply a message. What it answers counts, even if this node
// cannot follow.
func (b *Backend) forwardApply(ctx context.Context, msg []byte) (*resource.Resource, error) {
	rsp, _, err := b.forward(ctx, applyMethod, msg)
	var open openError
	switch {
	case errors.As(err, &open):
		return nil, unknown(err)
	case err != nil:
		return nil, err
	}
	stored, err := decodeResource(rsp)
	if err != nil {
		return nil, unknown(err)
	}
	return stored, nil
}

func (b *Backend) forwardRead(ctx context.Context, id resource.ID) (*resource.Resource, error) {
	req := encode(func(c *coder) { idFields(&id, c) })
	rsp, behind, err := b.forward(ctx, readMethod, req)
	var open openError
	if errors.As(err, &open) {
		err = inconsistent(err)
	}
	if behind != nil {
		err = behind // or a later eventual read could be older
	}
	var r *resource.Resource
	if err == nil {
		r, err = decodeResource(rsp)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", id, err)
	}
	return r, nil
}

// forwardSync makes this node's state that of the leader at an instant after the call.
func (b *Backend) forwardSync(ctx context.Context) error {
	_, behind, err := b.forward(ctx, syncMethod, nil)
	return inconsistent(errors.Join(err, behind))
}
