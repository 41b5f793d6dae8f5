package raft_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/rafttest"
	"github.com/replctl/replicate/probe"
	"github.com/replctl/replicate/raft"
	"github.com/replctl/replicate/replicatest"
	"github.com/replctl/replicate/sqldb"
)

// leaserOn is a leaser whose handles are on one node after the other.
func leaserOn(open func() cas.Store) *raft.Leaser {
	return sqldb.NewLeaser(raft.LeaserType, func(context.Context) (cas.Store, error) { return open(), nil })
}

// TestLeaser: the suite of leasers, and the probe, on three nodes.
func TestLeaser(t *testing.T) {
	t.Parallel()
	c := rafttest.Start(t, rafttest.Options{})
	t.Run("Suite", func(t *testing.T) {
		replicatest.RunLeaser(t, func(t *testing.T) replicatest.Lock { return lockOn(c.Fresh(t)) })
	})
	t.Run("Probe", func(t *testing.T) {
		report, err := probe.Run(t.Context(), leaserOn(c.Fresh(t)).ProbeTarget(), probe.Options{Rounds: 3, Writers: 6})
		if err != nil || report.Verdict != probe.Conformant || len(report.Left) > 0 {
			t.Errorf("the probe says %+v, %v", report, err)
		}
	})
	t.Run("NewLeaser", func(t *testing.T) {
		l := raft.NewLeaser(c.Node(2).Records)
		held, err := l.AcquireLease(t.Context())
		if err == nil {
			err = l.ReleaseLease(t.Context(), held)
		}
		if err != nil || l.Type() != "raft" {
			t.Errorf("type %s: %v", l.Type(), err)
		}
	})
}

// lockOn is a lease's place in records.
func lockOn(open func() cas.Store) replicatest.Lock {
	s, ctx := open().(cas.Deleter), context.Background()
	change := func(apply func(cas.Token) error) error {
		r, err := s.Read(ctx, "lock.json", "")
		if err == nil {
			err = apply(r.Token)
		}
		return err
	}
	return replicatest.Lock{
		Open: func(c replicatest.LeaserConfig) replicate.Leaser {
			l := leaserOn(open)
			l.Owner, l.TTL, l.MaxTTL = c.Owner, c.TTL, c.MaxTTL
			return l
		},
		Get: func() ([]byte, error) {
			r, err := s.Read(ctx, "lock.json", "")
			return r.Value, err
		},
		Put: func(value []byte) error {
			return change(func(at cas.Token) error {
				_, err := s.Write(ctx, "lock.json", value, at)
				return err
			})
		},
		Remove: func() error { return change(func(at cas.Token) error { return s.Delete(ctx, "lock.json", at) }) },
	}
}

// TestEventual: eventual reads of a node never go back, across its restart either, and see what
// was written before long.
func TestEventual(t *testing.T) {
	t.Parallel()
	c := rafttest.Start(t, rafttest.Options{})
	follower := (c.Leader() + 1) % 3
	leader := c.Node(c.Leader())
	const count = 50
	var token cas.Token
	var last atomic.Int64
	look := func() {
		s := c.Records(t, follower, raft.Options{Read: raft.Eventual})
		r, err := s.Read(t.Context(), "k", "")
		if err != nil {
			t.Fatal(err)
		}
		if n := int64(len(r.Value)); n < last.Load() {
			t.Errorf("an eventual read goes back from %d to %d", last.Load(), n)
		} else {
			last.Store(n)
		}
	}
	for i := range count {
		token = write(t, leader, "k", string(make([]byte, i+1)), token)
		look()
		if i == count/2 {
			c.Stop(follower)
			c.Open(follower)
		}
	}
	eventually(t, "the follower has the last value", func() bool {
		look()
		return last.Load() == count
	})
}
