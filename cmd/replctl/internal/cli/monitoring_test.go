package cli

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/replctl/replicate/lease"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/check"
	"github.com/replctl/replicate/replica/drill"
	"github.com/replctl/replicate/replica/fleet"
)

// everyMetric has a sample of each metric that the commands write.
func everyMetric(t *testing.T) *metrics {
	t.Helper()
	now := time.Unix(1_700_000_000, 0)
	point := replica.Point{Time: now, TXID: ltx.TXID(1)}
	held := &replica.LeaseRecord{State: lease.Held}
	held.Generation = 1
	last := replica.Drill{Time: now, Outcome: string(drill.Passed)}
	m := lsMetrics([]lsRow{{&fleet.Database{Newest: point, Oldest: point, Lease: held, Drill: &last}, "a"}},
		&lsFlags{sizes: true}, now)
	m.check("a", &check.Report{
		Inspection: &check.Inspection{},
		Restorable: []replica.Window{{From: point, To: point, Format: replica.FormatLTX}},
	}, now)
	return m
}

var metricName = regexp.MustCompile(`\breplctl_[a-z_]*[a-z]\b`)

func namesIn(text string) []string {
	return slices.Compact(slices.Sorted(slices.Values(metricName.FindAllString(text, -1))))
}

// TestMonitoring: the metrics follow the conventions; docs/monitoring.md has all of them; the alert rules and
// the dashboard use no others.
func TestMonitoring(t *testing.T) {
	m := everyMetric(t)
	text, err := m.text()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("the metrics: %v (%v)", problems, err)
	}
	exported := slices.Sorted(maps.Keys(m.families))
	if len(exported) < 20 {
		t.Fatalf("only %q are exported", exported)
	}
	docs := filepath.Join("..", "..", "..", "..", "docs")
	read := func(name string) string {
		t.Helper()
		data, err := os.ReadFile(filepath.Join(docs, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	var table strings.Builder
	for line := range strings.Lines(read("monitoring.md")) {
		if strings.HasPrefix(line, "| `replctl_") {
			table.WriteString(line)
		}
	}
	if got := namesIn(table.String()); !slices.Equal(got, exported) {
		t.Errorf("docs/monitoring.md has\n%q, and exported are\n%q", got, exported)
	}
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(read("monitoring/dashboard.json")), &board); err != nil {
		t.Fatal(err)
	}
	used := read("monitoring/alerts.yml")
	for _, p := range board.Panels {
		if len(p.Targets) == 0 {
			t.Errorf("the panel %q shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			used += " " + target.Expr + " "
		}
	}
	for _, name := range namesIn(used) {
		if !slices.Contains(exported, name) {
			t.Errorf("the alerts or the dashboard use %s, which does not exist", name)
		}
	}
}
