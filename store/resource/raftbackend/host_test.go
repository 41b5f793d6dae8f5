package raftbackend

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/replctl/replicate/store/resource"
)

// cluster is a Raft host for tests: one committed log, which each node applies at its own
// pace, and a leader that the test chooses. Forwarded calls go over TCP on the loopback.
type cluster struct {
	mu     sync.Mutex
	log    [][]byte
	leader int           // -1: there is none
	term   int           // counts changes of it
	moved  chan struct{} // closed when the log, a node or the leader has moved
	ended  bool
	nodes  []*node
}

// node is a resource.Backend and its Handle.
type node struct {
	Resources
	c       *cluster
	id      int
	addr    string
	applied int // entries of the log
	results map[int]any
	slow    bool
	stopped bool // it applies nothing
	behind  bool // it is to get a snapshot of another node
}

// pauseAtMost is how long the log may be waited for, to grow. It may not at all.
const pauseAtMost = 200 * time.Millisecond

func newCluster(t *testing.T, size int, slow bool) *cluster {
	t.Helper()
	c := &cluster{moved: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	for id := range size {
		n := &node{c: c, id: id, results: map[int]any{}, slow: slow && id > 0}
		b, err := NewBackend(n, nil)
		if err != nil {
			t.Fatal(err)
		}
		n.Resources = Resources{b}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		n.addr = l.Addr().String()
		c.nodes = append(c.nodes, n)
		work.Go(func() { b.Run(ctx) })
		work.Go(func() { n.accept(l) })
		work.Go(n.follow)
		t.Cleanup(func() { _ = l.Close() })
	}
	t.Cleanup(func() {
		c.change(func() { c.ended = true })
		for _, n := range c.nodes {
			n.closeListener()
		}
		cancel()
		work.Wait()
	})
	return c
}

// accept gives each connection to the backend, as a host with one protocol does.
func (n *node) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil || n.c.over() {
			_ = l.Close()
			return
		}
		go n.HandleConnection(conn)
	}
}

// closeListener ends accept: by a connection that finds the cluster over.
func (n *node) closeListener() {
	if conn, err := net.Dial("tcp", n.addr); err == nil {
		_ = conn.Close()
	}
}

func (c *cluster) over() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended
}

// change changes what mu guards, and wakes those that wait for it.
func (c *cluster) change(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
	close(c.moved)
	c.moved = make(chan struct{})
}

// wait waits until is is true, which is called with mu held.
func (c *cluster) wait(ctx context.Context, is func() bool) error {
	for {
		c.mu.Lock()
		ok, ended, moved := is(), c.ended, c.moved
		c.mu.Unlock()
		switch {
		case ok:
			return nil
		case ended:
			return errors.New("the cluster is over")
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// lead makes a node the leader, or none.
func (c *cluster) lead(id int) {
	c.change(func() { c.leader, c.term = id, c.term+1 })
	for _, n := range c.nodes {
		n.LeaderChanged()
	}
}

// follow applies the log. A slow node takes a while for some entries.
func (n *node) follow() {
	rng := rand.New(rand.NewPCG(uint64(n.id), 7))
	for {
		if n.c.wait(context.Background(), func() bool { return n.applied < len(n.c.log) && !n.stopped }) != nil {
			return
		}
		n.c.mu.Lock()
		i, msg := n.applied, n.c.log[n.applied]
		isBehind := n.behind && n.c.leader != n.id
		n.c.mu.Unlock()
		if isBehind {
			n.restore(n.c.nodes[(n.id+1)%len(n.c.nodes)])
			continue
		}
		if n.slow && rng.IntN(20) == 0 {
			time.Sleep(time.Duration(rng.IntN(1000)) * time.Microsecond)
		}
		result := n.Backend.Apply(msg, uint64(i+1))
		n.c.change(func() { n.applied, n.results[i] = i+1, result })
	}
}

// restore makes the state of a node that of another one, if that is further.
func (n *node) restore(from *node) {
	s, err := from.Backend.Snapshot()
	if err == nil && s.head.index > n.Backend.applied() {
		var r *Restoration
		if r, err = n.Backend.Restore(); err == nil {
			err = copyRecords(r, s)
		}
		if err == nil {
			err = r.Commit()
		}
	}
	if err != nil {
		panic(err)
	}
	n.c.change(func() { n.behind, n.applied = false, int(n.Backend.applied()) })
}

func copyRecords(r *Restoration, s *Snapshot) error {
	for {
		record, err := s.Next()
		if err != nil || record == nil {
			return err
		}
		if err := r.Apply(record); err != nil {
			return err
		}
	}
}

// Apply implements Handle. When the leader changes meanwhile, the outcome is unknown.
func (n *node) Apply(msg []byte) (any, error) {
	i, term := -1, 0
	n.c.change(func() {
		if term = n.c.term; n.c.leader == n.id {
			i = len(n.c.log)
			n.c.log = append(n.c.log, msg)
		}
	})
	if i < 0 {
		return nil, fmt.Errorf("%w: not the leader", resource.ErrInconsistent)
	}
	var result any
	lost := false
	err := n.c.wait(context.Background(), func() bool {
		result, lost = n.results[i], n.c.term != term
		return lost || n.applied > i
	})
	if lost {
		err = errors.New("leadership lost")
	}
	return result, err
}

// IsLeader implements Handle.
func (n *node) IsLeader() bool {
	n.c.mu.Lock()
	defer n.c.mu.Unlock()
	return n.c.leader == n.id
}

// EnsureStrongConsistency implements Handle.
func (n *node) EnsureStrongConsistency(ctx context.Context) error {
	n.c.mu.Lock()
	committed, is := len(n.c.log), n.c.leader == n.id
	n.c.mu.Unlock()
	if !is {
		return errors.New("not the leader")
	}
	return n.c.wait(ctx, func() bool { return n.applied >= committed })
}

// DialLeader implements Handle.
func (n *node) DialLeader() (*grpc.ClientConn, error) {
	n.c.mu.Lock()
	defer n.c.mu.Unlock()
	if n.c.leader < 0 {
		return nil, errors.New("there is no leader")
	}
	addr := n.c.nodes[n.c.leader].addr
	return grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
}

// backends returns the nodes, one after the other, as handles of one store.
func (c *cluster) backends() func() resource.Backend {
	var i atomic.Int64
	return func() resource.Backend {
		return c.nodes[int(i.Add(1))%len(c.nodes)].Resources
	}
}
