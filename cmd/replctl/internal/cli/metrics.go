package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"github.com/replctl/replicate/lease"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/check"
	"github.com/replctl/replicate/replica/drill"
	"github.com/replctl/replicate/replica/fleet"
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

// check adds what a check has found.
func (m *metrics) check(url string, r *check.Report, now time.Time) {
	one := func(name, help string, value float64, labels ...string) {
		m.one(name, help, value, append([]string{"url", url}, labels...)...)
	}
	m.checkOK(url, r.OK())
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
}

func (m *metrics) checkOK(url string, ok bool) {
	m.one("replctl_check_ok", "Whether the check found no error.", zeroOne(ok), "url", url)
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

const (
	helpNewest = "Time of the newest state that can be restored."
	helpAge    = "Age of the newest state when it was looked at."
)

// lsMetrics is what ls has found.
func lsMetrics(found []lsRow, flags *lsFlags, now time.Time) *metrics {
	m := newMetrics()
	m.one("replctl_ls_timestamp_seconds", "When the replicas were listed.", seconds(now))
	for _, db := range found {
		one := func(name, help string, value float64, labels ...string) {
			m.one(name, help, value, append([]string{"url", db.url}, labels...)...)
		}
		one("replctl_replica_info", "A replica, and which formats it has.", 1, "formats", strings.Join(db.Formats, ","))
		for _, v := range fleet.Verdicts {
			one("replctl_replica_verdict", "1 for the verdict on the replica, 0 for the others.",
				zeroOne(db.Verdict == v), "verdict", string(v))
		}
		if !db.Newest.Time.IsZero() {
			one("replctl_replica_newest_seconds", helpNewest, seconds(db.Newest.Time))
			one("replctl_replica_age_seconds", helpAge, db.Age(now).Seconds())
		}
		if !db.Oldest.Time.IsZero() {
			one("replctl_replica_oldest_seconds", "Time of the oldest state that can be restored.", seconds(db.Oldest.Time))
		}
		for severity, n := range bySeverity(db.Problems) {
			one("replctl_replica_problems", "Problems that the names and headers show.", n, "severity", severity)
		}
		if l := db.Lease; l != nil {
			one("replctl_replica_lease_held", "Whether somebody holds the lease.", zeroOne(l.State == lease.Held))
			one("replctl_replica_lease_generation", "Generation of the lease.", float64(l.Generation))
		}
		if db.Drill != nil {
			m.drill(db.url, *db.Drill)
		}
		if flags.sizes {
			one("replctl_replica_objects", "Objects of the replica.", float64(db.Objects))
			one("replctl_replica_bytes", "Stored size of the replica.", float64(db.Bytes))
		}
	}
	return m
}

func drillMetrics(all []drilled) *metrics {
	m := newMetrics()
	for _, d := range all {
		m.drill(d.url, d.report.Record())
		if d.report.Newest.Time.IsZero() {
			continue
		}
		m.one("replctl_replica_newest_seconds", helpNewest, seconds(d.report.Newest.Time), "url", d.url)
		m.one("replctl_replica_age_seconds", helpAge, d.report.Age.Seconds(), "url", d.url)
	}
	return m
}

// drill adds what is known of one.
func (m *metrics) drill(url string, d replica.Drill) {
	m.one("replctl_drill_timestamp_seconds", "When the last drill ended.", seconds(d.Time), "url", url)
	m.one("replctl_drill_passed", "Whether the last drill passed.", zeroOne(d.Outcome == string(drill.Passed)), "url", url)
	m.one("replctl_drill_moments", "Moments that the last drill tried.", float64(d.Moments), "url", url)
	m.one("replctl_drill_restore_seconds", "The longest restore of the last drill.", d.RestoreSeconds, "url", url)
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
