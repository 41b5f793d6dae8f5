package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// report is all that a run found out.
type report struct {
	Machine string   `json:"machine"`
	Sizes   sizes    `json:"sizes"`
	Results []result `json:"results"`
}

// writeJSON writes the report to a file.
func (r report) writeJSON(name string) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(name, append(data, '\n'), 0o644)
}

// columns are those of the table, with what is in them.
var columns = []struct {
	title string
	cell  func(r result) string
}{
	{"operation", func(r result) string { return r.Operation }},
	{"ours", of(ours, wall)},
	{"Litestream", of(theirs, wall)},
	{"floor", of(floor, wall)},
	{"ours/L.", func(r result) string { return factor(r.Ratio) }},
	{"quartiles", func(r result) string { return quartiles(r.Quartiles) }},
	{"ours/floor", func(r result) string { return factor(r.FloorRatio) }},
	{"rounds", func(r result) string { return fmt.Sprint(r.Rounds) }},
	{"CPU", of(ours, cpu)},
	{"L. CPU", of(theirs, cpu)},
	{"requests", of(ours, asked)},
	{"L. requests", of(theirs, asked)},
	{"allocated", of(ours, allocated)},
	{"L. allocated", of(theirs, allocated)},
	{"peak heap", of(ours, peak)},
	{"L. peak heap", of(theirs, peak)},
}

func ours(r result) *cost   { return r.Ours }
func theirs(r result) *cost { return r.Litestream }
func floor(r result) *cost  { return r.Floor }

func wall(c *cost) string      { return seconds(c.Seconds) }
func cpu(c *cost) string       { return seconds(c.CPU) }
func asked(c *cost) string     { return cmp.Or(c.Requests.String(), none) }
func allocated(c *cost) string { return bytesOf(c.Allocated) }
func peak(c *cost) string      { return bytesOf(c.PeakHeap) }

// of is a figure of one side.
func of(side func(result) *cost, figure func(*cost) string) func(result) string {
	return func(r result) string {
		if c := side(r); c != nil {
			return figure(c)
		}
		return none
	}
}

// markdown writes what docs/benchmarks.md has: the machine, and a table for each backend.
func (r report) markdown(w io.Writer) error {
	fmt.Fprintf(w, "%s\n", r.Machine)
	backend := ""
	for _, res := range r.Results {
		if res.Backend != backend {
			backend = res.Backend
			fmt.Fprintf(w, "\n### %s\n\n", backend)
			printRow(w, func(i int) string { return columns[i].title })
			fmt.Fprintf(w, "|---|%s\n", strings.Repeat("--:|", len(columns)-1))
		}
		if err := printRow(w, func(i int) string { return columns[i].cell(res) }); err != nil {
			return err
		}
	}
	return nil
}

func printRow(w io.Writer, cell func(i int) string) error {
	cells := make([]string, len(columns))
	for i := range cells {
		cells[i] = cell(i)
	}
	_, err := fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | "))
	return err
}

// none stands for what there is not.
const none = "–"

func seconds(s float64) string {
	d := time.Duration(s * float64(time.Second))
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

func bytesOf(size uint64) string {
	n := float64(size)
	switch {
	case n < 1<<20:
		return fmt.Sprintf("%.0f KiB", n/(1<<10))
	case n < 100<<20:
		return fmt.Sprintf("%.1f MiB", n/(1<<20))
	}
	return fmt.Sprintf("%.0f MiB", n/(1<<20))
}
