package raftbackend

import (
	"testing"

	"github.com/replctl/replicate/store/resource"
	"github.com/replctl/replicate/store/resource/resourcetest"
)

func TestOneNode(t *testing.T) {
	t.Parallel()
	resourcetest.Run(t, resourcetest.Harness{New: func(t *testing.T) func() resource.Backend {
		return newCluster(t, 1, false).backends()
	}})
}

// TestThreeNodes: two thirds of the handles are followers, which lag behind.
func TestThreeNodes(t *testing.T) {
	t.Parallel()
	resourcetest.Run(t, resourcetest.Harness{Slow: true, New: func(t *testing.T) func() resource.Backend {
		return newCluster(t, 3, true).backends()
	}})
}
