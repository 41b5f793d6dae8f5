package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"
)

// report is all that a run found out.
type report struct {
	Machine machine  `json:"machine"`
	Sizes   sizes    `json:"sizes"`
	Results []result `json:"results"`
}

func (r report) json(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

func readReport(name string) (r report, err error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return r, fmt.Errorf("%s: %w", name, err)
	}
	return r, nil
}

// columns are those of the table, with what is in them.
var columns = []struct {
	title string
	cell  func(r result) string
}{
	{"operation", func(r result) string { return r.Operation }},
	{"backend", func(r result) string { return r.Backend }},
	{"ours", func(r result) string { return seconds(r.Ours, wall) }},
	{"Litestream", func(r result) string { return seconds(r.Litestream, wall) }},
	{"floor", func(r result) string { return seconds(r.Floor, wall) }},
	{"ours/L.", func(r result) string { return factor(r.Ratio) }},
	{"quartiles", func(r result) string { return quartiles(r.Quartiles) }},
	{"ours/floor", func(r result) string { return factor(r.FloorRatio) }},
	{"rounds", func(r result) string { return fmt.Sprint(r.Rounds) }},
	{"CPU", func(r result) string { return seconds(r.Ours, cpu) }},
	{"L. CPU", func(r result) string { return seconds(r.Litestream, cpu) }},
	{"requests", func(r result) string { return asked(r.Ours) }},
	{"L. requests", func(r result) string { return asked(r.Litestream) }},
	{"allocated", func(r result) string { return bytesOf(r.Ours, func(c *cost) uint64 { return c.Allocated }) }},
	{"L. allocated", func(r result) string { return bytesOf(r.Litestream, func(c *cost) uint64 { return c.Allocated }) }},
	{"peak heap", func(r result) string { return bytesOf(r.Ours, func(c *cost) uint64 { return c.PeakHeap }) }},
	{"L. peak heap", func(r result) string { return bytesOf(r.Litestream, func(c *cost) uint64 { return c.PeakHeap }) }},
}

// table is for a terminal.
func (r report) table(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, strings.Join(row(func(i int) string { return columns[i].title }), "\t"))
	for _, res := range r.Results {
		fmt.Fprintln(tw, strings.Join(row(func(i int) string { return columns[i].cell(res) }), "\t"))
	}
	return tw.Flush()
}

// markdown is for docs/benchmarks.md: the machine, and a table for each backend.
func (r report) markdown(w io.Writer) error {
	fmt.Fprintf(w, "%s\n", r.Machine)
	backend := ""
	for _, res := range r.Results {
		if res.Backend != backend {
			backend = res.Backend
			fmt.Fprintf(w, "\n### %s\n\n| %s |\n|---|%s\n", backend,
				strings.Join(markdownRow(func(i int) string { return columns[i].title }), " | "),
				strings.Repeat("--:|", len(columns)-2))
		}
		if _, err := fmt.Fprintf(w, "| %s |\n", strings.Join(markdownRow(func(i int) string { return columns[i].cell(res) }), " | ")); err != nil {
			return err
		}
	}
	return nil
}

func row(cell func(i int) string) []string {
	cells := make([]string, len(columns))
	for i := range cells {
		cells[i] = cell(i)
	}
	return cells
}

// markdownRow is a row without the backend, which is in the heading.
func markdownRow(cell func(i int) string) []string {
	cells := row(cell)
	return append(cells[:1:1], cells[2:]...)
}

// none stands for what there is not.
const none = "–"

func wall(c *cost) float64 { return c.Seconds }

func cpu(c *cost) float64 { return c.CPU }

func seconds(c *cost, which func(*cost) float64) string {
	if c == nil {
		return none
	}
	d := time.Duration(which(c) * float64(time.Second))
	switch {
	case d < time.Millisecond:
		return fmt.Sprintf("%.0f µs", float64(d)/float64(time.Microsecond))
	case d < time.Second:
		return fmt.Sprintf("%.3g ms", float64(d)/float64(time.Millisecond))
	}
	return fmt.Sprintf("%.3g s", d.Seconds())
}

func factor(f float64) string {
	if f == 0 {
		return none
	}
	return fmt.Sprintf("%.2f", f)
}

func quartiles(q *[2]float64) string {
	if q == nil {
		return none
	}
	return fmt.Sprintf("%.2f–%.2f", q[0], q[1])
}

func asked(c *cost) string {
	if c == nil || len(c.Requests) == 0 {
		return none
	}
	return c.Requests.String()
}

func bytesOf(c *cost, which func(*cost) uint64) string {
	if c == nil {
		return none
	}
	n := float64(which(c))
	switch {
	case n < 1<<20:
		return fmt.Sprintf("%.0f KiB", n/(1<<10))
	case n < 100<<20:
		return fmt.Sprintf("%.1f MiB", n/(1<<20))
	}
	return fmt.Sprintf("%.0f MiB", n/(1<<20))
}
