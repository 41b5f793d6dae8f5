//go:build realservers

package s3

import (
	"testing"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/internal/s3servers"
	"github.com/replctl/replicate/probe"
)

// TestRealProbe: real servers are conformant, and their buckets empty afterwards.
// docs/leases.md has a table of what it logs.
func TestRealProbe(t *testing.T) {
	s3servers.Each(t, func(t *testing.T, s s3servers.Server) {
		bucket := s.NewBucket(t)
		report, err := probe.Run(t.Context(), realLeaser(s, bucket, "").ProbeTarget(), probe.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range report.Checks {
			t.Logf("%s: %s: %s", c.Name, c.Result, c.Evidence)
		}
		t.Logf("%s in %v", report.Verdict, report.Took)
		if report.Verdict != probe.Conformant || len(report.Left) > 0 || report.CleanupErr != nil {
			t.Errorf("verdict %s (%v), left %q (%v)", report.Verdict, report.Err(), report.Left, report.CleanupErr)
		}
		for info, err := range realStore(t, s, bucket, func(c *Config) { c.Path = "" }).List(t.Context(), "",
			blob.ListOptions{}) {
			t.Errorf("left in the bucket: %s, %v", info.Key, err)
		}
	})
}
