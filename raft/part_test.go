package raft_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"testing"

	"github.com/replctl/replicate/internal/rafttest"
	"github.com/replctl/replicate/raft"
)

// journal is a Part that keeps its commands.
type journal struct {
	mu       sync.Mutex
	commands []string
	conns    int
	leaders  int
}

// Apply implements [raft.Part].
func (j *journal) Apply(command []byte, index uint64) any {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.commands = append(j.commands, string(command))
	return fmt.Sprint(len(j.commands), " at most ", index)
}

// Snapshot implements [raft.Part].
func (j *journal) Snapshot() (io.WriterTo, error) { return journalSnapshot(j.all()), nil }

// Restore implements [raft.Part].
func (j *journal) Restore(from io.Reader) error {
	b, err := io.ReadAll(from)
	var commands []string
	if err == nil && len(b) > 0 {
		err = json.Unmarshal(b, &commands)
	}
	if err == nil {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.commands = commands
	}
	return err
}

// HandleConnection implements [raft.Part].
func (j *journal) HandleConnection(conn net.Conn) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.conns++
	_ = conn.Close()
}

// LeaderChanged implements [raft.Part].
func (j *journal) LeaderChanged() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.leaders++
}

func (j *journal) all() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.commands)
}

func (j *journal) count(n *int) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return *n
}

type journalSnapshot []string

// WriteTo implements [io.WriterTo].
func (s journalSnapshot) WriteTo(to io.Writer) (int64, error) {
	return 0, json.NewEncoder(to).Encode([]string(s))
}

// as makes it the Part of a configuration.
func (j *journal) as(*raft.Handle) (raft.Part, error) { return j, nil }

// TestPart: commands of a second state machine are in the order of the log on each node, and in
// its snapshots; its connections reach the leader's.
func TestPart(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	journals := map[int]*journal{}
	c := rafttest.Start(t, rafttest.Options{Change: func(i int, cfg *raft.Config) {
		mu.Lock()
		defer mu.Unlock()
		journals[i] = new(journal)
		cfg.Part, cfg.Trailing = journals[i].as, 4
	}})
	leader := c.Leader()
	follower := (leader + 1) % 3
	h := c.Node(follower).Handle()
	if _, err := h.Apply([]byte("x")); !errors.Is(err, raft.ErrNotLeader) || h.IsLeader() {
		t.Errorf("Apply on a follower: %v", err)
	}
	var want []string
	for i := range 30 {
		write(t, c.Node(i%3), fmt.Sprint("k", i), "", "")
		want = append(want, fmt.Sprint("command ", i))
		answer, err := c.Node(leader).Handle().Apply([]byte(want[i]))
		if text, ok := answer.(string); err != nil || !ok || text == "" {
			t.Fatalf("Apply: %v, %v", answer, err)
		}
	}
	if err := h.EnsureStrongConsistency(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := journals[follower].all(); !slices.Equal(got, want) {
		t.Errorf("the follower has %q", got)
	}
	conn, err := h.DialLeader()
	if err != nil {
		t.Fatal(err)
	}
	conn.Connect()
	eventually(t, "the leader's part has a connection", func() bool {
		return journals[leader].count(&journals[leader].conns) > 0
	})
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	eventually(t, "the part is told of the leader", func() bool {
		return journals[leader].count(&journals[leader].leaders) > 0
	})

	if err := c.Node(leader).Snapshot(t.Context(), discard{}); err != nil {
		t.Fatal(err)
	}
	c.Lose(follower)
	c.Open(follower)
	if err := c.Node(follower).Ready(background(t)); err != nil {
		t.Fatal(err)
	}
	if got := journals[follower].all(); !slices.Equal(got, want) {
		t.Errorf("a follower that lost its disk has %q", got)
	}
}
