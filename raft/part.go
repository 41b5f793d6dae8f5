package raft

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"google.golang.org/grpc"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/errs"
)

// Part is a second state machine on the log of the nodes, beside the records. Its commands are
// ordered by [Handle].Apply. All nodes of a cluster have it, or none; a node without it stops at its first
// command. raftbackend.Part is one.
type Part interface {
	// Apply applies the command of a log entry, in the order of the log, on every node. The
	// result depends on the command and those before it alone. It is called by one goroutine.
	Apply(command []byte, index uint64) any

	// Snapshot returns the present state. It is called between two calls of Apply, and should
	// return at once. WriteTo is called beside later calls of Apply, once or never.
	Snapshot() (io.WriterTo, error)

	// Restore replaces the state with one that such a WriteTo has written. An empty stream is
	// the state before the first command. If Read returns an error other than io.EOF the
	// stream is not whole, and the state stays as it was.
	Restore(from io.Reader) error

	// HandleConnection takes a connection that a node has made by [Handle].DialLeader. It does not
	// block.
	HandleConnection(conn net.Conn)

	// LeaderChanged is called when the cluster has another leader, or none.
	LeaderChanged()
}

// Handle is what a Part needs of its node.
type Handle struct{ n *Node }

// Handle returns the handle for the node's Part.
func (n *Node) Handle() *Handle { return &Handle{n} }

// Apply orders a command, on the leader, and returns what Part.Apply returned for it. The outcomes of
// an error are those of a cas.Store's Write; [ErrNotLeader] is certain.
func (h *Handle) Apply(command []byte) (answer any, err error) {
	defer errs.Wrap(&err, "apply")
	if err := h.n.started(); err != nil {
		return nil, err
	}
	if h.n.fsm.part == nil {
		return nil, errNoPart
	}
	encoded, err := encodePart(command)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), h.n.cfg.Patience, errPatience)
	defer cancel()
	answer, err = h.n.order(ctx, encoded)
	if r, ok := answer.(result); ok && err == nil {
		return nil, fmt.Errorf("%w: %w", cas.ErrIndeterminate, r.err) // it is in the log; others may apply it
	}
	return answer, err
}

// IsLeader reports whether this node takes itself for the leader.
func (h *Handle) IsLeader() bool { return h.n.started() == nil && h.n.isLeader() }

// EnsureStrongConsistency returns nil when this node has applied everything that was committed before
// the call, and there was a leader after it began: this node or another one, which it asks.
func (h *Handle) EnsureStrongConsistency(ctx context.Context) error { return h.n.catchUp(ctx) }

// DialLeader returns a connection to the Part of the leader: the other end is given to its
// HandleConnection. The caller closes it, and makes another one when the leader has changed.
func (h *Handle) DialLeader() (*grpc.ClientConn, error) {
	if err := h.n.started(); err != nil {
		return nil, err
	}
	address, _ := h.n.raft.LeaderWithID()
	if address == "" {
		return nil, errors.New("dial leader: there is none at the moment")
	}
	return h.n.net.client(string(address), protocolPart)
}
