package raft

import (
	"context"
	"errors"
	"fmt"
	"time"

	hraft "github.com/hashicorp/raft"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/clock"
)

// ErrNotLeader: the node that was asked is not the leader. Nothing was, or will be, done.
var ErrNotLeader = errors.New("not the leader of the raft cluster")

// errLost: what was asked of another node was perhaps done; its answer did not come.
var errLost = errors.New("the leader's answer was lost")

// errPatience is the cause of a call's end that its caller has not set.
var errPatience = errors.New("the raft cluster does not answer in time")

// caller asks the leader of a cluster: what a node and a client have in common.
type caller struct {
	cfg   Config
	net   *network
	guide guide
	ctx   context.Context // ends with the node, or the client
	stop  context.CancelFunc
}

// guide knows the way to the leader.
type guide interface {
	// leader is where the leader is believed to be: an address, empty if none is known, or here.
	leader() (address string, here bool)
	// heard is told what came of asking at an address.
	heard(address string, err error)
	// started is nil while calls can be made.
	started() error
}

// usable is nil while calls can be made.
func (c *caller) usable() error {
	if c == nil || c.guide == nil {
		return errNotOpen // of the zero Node, or Client
	}
	return c.guide.started()
}

func (n *Node) isLeader() bool { return n.raft.State() == hraft.Leader }

// Pauses between questions while there is no leader.
const (
	pauseFirst = 5 * time.Millisecond
	pauseLast  = 100 * time.Millisecond
	sayAfter   = 2 * time.Second // what a call waits for
)

// atLeader has the leader do something: this node, or another one by a method of its service.
// While there is no leader, or one that has not begun, it waits and tries again. A read is
// asked for again when its answer is lost, too; of a change the outcome is unknown then.
func atLeader[In, Out any](
	ctx context.Context, c *caller, method string, in In, local func(context.Context, In) (Out, error),
) (out Out, err error) {
	return insist(ctx, c, method, func(ctx context.Context) (Out, error) { return askLeader(ctx, c, method, in, local) })
}

// insist is atLeader for any way to ask once.
func insist[Out any](
	ctx context.Context, c *caller, method string, ask func(context.Context) (Out, error),
) (out Out, err error) {
	if err := c.usable(); err != nil {
		return out, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.cfg.Patience, errPatience)
	defer cancel()
	defer context.AfterFunc(c.ctx, cancel)()
	began, said := time.Now(), false
	for pause := pauseFirst; ; pause = min(2*pause, pauseLast) {
		out, err = ask(ctx)
		switch again := errors.Is(err, errLost) && isRead[method]; {
		case errors.Is(err, errLost) && !again:
			return out, fmt.Errorf("%w: %w", cas.ErrIndeterminate, err)
		case !errors.Is(err, ErrNotLeader) && !again:
			return out, err
		}
		if time.Since(began) > sayAfter && !said {
			c.cfg.Logger.Info("raft: waiting for a leader", "for", method, "last", err)
			said = true
		}
		if waitErr := clock.System.Sleep(ctx, pause); waitErr != nil {
			return out, fmt.Errorf("%w: %w", waitErr, err)
		}
	}
}

// askLeader tries once.
func askLeader[In, Out any](
	ctx context.Context, c *caller, method string, in In, local func(context.Context, In) (Out, error),
) (out Out, err error) {
	address, here := c.guide.leader()
	switch {
	case here:
		return local(ctx, in)
	case address == "":
		return out, fmt.Errorf("%w: there is none at the moment", ErrNotLeader)
	}
	out, err = call[In, Out](ctx, c, address, method, in)
	c.guide.heard(address, err)
	return out, err
}

// leader implements [guide].
func (n *Node) leader() (address string, here bool) {
	at, id := n.raft.LeaderWithID()
	if n.isLeader() {
		return "", true
	}
	if id == hraft.ServerID(n.cfg.ID) {
		at = "" // it is none any more
	}
	return string(at), false
}

// heard implements [guide]: a node knows of leaders by the protocol of Raft.
func (n *Node) heard(string, error) {}

// changeHere is change on the leader.
func (n *Node) changeHere(ctx context.Context, encoded []byte) (uint64, error) {
	answer, err := n.order(ctx, encoded)
	if err != nil {
		return 0, err
	}
	switch r := answer.(result); {
	case r.err != nil:
		// The entry is in the log. Other nodes apply it, or this one after an upgrade.
		return 0, fmt.Errorf("%w: %w", cas.ErrIndeterminate, r.err)
	case r.conflict != "":
		return 0, cas.ErrConflict
	default:
		return r.index, nil
	}
}

// order puts a command into the log, and returns what the state machine says once it is
// applied. When the context ends the command is on its way, and its outcome unknown.
func (n *Node) order(ctx context.Context, encoded []byte) (any, error) {
	if err := n.started(); err != nil {
		return nil, err
	}
	done := make(chan hraft.ApplyFuture, 1)
	go func() {
		future := n.raft.Apply(encoded, n.cfg.Patience)
		_ = future.Error() // waits
		done <- future
	}()
	select {
	case future := <-done:
		if err := future.Error(); err != nil {
			return nil, outcome(err)
		}
		return future.Response(), nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", cas.ErrIndeterminate, context.Cause(ctx))
	}
}

// outcome tells what an error of the Raft library says about an entry. It did not get into the log, or it
// may be there, and be committed later.
func outcome(err error) error {
	switch {
	case errors.Is(err, hraft.ErrNotLeader), errors.Is(err, hraft.ErrLeadershipTransferInProgress):
		return fmt.Errorf("%w: %w", ErrNotLeader, err)
	case errors.Is(err, hraft.ErrEnqueueTimeout):
		return err
	}
	return fmt.Errorf("%w: %w", cas.ErrIndeterminate, err)
}
