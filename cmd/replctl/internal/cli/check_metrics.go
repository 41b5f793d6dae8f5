package cli

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/replctl/replicate/internal/durable"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/check"
)

// metrics is text in the format of the node exporter's textfile collector:
// https://prometheus.io/docs/instrumenting/exposition_formats/. The client library
// for it would be a third of the program.
type metrics struct{ strings.Builder }

// family begins a metric.
func (m *metrics) family(name, help string) {
	fmt.Fprintf(m, "# HELP %s %s\n# TYPE %[1]s gauge\n", name, help)
}

// sample adds a value; labels are names and values in turn.
func (m *metrics) sample(name string, value float64, labels ...string) {
	var pairs []string
	for i := 0; i < len(labels); i += 2 {
		pairs = append(pairs, labels[i]+`="`+labelEscaper.Replace(labels[i+1])+`"`)
	}
	fmt.Fprintf(m, "%s{%s} %v\n", name, strings.Join(pairs, ","), value)
}

func (m *metrics) one(url, name, help string, value float64) {
	m.family(name, help)
	m.sample(name, value, "url", url)
}

var labelEscaper = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// checkMetrics is what a check has found.
func checkMetrics(url string, r *check.Report, now time.Time) string {
	m := &metrics{}
	ok := 0.0
	if r.OK() {
		ok = 1
	}
	m.one(url, "replctl_check_ok", "Whether the check found no error.", ok)
	m.one(url, "replctl_check_timestamp_seconds", "When the check ended.", seconds(now))
	m.one(url, "replctl_check_objects", "Objects in the replica.", float64(r.Objects))
	m.one(url, "replctl_check_bytes", "Stored size of the replica.", float64(r.Bytes))
	m.one(url, "replctl_check_verified_objects", "Objects that the check read from end to end.", float64(r.Verified))
	m.family("replctl_check_problems", "Problems that the check found.")
	severities := []replica.Severity{replica.SeverityError, replica.SeverityWarning, replica.SeverityInfo}
	for _, severity := range severities {
		n := 0
		for _, p := range r.Problems {
			if p.Severity == severity {
				n++
			}
		}
		m.sample("replctl_check_problems", float64(n), "url", url, "severity", string(severity))
	}
	m.windows(url, "replctl_restorable_from_seconds", "Begin of the last window that can be restored.",
		r.Restorable, func(w replica.Window) time.Time { return w.From.Time })
	m.windows(url, "replctl_restorable_to_seconds", "End of the last window that can be restored.",
		r.Restorable, func(w replica.Window) time.Time { return w.To.Time })
	return m.String()
}

// windows shows the last window of each format and generation, if its times are known.
func (m *metrics) windows(url, name, help string, windows []replica.Window, at func(replica.Window) time.Time) {
	m.family(name, help)
	for i, w := range windows {
		if at(w).IsZero() {
			continue
		}
		if i+1 == len(windows) || windows[i+1].Format != w.Format || windows[i+1].Generation != w.Generation {
			m.sample(name, seconds(at(w)), "url", url, "format", w.Format, "generation", w.Generation)
		}
	}
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// writeMetrics replaces the file whole: the collector may read it at any moment.
func writeMetrics(file, text string) error {
	dir, err := durable.OpenRoot(filepath.Dir(file))
	if err != nil {
		return fmt.Errorf("write metrics: %w", err)
	}
	defer dir.Close()
	temp, err := durable.CreateTemp(dir, 0o644) // the exporter is another user
	if err != nil {
		return fmt.Errorf("write metrics: %w", err)
	}
	defer temp.Abort()
	if _, err := temp.WriteString(text); err != nil {
		return fmt.Errorf("write metrics: %w", err)
	}
	if err := temp.Publish(filepath.Base(file), time.Time{}, false); err != nil {
		return fmt.Errorf("write metrics %s: %w", file, err)
	}
	return nil
}
