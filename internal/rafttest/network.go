package rafttest

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"
)

// Network is what the nodes dial through.
type Network struct {
	mu      sync.Mutex
	cut     map[string]bool // nodes that nobody reaches, and that reach nobody
	stalled map[string]time.Time
	conns   map[*conn]bool
}

func newNetwork() *Network {
	return &Network{cut: map[string]bool{}, stalled: map[string]time.Time{}, conns: map[*conn]bool{}}
}

var errCut = errors.New("the network is cut")

// Cut separates a node from the others: its connections break, and new ones are refused.
func (n *Network) Cut(node string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut[node] = true
	for c := range n.conns {
		if c.from == node || c.to == node {
			_ = c.Conn.Close()
		}
	}
}

// Stall holds back what is sent to a node, and by it, for some time, and then lets it through: as
// with a process that is stopped and goes on.
func (n *Network) Stall(node string, d time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.stalled[node] = time.Now().Add(d)
}

// Heal ends all cuts.
func (n *Network) Heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.cut)
}

func (n *Network) dial(ctx context.Context, from, to, address string) (net.Conn, error) {
	inner, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cut[from] || n.cut[to] {
		return nil, errors.Join(errCut, inner.Close())
	}
	c := &conn{Conn: inner, n: n, from: from, to: to}
	n.conns[c] = true
	return c, nil
}

// conn is a connection between two nodes.
type conn struct {
	net.Conn
	n        *Network
	from, to string
}

// Read implements [net.Conn].
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.wait()
	return n, err
}

// Write implements [net.Conn].
func (c *conn) Write(b []byte) (int, error) {
	c.wait()
	return c.Conn.Write(b)
}

// Close implements [net.Conn].
func (c *conn) Close() error {
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	delete(c.n.conns, c)
	return c.Conn.Close()
}

func (c *conn) wait() {
	c.n.mu.Lock()
	until := c.n.stalled[c.from]
	if to := c.n.stalled[c.to]; to.After(until) {
		until = to
	}
	c.n.mu.Unlock()
	time.Sleep(time.Until(until))
}
