package raft

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	hraft "github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"
	"google.golang.org/grpc"

	"github.com/replctl/replicate/internal/durable"
	"github.com/replctl/replicate/internal/errs"
)

// Node is one member of a cluster, or one that wants to become a member. It is a store whose reads
// are strong; [Node.With] gives others. It is safe for concurrent use. Open makes one; the methods
// of the zero Node return errors.
type Node struct {
	*Records

	caller
	fsm    *fsm
	raft   *hraft.Raft
	log    *raftboltdb.BoltStore
	snaps  *hraft.FileSnapshotStore
	server *grpc.Server
	rounds rounds

	readyTerm atomic.Uint64 // this node has led in the term, and applied all before it
	settled   atomic.Uint64 // a committed log entry; no command up to it is yet to be applied
	caughtUp  atomic.Bool   // since it was opened
	joined    chan struct{} // closed when the node need not join any more

	working sync.WaitGroup
	closing sync.Once
}

// snapshotsKept is how many snapshots stay on the disk.
const snapshotsKept = 2

// lockTimeout is how long Open waits for another process that uses the directory.
const lockTimeout = time.Second

// Open starts a node. It returns when the node listens; [Node.Ready] waits until there is a
// leader. Close stops the node.
func Open(cfg Config) (n *Node, err error) {
	defer errs.Wrap(&err, "open raft node %s", cfg.ID)
	if cfg, err = cfg.withDefaults(); err != nil {
		return nil, err
	}
	n = &Node{joined: make(chan struct{})}
	var part Part
	if cfg.Part != nil {
		if part, err = cfg.Part(&Handle{n}); err != nil {
			return nil, err
		}
	}
	n.fsm, n.caller = newFSM(part), caller{cfg: cfg, guide: n}
	n.Records = &Records{c: &n.caller, n: n}
	n.ctx, n.stop = context.WithCancel(context.Background())
	if err := n.open(); err != nil {
		return nil, errors.Join(err, n.close())
	}
	return n, nil
}

func (n *Node) open() error {
	if err := durable.MakeDir(n.cfg.Dir, 0o700); err != nil {
		return err
	}
	var err error
	n.log, err = raftboltdb.New(raftboltdb.Options{Path: filepath.Join(n.cfg.Dir, "log.db"),
		BoltOptions: &bbolt.Options{Timeout: lockTimeout, FreelistType: bbolt.FreelistMapType, NoFreelistSync: true}})
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	logger := newLogger(n.cfg.Logger)
	if n.snaps, err = hraft.NewFileSnapshotStoreWithLogger(n.cfg.Dir, snapshotsKept, logger); err != nil {
		return fmt.Errorf("open snapshots: %w", err)
	}
	fresh, err := n.isFresh()
	if err != nil {
		return err
	}
	if n.net, err = listen(n.cfg, n.fsm.part); err != nil {
		return err
	}
	joins := fresh && len(n.cfg.Join) > 0
	n.net.stranger.Store(joins)
	if err := n.startRaft(fresh); err != nil {
		return err
	}
	n.server = n.newServer()
	n.working.Go(n.net.serve)
	n.working.Go(func() { _ = n.server.Serve(n.net.rpc) })
	n.working.Go(n.observe)
	if joins {
		n.working.Go(n.join)
	} else {
		close(n.joined)
	}
	return nil
}

// isFresh reports whether the directory has no state.
func (n *Node) isFresh() (bool, error) {
	has, err := hraft.HasExistingState(n.log, n.log, n.snaps)
	if err != nil {
		return false, fmt.Errorf("read log: %w", err)
	}
	return !has, nil
}

func (n *Node) startRaft(fresh bool) error {
	cfg := n.cfg.raft()
	transport := hraft.NewNetworkTransportWithConfig(&hraft.NetworkTransportConfig{
		Stream: n.net.raft, MaxPool: 3, Timeout: 10 * n.cfg.Heartbeat, Logger: cfg.Logger,
	})
	if fresh && n.cfg.Bootstrap {
		alone := hraft.Configuration{Servers: []hraft.Server{{ID: cfg.LocalID, Address: transport.LocalAddr()}}}
		if err := hraft.BootstrapCluster(cfg, n.log, n.log, n.snaps, transport, alone); err != nil {
			return errors.Join(fmt.Errorf("bootstrap: %w", err), transport.Close())
		}
	}
	var err error
	log := hraft.LogStore(n.log)
	if n.cfg.disk != nil {
		log = n.cfg.disk(log)
	}
	if n.raft, err = hraft.NewRaft(cfg, n.fsm, log, n.log, n.snaps, transport); err != nil {
		return errors.Join(err, transport.Close())
	}
	return nil
}

// observe tells the Part of other leaders.
func (n *Node) observe() {
	seen := make(chan hraft.Observation, 1)
	o := hraft.NewObserver(seen, false, func(o *hraft.Observation) bool {
		_, ok := o.Data.(hraft.LeaderObservation)
		return ok
	})
	n.raft.RegisterObserver(o)
	defer n.raft.DeregisterObserver(o)
	for {
		select {
		case <-n.ctx.Done():
			return
		case o := <-seen:
			if l, ok := o.Data.(hraft.LeaderObservation); ok {
				n.cfg.Logger.Info("raft: leader", "id", l.LeaderID, "address", l.LeaderAddr)
			}
			if n.fsm.part != nil {
				n.fsm.part.LeaderChanged()
			}
		}
	}
}

// errNotOpen is what the methods of a Node say that Open has not made.
var errNotOpen = errors.New("no node: make one with Open")

// ErrClosed: the node was closed.
var ErrClosed = errors.New("raft node is closed")

// started is nil while the node can be used.
func (n *Node) started() error {
	switch {
	case n == nil || n.raft == nil:
		return errNotOpen
	case n.ctx.Err() != nil:
		return ErrClosed
	}
	return n.fsm.failure()
}

// Ready waits until the node has joined, as a voter unless it is to have no vote, the cluster has a leader, and the
// node has applied everything that was acknowledged before the call.
func (n *Node) Ready(ctx context.Context) (err error) {
	defer errs.Wrap(&err, "wait for raft cluster")
	if err := n.started(); err != nil {
		return err
	}
	select {
	case <-n.joined:
		return n.catchUp(ctx)
	case <-n.ctx.Done():
		return ErrClosed
	case <-ctx.Done():
		return fmt.Errorf("the node has not joined: %w", context.Cause(ctx))
	}
}

// Close stops the node. It stays a member of its cluster. A leader hands over first, so that the
// others need not find out that it is gone. Calls that are under way end with an error.
func (n *Node) Close() (err error) {
	if n == nil || n.raft == nil {
		return nil
	}
	n.closing.Do(func() {
		if n.isLeader() {
			_ = n.raft.LeadershipTransfer().Error() // alone, or nobody is up to date
		}
		err = n.close()
	})
	return err
}

// close stops what open has started, however far it came.
func (n *Node) close() error {
	n.stop()
	var all error
	if n.raft != nil {
		all = n.raft.Shutdown().Error()
	}
	if n.net != nil {
		all = errors.Join(all, n.net.close())
	}
	if n.server != nil {
		n.server.Stop()
	}
	n.working.Wait()
	if n.log != nil {
		all = errors.Join(all, n.log.Close())
	}
	return all
}

// Address is where others reach the node.
func (n *Node) Address() string {
	if n == nil || n.net == nil {
		return ""
	}
	return n.net.advertise
}
