package cli

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/replctl/replicate/replica"
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

func newDrillJSON(d drilled) drillJSON {
	r := d.report
	doc := drillJSON{URL: d.url, Outcome: r.Outcome, Seed: r.Seed, States: r.States, Newest: pointDoc(r.Newest),
		RestoreSeconds: r.Restore.Seconds(), Moments: []drillMomentJSON{}}
	if !r.Newest.Time.IsZero() {
		age := r.Age.Seconds()
		doc.AgeSeconds = &age
	}
	for _, m := range r.Moments {
		moment := drillMomentJSON{Why: m.Why, Format: m.Format, State: pointDoc(m.State), Size: m.Size, Read: m.Read,
			Seconds: m.Took.Seconds(), Outcome: m.Outcome, Checks: []drillCheckJSON{}}
		if m.Err != nil {
			moment.Error = m.Err.Error()
		}
		for _, c := range m.Checks {
			moment.Checks = append(moment.Checks, drillCheckJSON{c.Name, c.Outcome, c.Said})
		}
		doc.Moments = append(doc.Moments, moment)
	}
	return doc
}

func (a *app) printDrill(d drilled, flags *drillFlags) error {
	r := d.report
	err := a.print("%s  %s  %s\n\n", a.paint(d.url, text.Bold), a.paintOutcome(r.Outcome), drillSummary(r))
	if err != nil {
		return err
	}
	g := newGrid("moment", "state", "time", "size", "read", "took", "outcome")
	g.right = []string{"size", "read", "took"}
	for _, m := range r.Moments {
		g.add(m.Why, stateName(m.State), stamp(m.State.Time), size(m.Size), size(m.Read), tookText(m.Took),
			a.paintOutcome(m.Outcome))
	}
	if err := a.printGrid(g); err != nil {
		return err
	}
	for _, m := range r.Moments {
		if err := a.printProblems(drillProblems(m)); err != nil {
			return err
		}
	}
	if stale, how := flags.maxAge.tooOld(r.Newest.Time, time.Now()); stale {
		if err := a.print("\n%s\n", how); err != nil {
			return err
		}
	}
	return a.print("\n--seed %d repeats this drill\n", r.Seed)
}

func (a *app) paintOutcome(o drill.Outcome) safe {
	switch o {
	case drill.Passed:
		return a.paint(string(o), text.FgGreen)
	case drill.Failed:
		return a.paint(string(o), text.FgRed, text.Bold)
	}
	return a.paint(string(o), text.FgYellow)
}

func tookText(d time.Duration) string { return d.Round(time.Millisecond).String() }

// drillSummary is what an auditor asks: how many, how fast, how old.
func drillSummary(r *drill.Report) string {
	s := fmt.Sprintf("%d of %s tried, the longest took %s", len(r.Moments), count(r.States, "state", "states"),
		tookText(r.Restore))
	if r.Newest.Time.IsZero() {
		return s
	}
	return s + "; the newest is of " + stampAgo(r.Newest.Time)
}

// stateName is how a state is asked for.
func stateName(p replica.Point) string {
	switch {
	case p.TXID != 0:
		return p.TXID.String()
	case p.IsZero():
		return "-"
	}
	return p.Pos.String()
}

// drillProblems are what is wrong with a moment.
func drillProblems(m drill.Moment) (problems []replica.Problem) {
	severity := map[drill.Outcome]replica.Severity{
		drill.Failed: replica.SeverityError, drill.Inconclusive: replica.SeverityWarning,
	}
	name := stateName(m.State)
	if m.State.IsZero() {
		name = m.Why
	}
	if m.Err != nil {
		return []replica.Problem{{Severity: severity[m.Outcome], Object: name, Message: m.Err.Error()}}
	}
	for _, c := range m.Checks {
		if c.Outcome != drill.Passed {
			message := c.Name + ": " + c.Said
			problems = append(problems, replica.Problem{Severity: severity[c.Outcome], Object: name, Message: message})
		}
	}
	return problems
}
