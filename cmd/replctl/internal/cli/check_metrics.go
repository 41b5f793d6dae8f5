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

// metrics are those of one replica, for the node exporter's textfile collector.
type metrics struct {
	registry *prometheus.Registry
	url      string
}

// family adds a metric whose samples have these labels besides the URL.
func (m metrics) family(name, help string, labels ...string) *prometheus.GaugeVec {
	v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
	prometheus.WrapRegistererWith(prometheus.Labels{"url": m.url}, m.registry).MustRegister(v)
	return v
}

func (m metrics) one(name, help string, value float64) {
	m.family(name, help).WithLabelValues().Set(value)
}

// text is what the collector reads.
func (m metrics) text() (string, error) {
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
func checkMetrics(url string, r *check.Report, now time.Time) metrics {
	m := metrics{prometheus.NewRegistry(), strings.ToValidUTF8(url, "\uFFFD")} // a path may be any bytes
	ok := 0.0
	if r.OK() {
		ok = 1
	}
	m.one("replctl_check_ok", "Whether the check found no error.", ok)
	m.one("replctl_check_timestamp_seconds", "When the check ended.", seconds(now))
	m.one("replctl_check_objects", "Objects in the replica.", float64(r.Objects))
	m.one("replctl_check_bytes", "Stored size of the replica.", float64(r.Bytes))
	m.one("replctl_check_verified_objects", "Objects that the check read from end to end.", float64(r.Verified))
	problems := m.family("replctl_check_problems", "Problems that the check found.", "severity")
	for _, severity := range []replica.Severity{replica.SeverityError, replica.SeverityWarning, replica.SeverityInfo} {
		problems.WithLabelValues(string(severity)) // 0 is a value, too
	}
	for _, p := range r.Problems {
		problems.WithLabelValues(string(p.Severity)).Inc()
	}
	m.windows("replctl_restorable_from_seconds", "Begin of the last window that can be restored.",
		r.Restorable, func(w replica.Window) time.Time { return w.From.Time })
	m.windows("replctl_restorable_to_seconds", "End of the last window that can be restored.",
		r.Restorable, func(w replica.Window) time.Time { return w.To.Time })
	return m
}

// windows shows the last window of each format and generation, if its times are known.
func (m metrics) windows(name, help string, windows []replica.Window, at func(replica.Window) time.Time) {
	v := m.family(name, help, "format", "generation")
	for i, w := range windows {
		if at(w).IsZero() {
			continue
		}
		if i+1 == len(windows) || windows[i+1].Format != w.Format || windows[i+1].Generation != w.Generation {
			v.WithLabelValues(w.Format, w.Generation).Set(seconds(at(w)))
		}
	}
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// writeMetrics replaces the file whole: the collector, which is another user, may read it at any moment.
func writeMetrics(file string, m metrics) error {
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
