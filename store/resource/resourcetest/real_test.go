//go:build realservers

package resourcetest

import (
	"testing"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/pgserver"
	"github.com/replctl/replicate/internal/rafttest"
	"github.com/replctl/replicate/internal/s3servers"
	"github.com/replctl/replicate/s3"
)

func TestRealServers(t *testing.T) {
	s3servers.Each(t, func(t *testing.T, s s3servers.Server) {
		engine{Harness{Slow: true}, func(t *testing.T) func() cas.Store {
			return bucket(t, s3.Config{Bucket: s.NewBucket(t), Endpoint: s.Endpoint})
		}}.run(t)
	})
}

func TestPostgreSQL(t *testing.T) {
	engine{Harness: Harness{Slow: true}, records: pgserver.Records(t)}.run(t)
}

// TestRaftProcesses is TestRaft on three processes with certificates.
func TestRaftProcesses(t *testing.T) {
	e := engine{Harness: Harness{Slow: true}, records: rafttest.Processes(t)}
	e.New, e.Small = e.over(options), e.over(small)
	Run(t, e.Harness)
}

// TestRaftAlone is TestRaft on one node, which is all that there is of a cluster.
func TestRaftAlone(t *testing.T) {
	e := engine{Harness: Harness{Slow: true}, records: rafttest.Start(t, rafttest.Options{Nodes: 1}).Fresh}
	e.New, e.Small = e.over(options), e.over(small)
	Run(t, e.Harness)
}
