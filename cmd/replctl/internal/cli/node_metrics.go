package cli

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/replctl/replicate/raft"
)

// nodeMetrics tells what a node says of itself.
type nodeMetrics struct{ node *raft.Node }

// nodeGauge is a metric of a node.
func nodeGauge(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("replctl_node_"+name, help, labels, nil)
}

var (
	nodeInfo    = nodeGauge("info", "The node, with its id and its state as labels; 1.", "id", "state", "leader")
	nodeLeads   = nodeGauge("leads", "Whether the node leads its cluster.")
	nodeVoter   = nodeGauge("voter", "Whether the node has a vote.")
	nodeMembers = nodeGauge("members", "Members of the cluster, as the node knows them.")
	nodeTerm    = nodeGauge("term", "The term of the node.")
	nodeCommit  = nodeGauge("commit_index", "The last log entry that the node knows to be committed.")
	nodeApplied = nodeGauge("applied_index", "The last log entry that changed something on this node.")
	nodeRecords = nodeGauge("records", "Records on this node.")
	nodeContact = nodeGauge("leader_contact_age_seconds", "Seconds since a follower has heard of its leader.")
	nodeFailed  = nodeGauge("failed", "Whether the node applies nothing any more.")
)

// Describe implements [prometheus.Collector].
func (m nodeMetrics) Describe(to chan<- *prometheus.Desc) { prometheus.DescribeByCollect(m, to) }

// Collect implements [prometheus.Collector].
func (m nodeMetrics) Collect(to chan<- prometheus.Metric) {
	s, err := m.node.Status()
	if err != nil {
		to <- prometheus.NewInvalidMetric(nodeInfo, err)
		return
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	truth := func(d *prometheus.Desc, v bool) {
		if v {
			gauge(d, 1)
		} else {
			gauge(d, 0)
		}
	}
	gauge(nodeInfo, 1, s.ID, s.State, s.Leader)
	truth(nodeLeads, s.State == "Leader")
	truth(nodeVoter, votes(s))
	truth(nodeFailed, s.Failure != "")
	gauge(nodeMembers, float64(len(s.Members)))
	gauge(nodeTerm, float64(s.Term))
	gauge(nodeCommit, float64(s.Commit))
	gauge(nodeApplied, float64(s.Applied))
	gauge(nodeRecords, float64(s.Records))
	if s.State != "Leader" && !s.LastContact.IsZero() {
		gauge(nodeContact, time.Since(s.LastContact).Seconds())
	}
}

// votes reports whether the node that says this has a vote.
func votes(s raft.Status) bool {
	for _, m := range s.Members {
		if m.ID == s.ID {
			return m.Voter
		}
	}
	return false
}
