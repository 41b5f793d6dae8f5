package raft_test

import (
	"testing"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/cas/castest"
	"github.com/replctl/replicate/internal/rafttest"
)

// TestContract: one node, and three nodes with two thirds of the handles on followers.
func TestContract(t *testing.T) {
	for name, nodes := range map[string]int{"one": 1, "three": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := rafttest.Start(t, rafttest.Options{Nodes: nodes})
			castest.Run(t, castest.Harness{Unchanged: true, Slow: true,
				New: func(t *testing.T) func() cas.Store { return c.Fresh(t) }})
		})
	}
}
