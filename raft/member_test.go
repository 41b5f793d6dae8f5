package raft_test

import (
	"fmt"
	"testing"

	"github.com/replctl/replicate/internal/rafttest"
	"github.com/replctl/replicate/raft"
)

// TestFailover: the leader is gone, and comes back; every acknowledged write is there.
func TestFailover(t *testing.T) {
	t.Parallel()
	c := rafttest.Start(t, rafttest.Options{Change: quick})
	for round := range 3 {
		leader := -1
		eventually(t, "a node leads", func() bool { leader = c.Leader(); return leader >= 0 })
		key := fmt.Sprint("k", round)
		put(t, c.Node((leader+1)%3), key, "before")
		c.Kill(leader)
		other := c.Node((leader + 1) % 3)
		wantValue(t, other, key, "before")
		put(t, other, key, "after")
		c.Open(leader)
		wantValue(t, c.Node(leader), key, "after")
	}
}

// TestMembers: a node leaves, and loses its disk; it comes back by a snapshot, without a vote at
// first. The others can be promoted and removed by any node.
func TestMembers(t *testing.T) {
	t.Parallel()
	c := rafttest.Start(t, rafttest.Options{Change: func(_ int, cfg *raft.Config) {
		cfg.SnapshotEvery, cfg.Trailing = 8, 4
	}})
	ctx := background(t)
	for i := range 40 {
		write(t, c.Node(i%3), fmt.Sprint("k", i), fmt.Sprint(i), "")
	}
	if err := c.Node(c.Leader()).Snapshot(ctx, discard{}); err != nil {
		t.Fatal(err)
	}
	lost := another(c)
	c.Lose(lost)
	c.Open(lost)
	eventually(t, "the node is a voter again", func() bool {
		for _, m := range status(t, c.Node(lost)).Members {
			if m.ID == rafttest.ID(lost) && m.Voter {
				return true
			}
		}
		return false
	})
	if err := c.Node(lost).Ready(ctx); err != nil {
		t.Fatal(err)
	}
	eventual := c.Records(t, lost, raft.Options{Read: raft.Eventual})
	for i := range 40 {
		wantValue(t, eventual, fmt.Sprint("k", i), fmt.Sprint(i))
	}
	if err := c.Node(another(c)).Leave(ctx, rafttest.ID(lost)); err != nil {
		t.Fatal(err)
	}
	if s := status(t, c.Node(c.Leader())); len(s.Members) != 2 {
		t.Errorf("two members are left, and the leader has %+v", s.Members)
	}
	if err := c.Node(c.Leader()).Promote(ctx, "nobody"); err == nil {
		t.Error("a node that is no member was promoted")
	}
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

// TestZero: methods of a node that Open has not made return errors, and none panics.
func TestZero(t *testing.T) {
	var n raft.Node
	ctx := t.Context()
	_, statusErr := n.Status()
	_, readErr := n.Read(ctx, "k", "")
	_, writeErr := n.Write(ctx, "k", nil, "")
	_, notifyErr := n.Notify(ctx, "")
	_, applyErr := n.Handle().Apply(nil)
	_, dialErr := n.Handle().DialLeader()
	for what, err := range map[string]error{
		"Status": statusErr, "Read": readErr, "Write": writeErr, "Notify": notifyErr, "Apply": applyErr,
		"DialLeader": dialErr,
		"Join":       n.Join(ctx, "a", "b"), "Leave": n.Leave(ctx, "a"), "Ready": n.Ready(ctx),
		"Delete":   n.Delete(ctx, "k", "1"),
		"Snapshot": n.Snapshot(ctx, discard{}),
	} {
		if err == nil {
			t.Errorf("%s of the zero node works", what)
		}
	}
	if n.Handle().IsLeader() || n.Address() != "" || n.Close() != nil {
		t.Error("the zero node leads, has an address, or does not close")
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*raft.Config){
		"id":              func(c *raft.Config) { c.ID = "a b" },
		"directory":       func(c *raft.Config) { c.Dir = "" },
		"bind":            func(c *raft.Config) { c.Bind = "" },
		"any address":     func(c *raft.Config) { c.Bind = "0.0.0.0:0" },
		"bootstrap, join": func(c *raft.Config) { c.Join = []string{"x:1"} },
		"heartbeat":       func(c *raft.Config) { c.Heartbeat = 1 },
		"patience":        func(c *raft.Config) { c.Patience = 2 },
	} {
		cfg := raft.Config{ID: "a", Dir: t.TempDir(), Bind: "127.0.0.1:0", Bootstrap: true}
		change(&cfg)
		if n, err := raft.Open(cfg); err == nil {
			t.Errorf("%s: it was accepted", name)
			_ = n.Close()
		}
	}
}
