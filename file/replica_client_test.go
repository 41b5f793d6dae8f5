package file_test

import (
	"testing"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replicatest"
)

func TestReplicaClient(t *testing.T) {
	replicatest.RunReplicaClient(t, func(t *testing.T) replicatest.Replica {
		dir := t.TempDir() + "/replica"
		return replicatest.Over(file.NewStore(dir, file.Options{}), func() replicate.ReplicaClient {
			return file.NewReplicaClient(dir)
		})
	})
}

func TestFenced(t *testing.T) {
	replicatest.RunFenced(t, func(t *testing.T) replicatest.Fenced {
		dir := scratch(t) + "/replica"
		client := func(createOnly bool) replica.Fenceable {
			c := file.NewReplicaClient(dir)
			c.CreateOnly = createOnly
			return c
		}
		return replicatest.Fenced{
			Replica: replicatest.Over(file.NewStore(dir, file.Options{}),
				func() replicate.ReplicaClient { return client(false) }),
			Client: client,
			Leaser: func(c replicatest.LeaserConfig) replicate.Leaser {
				l := file.NewLeaser(dir)
				l.Owner, l.TTL, l.MaxTTL = c.Owner, c.TTL, c.MaxTTL
				return l
			},
			NoMetadata: noMetadata(t, scratch(t)),
		}
	})
}
