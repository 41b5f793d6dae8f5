package cli

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"github.com/replctl/replicate/replica/drill"
)

// drillMarkdown is the report for an issue or a wiki.
func drillMarkdown(all []drilled) string {
	var b strings.Builder
	cell := func(s string) string {
		return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;", "`", "'").Replace(harmless(s))
	}
	for i, d := range all {
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "## %s: %s\n\n%s. Seed %d, ended %s.\n\n", cell(d.url), d.report.Outcome, drillSummary(d.report),
			d.report.Seed, stamp(d.report.Ended))
		b.WriteString("| moment | state | time | size | read | took | outcome |\n|---|---|---|--:|--:|--:|---|\n")
		for _, m := range d.report.Moments {
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n", m.Why, stateName(m.State), stamp(m.State.Time),
				size(m.Size), size(m.Read), tookText(m.Took), m.Outcome)
		}
		separator := "\n"
		for _, m := range d.report.Moments {
			for _, p := range drillProblems(m) {
				b.WriteString(separator)
				separator = ""
				fmt.Fprintf(&b, "- **%s**: %s: %s\n", p.Severity, cell(p.Object), cell(p.Message))
			}
		}
	}
	return b.String()
}

//go:embed drill.html
var drillPage string

var drillTemplate = template.Must(template.New("drill").Funcs(template.FuncMap{
	"size": size, "stamp": stamp, "took": tookText, "state": stateName, "summary": drillSummary, "problems": drillProblems,
	"safe": harmless,
}).Parse(drillPage))

// drillHTML writes the report as a page that asks nothing of any other host.
func drillHTML(w io.Writer, all []drilled) error {
	page := struct {
		Made     string
		Outcome  drill.Outcome
		Replicas []struct {
			URL    string
			Report *drill.Report
		}
	}{Made: stamp(time.Now()), Outcome: drill.Passed}
	for _, d := range all {
		page.Replicas = append(page.Replicas, struct {
			URL    string
			Report *drill.Report
		}{d.url, d.report})
		page.Outcome = page.Outcome.Worse(d.report.Outcome)
	}
	return drillTemplate.Execute(w, page)
}
