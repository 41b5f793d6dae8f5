package raft

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/replctl/replicate/cas"
)

// The service of a node, for the others. A message is a BytesValue with JSON: the argument, and an
// answer as in [reply]. All but Term and Status are for the leader alone; others answer ErrNotLeader.
const service = "replicate.raft.v1.Node"

const (
	methodChange = "Change" // an encoded command of changes -> the index of its log entry
	methodRead   = "Read"
	methodList   = "List"
	methodIndex  = "Index"
	methodTerm   = "Term"
	methodMember = "Member"
	methodStatus = "Status"

	// Streams:

	methodWatch    = "Watch"
	methodSnapshot = "Snapshot"
	methodRestore  = "Restore"
)

// isRead has the methods that may be asked twice, and the streams that may be begun twice.
var isRead = map[string]bool{
	methodRead: true, methodList: true, methodIndex: true, methodTerm: true, methodStatus: true, methodWatch: true,
	methodSnapshot: true, methodRestore: true,
}

// reply is an answer: Out, or what went wrong.
type reply[Out any] struct {
	Out    Out
	Kind   string `json:",omitempty"` // of the error; one of kinds, or other
	Error  string `json:",omitempty"`
	Leader string `json:",omitempty"` // where the leader is, if it is another node
}

// kinds are the errors that the one who asks tells apart.
var kinds = map[string]error{
	"not leader": ErrNotLeader, "conflict": cas.ErrConflict, "unknown": cas.ErrIndeterminate, "too large": cas.ErrTooLarge,
}

const kindOther = "other"

// remoteError is an error of another node.
type remoteError struct {
	kind   error // nil if it is none of kinds
	text   string
	leader string
}

func (e *remoteError) Error() string { return e.text }
func (e *remoteError) Unwrap() error { return e.kind }

// newServer returns the server of the service.
func (n *Node) newServer() *grpc.Server {
	s := grpc.NewServer(grpc.MaxRecvMsgSize(maxMessage), grpc.MaxSendMsgSize(maxMessage))
	s.RegisterService(&grpc.ServiceDesc{ServiceName: service, HandlerType: (*any)(nil), Methods: []grpc.MethodDesc{
		method(n, methodChange, n.leading(n.checkedChange)),
		method(n, methodRead, n.read),
		method(n, methodList, n.list),
		method(n, methodIndex, n.index),
		method(n, methodTerm, func(context.Context, struct{}) (uint64, error) { return n.raft.CurrentTerm(), nil }),
		method(n, methodMember, n.member),
		method(n, methodStatus, func(context.Context, struct{}) (Status, error) { return n.Status() }),
	}, Streams: []grpc.StreamDesc{
		{StreamName: methodWatch, ServerStreams: true, Handler: n.serveWatch},
		{StreamName: methodSnapshot, ServerStreams: true, Handler: n.serveSnapshot},
		{StreamName: methodRestore, ServerStreams: true, ClientStreams: true, Handler: n.serveRestore},
	}}, n)
	return s
}

// leading refuses early what only a leader can do.
func (n *Node) leading(do func(context.Context, []byte) (uint64, error)) func(context.Context, []byte) (uint64, error) {
	return func(ctx context.Context, in []byte) (uint64, error) {
		if !n.isLeader() {
			return 0, ErrNotLeader
		}
		return do(ctx, in)
	}
}

// checkedChange lets nothing into the log that the nodes could not apply.
func (n *Node) checkedChange(ctx context.Context, encoded []byte) (uint64, error) {
	if c, err := decodeCommand(encoded); err != nil {
		return 0, fmt.Errorf("change: %w", err)
	} else if c.changes == nil {
		return 0, errors.New("change: not a command of changes")
	}
	return n.changeHere(ctx, encoded)
}

// failed is the answer that something went wrong. A node that closes has done nothing, and leads no more.
func failed[Out any](n *Node, err error) reply[Out] {
	r := reply[Out]{Kind: kindOther, Error: err.Error()}
	if errors.Is(err, ErrClosed) {
		err = ErrNotLeader
	}
	for kind, target := range kinds {
		if errors.Is(err, target) {
			r.Kind = kind
		}
	}
	address, _ := n.raft.LeaderWithID()
	r.Leader = string(address)
	return r
}

func method[In, Out any](n *Node, name string, do func(context.Context, In) (Out, error)) grpc.MethodDesc {
	handler := func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		var raw wrapperspb.BytesValue
		if err := decode(&raw); err != nil {
			return nil, err
		}
		var in In
		var r reply[Out]
		err := json.Unmarshal(raw.Value, &in)
		if err == nil {
			err = n.started()
		}
		if err == nil {
			r.Out, err = do(ctx, in)
		}
		if err != nil {
			r = failed[Out](n, err)
		}
		raw.Value, err = json.Marshal(r)
		return &raw, err
	}
	return grpc.MethodDesc{MethodName: name, Handler: handler}
}

// call asks a node. If it cannot be connected to the error is ErrNotLeader: nothing was sent. If its
// answer is lost the error is errLost.
func call[In, Out any](ctx context.Context, c *caller, address, method string, in In) (out Out, err error) {
	conn, err := c.reach(ctx, address)
	if err != nil {
		return out, err
	}
	var raw wrapperspb.BytesValue
	if raw.Value, err = json.Marshal(in); err != nil {
		return out, err
	}
	if isRead[method] { // so that one that is stuck is not waited for until the end
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, 2*c.cfg.Heartbeat)
		defer cancel()
	}
	var r reply[Out]
	if err = conn.Invoke(ctx, "/"+service+"/"+method, &raw, &raw); err == nil {
		err = json.Unmarshal(raw.Value, &r)
	}
	if err != nil {
		return out, fmt.Errorf("%w: %s: %w", errLost, address, err)
	}
	return r.Out, r.err(address)
}

// err is what went wrong at an address, or nil.
func (r reply[Out]) err(address string) error {
	if r.Kind == "" {
		return nil
	}
	return &remoteError{kinds[r.Kind], address + ": " + r.Error, r.Leader}
}

// reach returns a connection to a node. Its error is ErrNotLeader.
func (c *caller) reach(ctx context.Context, address string) (*grpc.ClientConn, error) {
	conn, err := c.net.peer(address)
	if err == nil {
		err = connect(ctx, conn, c)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: connect to %s: %w", ErrNotLeader, address, err)
	}
	return conn, nil
}

// connect returns when there is a connection. Without it gRPC does not tell a call that was never sent
// from one whose answer is lost.
func connect(ctx context.Context, conn *grpc.ClientConn, c *caller) error {
	ctx, cancel := context.WithTimeoutCause(ctx, c.cfg.Heartbeat, errors.New("no connection in time"))
	defer cancel()
	for {
		switch state := conn.GetState(); state {
		case connectivity.Ready:
			return nil
		case connectivity.Shutdown:
			return ErrClosed
		case connectivity.TransientFailure:
			return errors.New("it cannot be reached at the moment")
		default:
			conn.Connect()
			if !conn.WaitForStateChange(ctx, state) {
				return context.Cause(ctx)
			}
		}
	}
}
