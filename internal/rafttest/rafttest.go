// Package rafttest starts clusters of package raft in this process, for tests, and cuts and
// stalls what their nodes say to one another.
package rafttest

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/raft"
)

// Options of a cluster. The zero value suits tests in which nothing breaks.
type Options struct {
	Nodes  int                           // 3 if 0
	Change func(i int, cfg *raft.Config) // changes the configuration of a node
}

// Cluster is a few nodes. A node that a test has stopped is nil.
type Cluster struct {
	Nodes   []*raft.Node
	Network *Network

	t       testing.TB
	opts    Options
	dir     string
	address []string
	names   atomic.Int64
}

// startTimeout is how long a cluster may take to begin. It is long: machines are slow.
const startTimeout = 2 * time.Minute

// Start starts a cluster, and waits until all its nodes are voters. The end of the test stops it.
func Start(t testing.TB, opts Options) *Cluster {
	t.Helper()
	if opts.Nodes == 0 {
		opts.Nodes = 3
	}
	c := &Cluster{t: t, opts: opts, dir: t.TempDir(), Network: newNetwork(),
		Nodes: make([]*raft.Node, opts.Nodes), address: make([]string, opts.Nodes)}
	t.Cleanup(func() {
		for i := range c.Nodes {
			c.Stop(i)
		}
	})
	for i := range c.Nodes {
		c.Open(i)
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	for i := range c.Nodes {
		for !c.isVoter(i) {
			if ctx.Err() != nil {
				t.Fatalf("node %d is no voter after %v", i, startTimeout)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	return c
}

// ID is the id of a node.
func ID(i int) string { return fmt.Sprint("node-", i) }

// Open starts a node that does not run, with the directory that it had.
func (c *Cluster) Open(i int) {
	c.t.Helper()
	cfg := raft.Config{ID: ID(i), Dir: c.Dir(i), Bind: "127.0.0.1:0", Bootstrap: i == 0,
		Logger: slog.New(slog.DiscardHandler), Patience: 30 * time.Second}
	if i > 0 {
		cfg.Join = []string{c.address[0]}
	}
	if c.address[i] != "" {
		cfg.Bind = c.address[i]
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
	c.Nodes[i], c.address[i] = n, n.Address()
}

// Dir is the directory of a node.
func (c *Cluster) Dir(i int) string { return filepath.Join(c.dir, ID(i)) }

func (c *Cluster) nodeAt(address string) string {
	for i, a := range c.address {
		if a == address {
			return ID(i)
		}
	}
	return ""
}

// Stop closes a node.
func (c *Cluster) Stop(i int) {
	if n := c.Nodes[i]; n != nil {
		c.Nodes[i] = nil
		if err := n.Close(); err != nil {
			c.t.Errorf("close node %d: %v", i, err)
		}
	}
}

func (c *Cluster) isVoter(i int) bool {
	for _, n := range c.Nodes {
		if n == nil {
			continue
		}
		s, err := n.Status()
		if err != nil || s.State != "Leader" {
			continue
		}
		for _, m := range s.Members {
			if m.ID == ID(i) && m.Voter {
				return true
			}
		}
	}
	return false
}

// Leader is the node that leads, or one of them if an older one does not know yet; -1 if none does.
func (c *Cluster) Leader() int {
	for i, n := range c.Nodes {
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
		return c.Records(t, int(next.Add(1))%len(c.Nodes), raft.Options{Prefix: prefix})
	}
}

// Records returns records by one node.
func (c *Cluster) Records(t testing.TB, i int, opts raft.Options) *raft.Records {
	t.Helper()
	s, err := c.Nodes[i].With(opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
