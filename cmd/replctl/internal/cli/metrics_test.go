package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/check"
)

// TestMetricsOfAnyPath: a path need not be text.
func TestMetricsOfAnyPath(t *testing.T) {
	r := &check.Report{Inspection: &check.Inspection{Problems: []replica.Problem{{Severity: replica.SeverityError}}}}
	m := newMetrics()
	m.check("/a\xff\n\"b", r, time.Unix(1, 0))
	text, err := m.text()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`replctl_check_problems{severity="error",url="/a�\n\"b"} 1` + "\n",
		`replctl_check_problems{severity="info",url="/a�\n\"b"} 0` + "\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
}
