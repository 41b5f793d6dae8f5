package raft_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/race"
	"github.com/replctl/replicate/internal/rafttest"
	"github.com/replctl/replicate/raft"
)

var quiet = slog.New(slog.DiscardHandler)

// quick is a cluster that finds another leader soon.
func quick(_ int, c *raft.Config) { c.Heartbeat = race.Pick(250*time.Millisecond, 2*time.Second) }

// eventually waits for something that a cluster comes to by itself.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(rafttest.Patience); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it does not happen that %s", what)
		}
	}
}

func write(t *testing.T, s cas.Store, key, value string, expect cas.Token) cas.Token {
	t.Helper()
	w, err := s.Write(t.Context(), key, []byte(value), expect)
	if err != nil {
		t.Fatal(err)
	}
	return w.Token
}

// put writes a record for as long as it takes, in a cluster whose leader may change.
func put(t *testing.T, s cas.Store, key, value string) {
	t.Helper()
	eventually(t, key+" is written", func() bool {
		r, err := s.Read(t.Context(), key, "")
		if err == nil && string(r.Value) != value {
			_, err = cas.Swap(t.Context(), s, key, []byte(value), r.Token)
		}
		return err == nil
	})
}

func wantValue(t *testing.T, s cas.Store, key, want string) {
	t.Helper()
	r, err := s.Read(t.Context(), key, "")
	if err != nil || string(r.Value) != want {
		t.Errorf("%s is %.40q, %v, want %q", key, r.Value, err, want)
	}
}

func status(t *testing.T, n *raft.Node) raft.Status {
	t.Helper()
	s, err := n.Status()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// another is a node that does not lead.
func another(c *rafttest.Cluster) int {
	for i := range c.Size() {
		if i != c.Leader() && c.Node(i) != nil {
			return i
		}
	}
	return -1
}

func background(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), rafttest.Patience)
	t.Cleanup(cancel)
	return ctx
}
