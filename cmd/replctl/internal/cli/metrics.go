package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/check"
)

// metrics are those of some replicas, for the node exporter's textfile collector.
type metrics struct {
	registry *prometheus.Registry
	families map[string]*prometheus.GaugeVec // by name
}

func newMetrics() *metrics {
	return &metrics{prometheus.NewRegistry(), map[string]*prometheus.GaugeVec{}}
}

// one adds a sample. Each of a name has the same labels, given as name and value by turns; the URL is
// the first.
func (m *metrics) one(name, help string, value float64, labels ...string) {
	v := m.families[name]
	if v == nil {
		var names []string
		for i := 0; i < len(labels); i += 2 {
			names = append(names, labels[i])
		}
		v = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, names)
		m.registry.MustRegister(v)
		m.families[name] = v
	}
	var values []string
	for i := 1; i < len(labels); i += 2 {
		values = append(values, strings.ToValidUTF8(labels[i], "\uFFFD")) // a path may be any bytes
	}
	v.WithLabelValues(values...).Set(value)
}

// text is what the collector reads.
func (m *metrics) text() (string, error) {
	families, err := m.registry.Gather()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&b, f); err != nil {
			return "", err
		}
	}
	return b.String(), nil
}

// checkMetrics is what a check has found.
func checkMetrics(url string, r *check.Report, now time.Time) *metrics {
	m := newMetrics()
	one := func(name, help string, value float64, labels ...string) {
		m.one(name, help, value, append([]string{"url", url}, labels...)...)
	}
	one("replctl_check_ok", "Whether the check found no error.", zeroOne(r.OK()))
	one("replctl_check_timestamp_seconds", "When the check ended.", seconds(now))
	one("replctl_check_objects", "Objects in the replica.", float64(r.Objects))
	one("replctl_check_bytes", "Stored size of the replica.", float64(r.Bytes))
	one("replctl_check_verified_objects", "Objects that the check read from end to end.", float64(r.Verified))
	for severity, n := range bySeverity(r.Problems) {
		one("replctl_check_problems", "Problems that the check found.", n, "severity", severity)
	}
	for i, w := range r.Restorable { // the last window of each format and generation, if its times are known
		if i+1 < len(r.Restorable) && r.Restorable[i+1].Format == w.Format && r.Restorable[i+1].Generation == w.Generation {
			continue
		}
		labels := []string{"format", w.Format, "generation", w.Generation}
		if !w.From.Time.IsZero() {
			one("replctl_restorable_from_seconds", "Begin of the last window that can be restored.",
				seconds(w.From.Time), labels...)
		}
		if !w.To.Time.IsZero() {
			one("replctl_restorable_to_seconds", "End of the last window that can be restored.", seconds(w.To.Time), labels...)
		}
	}
	return m
}

// bySeverity counts problems; 0 is a count, too.
func bySeverity(problems []replica.Problem) map[string]float64 {
	n := map[string]float64{}
	for _, severity := range []replica.Severity{replica.SeverityError, replica.SeverityWarning, replica.SeverityInfo} {
		n[string(severity)] = 0
	}
	for _, p := range problems {
		n[string(p.Severity)]++
	}
	return n
}

func zeroOne(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// writeMetrics replaces the file whole: the collector, which is another user, may read it at any moment.
func writeMetrics(file string, m *metrics) error {
	text, err := m.text()
	if err == nil {
		err = writeFile(file, 0o644, false, func(w io.Writer) error {
			_, err := io.WriteString(w, text)
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("write metrics: %w", err)
	}
	return nil
}
