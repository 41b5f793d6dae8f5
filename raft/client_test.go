package raft_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/cas/castest"
	"github.com/replctl/replicate/internal/rafttest"
	"github.com/replctl/replicate/raft"
)

// dial returns a client of a cluster, whose first address is that of a node.
func dial(t *testing.T, c *rafttest.Cluster, first int, change func(*raft.ClientConfig)) *raft.Client {
	t.Helper()
	cfg := raft.ClientConfig{Patience: 30 * time.Second, Heartbeat: rafttest.Heartbeat, Logger: quiet}
	for i := range c.Size() {
		if n := c.Node((first + i) % c.Size()); n != nil {
			cfg.Addresses = append(cfg.Addresses, n.Address())
		}
	}
	if change != nil {
		change(&cfg)
	}
	client, err := raft.Dial(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// TestClientContract: handles of one store are clients that begin with different nodes.
func TestClientContract(t *testing.T) {
	t.Parallel()
	c := rafttest.Start(t, rafttest.Options{})
	var names atomic.Int64
	castest.Run(t, castest.Harness{Unchanged: true, Slow: true, New: func(t *testing.T) func() cas.Store {
		prefix, first := fmt.Sprintf("fresh-%d/", names.Add(1)), atomic.Int64{}
		return func() cas.Store {
			return dial(t, c, int(first.Add(1))%c.Size(), func(cfg *raft.ClientConfig) { cfg.Prefix = prefix })
		}
	}})
}

// TestClientMoves: a client goes on, and its hints too, when the leader dies.
func TestClientMoves(t *testing.T) {
	t.Parallel()
	c := rafttest.Start(t, rafttest.Options{Change: quick})
	client := dial(t, c, c.Leader(), func(cfg *raft.ClientConfig) { cfg.Heartbeat = 100 * time.Millisecond })
	ctx := background(t)
	hints, err := client.Notify(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	put(t, client, "k", "one")
	lost := c.Leader()
	c.Kill(lost)
	put(t, client, "k", "two")
	wantValue(t, client, "k", "two")
	<-hints
	other := dial(t, c, another(c), func(cfg *raft.ClientConfig) { cfg.Addresses = cfg.Addresses[:1] })
	eventually(t, "a hint comes from the new leader", func() bool {
		put(t, other, "k", time.Now().String())
		select {
		case _, ok := <-hints:
			return ok
		default:
			return false
		}
	})
}

// TestClientOutcomes: a write is sent again where it was certainly not applied, and nowhere else.
func TestClientOutcomes(t *testing.T) {
	t.Parallel()
	c := rafttest.Start(t, rafttest.Options{Nodes: 1})
	client := dial(t, c, 0, func(cfg *raft.ClientConfig) {
		cfg.Addresses = append([]string{"127.0.0.1:1"}, cfg.Addresses...) // nobody is there
	})
	token := write(t, client, "k", "v", "")
	if _, err := client.Write(t.Context(), "k", nil, ""); !errors.Is(err, cas.ErrConflict) {
		t.Errorf("a record that exists is created: %v", err)
	}

	fragile := dial(t, c, 0, func(cfg *raft.ClientConfig) {
		cfg.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			inner, err := new(net.Dialer).DialContext(ctx, "tcp", address)
			return &deafConn{inner}, err
		}
	})
	wantValue(t, fragile, "k", "v")
	deaf.Store(true)
	defer deaf.Store(false)
	ctx, cancel := context.WithCancel(t.Context())
	outcome := make(chan error)
	go func() {
		_, err := fragile.Write(ctx, "k", []byte("w"), token)
		outcome <- err
	}()
	eventually(t, "the write is applied", func() bool {
		r, err := client.Read(t.Context(), "k", token)
		return err == nil && !r.Unchanged
	})
	cancel()
	if err := <-outcome; !errors.Is(err, cas.ErrIndeterminate) {
		t.Errorf("a write whose answer is lost: %v", err)
	}
	wantValue(t, client, "k", "w")
}

// deaf connections hear nothing more.
var deaf atomic.Bool

type deafConn struct{ net.Conn }

// Read implements [net.Conn].
func (c *deafConn) Read(b []byte) (int, error) {
	for {
		n, err := c.Conn.Read(b)
		if err != nil || !deaf.Load() {
			return n, err
		}
	}
}

// TestClientMembers: what a client says of members, and does with them.
func TestClientMembers(t *testing.T) {
	t.Parallel()
	c := rafttest.Start(t, rafttest.Options{})
	follower := another(c)
	client := dial(t, c, follower, func(cfg *raft.ClientConfig) { cfg.Addresses = cfg.Addresses[:1] })
	answers, err := client.Status(t.Context())
	if err != nil || len(answers) != 3 || answers[0].Status.ID != rafttest.ID(follower) {
		t.Fatalf("the status is %+v, %v", answers, err)
	}
	for _, a := range answers {
		if a.Err != nil || len(a.Status.Members) != 3 || a.Status.Leader != rafttest.ID(c.Leader()) {
			t.Errorf("%s says %+v, %v", a.Address, a.Status, a.Err)
		}
	}
	if err := client.Leave(t.Context(), rafttest.ID(follower)); err != nil {
		t.Error(err)
	}
	if n := len(status(t, c.Node(c.Leader())).Members); n != 2 {
		t.Errorf("there are %d members", n)
	}
	if err := client.Leave(t.Context(), "nobody"); err == nil || !strings.Contains(err.Error(), "no such member") {
		t.Errorf("nobody has left: %v", err)
	}
}

func TestClientMistakes(t *testing.T) {
	for name, cfg := range map[string]raft.ClientConfig{
		"no address":    {},
		"no port":       {Addresses: []string{"host"}},
		"no host":       {Addresses: []string{":1"}},
		"a prefix":      {Addresses: []string{"h:1"}, Prefix: "a"},
		"no patience":   {Addresses: []string{"h:1"}, Patience: time.Millisecond},
		"a short pulse": {Addresses: []string{"h:1"}, Heartbeat: 1},
	} {
		if c, err := raft.Dial(cfg); err == nil {
			t.Errorf("%s: accepted", name)
			_ = c.Close()
		}
	}
	client, err := raft.Dial(raft.ClientConfig{Addresses: []string{"127.0.0.1:1"}, Logger: quiet,
		Heartbeat: 20 * time.Millisecond, Patience: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Read(t.Context(), "k", ""); err == nil {
		t.Error("an absence is read where nobody is")
	}
	if _, err := client.Notify(t.Context(), ""); err == nil {
		t.Error("there are hints where nobody is")
	}
	if _, err := client.With(raft.Options{Read: raft.Eventual}); err == nil {
		t.Error("eventual reads without a node")
	}
	if err := client.Close(); err != nil {
		t.Error(err)
	}
	if _, err := client.Read(t.Context(), "k", ""); !errors.Is(err, raft.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if err := client.Close(); err != nil {
		t.Errorf("Close again: %v", err)
	}
	var zero raft.Client
	if _, err := zero.Status(t.Context()); err == nil {
		t.Error("the zero Client has a status")
	}
	if err := errors.Join(zero.Leave(t.Context(), "a"), zero.Close()); err == nil {
		t.Error("the zero Client does something")
	}
}
