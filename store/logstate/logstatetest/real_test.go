//go:build realservers

package logstatetest

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

// TestRaftProcesses: three processes with certificates, two thirds of the handles begin with a follower.
func TestRaftProcesses(t *testing.T) {
	engine{Harness: Harness{Slow: true}, records: rafttest.Processes(t)}.run(t)
}

// TestRaftAlone: one node, which is all that there is of a cluster.
func TestRaftAlone(t *testing.T) {
	engine{Harness: Harness{Slow: true}, records: rafttest.Start(t, rafttest.Options{Nodes: 1}).Fresh}.run(t)
}
