//go:build realservers

package raft_test

import (
	"testing"

	"github.com/replctl/replicate/internal/rafttest"
	"github.com/replctl/replicate/probe"
	"github.com/replctl/replicate/replicatest"
)

// TestOnProcesses: the suite of leasers, and the probe, on three processes with certificates.
func TestOnProcesses(t *testing.T) {
	records := rafttest.Processes(t)
	t.Run("Leaser", func(t *testing.T) {
		replicatest.RunLeaser(t, func(t *testing.T) replicatest.Lock { return lockOn(records(t)) })
	})
	t.Run("Probe", func(t *testing.T) {
		report, err := probe.Run(t.Context(), leaserOn(records(t)).ProbeTarget(), probe.Options{Rounds: 10, Writers: 16})
		if err != nil || report.Verdict != probe.Conformant || len(report.Left) > 0 {
			t.Errorf("the probe says %+v, %v", report, err)
		}
	})
}
