// Package rafttest starts clusters of package raft in this process, for tests, and cuts and
// stalls what their nodes say to one another.
package rafttest

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/race"
	"github.com/replctl/replicate/raft"
)

// Options of a cluster. The zero value suits tests in which nothing breaks.
type Options struct {
	Nodes  int                           // 3 if 0
	Change func(i int, cfg *raft.Config) // changes the configuration of a node
}

// Cluster is a few nodes.
type Cluster struct {
	Network *Network

	nodes   []atomic.Pointer[raft.Node] // nil: stopped
	t       testing.TB
	opts    Options
	dir     string
	mu      sync.Mutex
	address []string
	names   atomic.Int64
}

// startTimeout is how long a cluster may take to begin. It is long: machines are slow.
const startTimeout = 2 * time.Minute

// Start starts a cluster, and waits until all its nodes are voters and know it. The end of the test stops it.
func Start(t testing.TB, opts Options) *Cluster {
	t.Helper()
	if opts.Nodes == 0 {
		opts.Nodes = 3
	}
	c := &Cluster{t: t, opts: opts, dir: t.TempDir(), Network: newNetwork(),
		nodes: make([]atomic.Pointer[raft.Node], opts.Nodes), address: make([]string, opts.Nodes)}
	t.Cleanup(func() {
		for i := range c.nodes {
			c.Stop(i)
		}
	})
	for i := range c.nodes {
		c.Open(i)
	}
	c.WaitVoters()
	return c
}

// WaitVoters waits until all nodes are voters, and every node that runs knows it.
func (c *Cluster) WaitVoters() {
	c.t.Helper()
	end := time.Now().Add(startTimeout)
	ctx, cancel := context.WithDeadline(context.Background(), end)
	defer cancel()
	for i := range c.nodes {
		if n := c.Node(i); n != nil {
			if err := n.Ready(ctx); err != nil {
				c.t.Logf("node %d: %v", i, err) // it may be ready later
			}
		}
		for !c.isVoter(i) {
			if time.Now().After(end) {
				c.t.Fatalf("node %d is no voter after %v", i, startTimeout)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
}

// Lose stops a node, and removes its directory.
func (c *Cluster) Lose(i int) {
	c.t.Helper()
	c.Stop(i)
	if err := os.RemoveAll(c.Dir(i)); err != nil {
		c.t.Fatal(err)
	}
}

// Kill stops a node that has no time to hand over.
func (c *Cluster) Kill(i int) {
	c.t.Helper()
	c.Network.Cut(ID(i))
	c.Stop(i)
	c.Network.Heal()
}

// Heartbeat is that of nodes in tests in which nothing breaks: no machine is so slow that it loses its leader.
var Heartbeat = race.Pick(3*raft.DefaultHeartbeat, 8*raft.DefaultHeartbeat)

// Patience is that of nodes in all tests. A call that takes longer fails, so that it is long.
const Patience = 2 * time.Minute

// ID is the id of a node.
func ID(i int) string { return fmt.Sprint("node-", i) }

// Open starts a node that does not run, with the directory that it had.
func (c *Cluster) Open(i int) {
	c.t.Helper()
	c.mu.Lock()
	known := c.address[i]
	var others []string
	for j, address := range c.address {
		if j != i && address != "" {
			others = append(others, address)
		}
	}
	c.mu.Unlock()
	cfg := raft.Config{ID: ID(i), Dir: c.Dir(i), Bind: "127.0.0.1:0", Bootstrap: i == 0 && known == "",
		Logger: slog.New(slog.DiscardHandler), Patience: Patience, Heartbeat: Heartbeat}
	if !cfg.Bootstrap {
		cfg.Join = others
	}
	if known != "" {
		cfg.Bind = known
	}
	cfg.Dial = func(ctx context.Context, address string) (net.Conn, error) {
		return c.Network.dial(ctx, ID(i), c.nodeAt(address), address)
	}
	if c.opts.Change != nil {
		c.opts.Change(i, &cfg)
	}
	n, err := raft.Open(cfg)
	if err != nil {
		c.t.Fatal(err)
	}
	c.mu.Lock()
	c.address[i] = n.Address() // the same as before, if it was stopped
	c.mu.Unlock()
	c.nodes[i].Store(n)
}

// Dir is the directory of a node.
func (c *Cluster) Dir(i int) string { return filepath.Join(c.dir, ID(i)) }

func (c *Cluster) nodeAt(address string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, a := range c.address {
		if a == address {
			return ID(i)
		}
	}
	return ""
}

// Stop closes a node.
func (c *Cluster) Stop(i int) {
	if n := c.nodes[i].Swap(nil); n != nil {
		if err := n.Close(); err != nil {
			c.t.Errorf("close node %d: %v", i, err)
		}
	}
}

// Size is how many nodes there are, the stopped ones too.
func (c *Cluster) Size() int { return len(c.nodes) }

// Node is a node; nil while it is stopped.
func (c *Cluster) Node(i int) *raft.Node { return c.nodes[i].Load() }

// isVoter: a follower hears of a new member after its leader does, so that all are asked.
func (c *Cluster) isVoter(i int) bool {
	for j := range c.nodes {
		n := c.Node(j)
		if n == nil {
			continue
		}
		s, err := n.Status()
		if err != nil || !slices.ContainsFunc(s.Members, func(m raft.Member) bool { return m.ID == ID(i) && m.Voter }) {
			return false
		}
	}
	return c.Leader() >= 0
}

// Leader is the node that leads, or one of them if an older one does not know yet; -1 if none does.
func (c *Cluster) Leader() int {
	for i := range c.nodes {
		n := c.Node(i)
		if n == nil {
			continue
		}
		if s, err := n.Status(); err == nil && s.State == "Leader" {
			return i
		}
	}
	return -1
}

// Fresh returns a function that opens handles on records that nobody else has, by one node
// after the other.
func (c *Cluster) Fresh(t *testing.T) (open func() cas.Store) {
	prefix := fmt.Sprintf("fresh-%d/", c.names.Add(1))
	var next atomic.Int64
	return func() cas.Store {
		return c.Records(t, int(next.Add(1))%len(c.nodes), raft.Options{Prefix: prefix})
	}
}

// Records returns records by one node.
func (c *Cluster) Records(t testing.TB, i int, opts raft.Options) *raft.Records {
	t.Helper()
	s, err := c.Node(i).With(opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
