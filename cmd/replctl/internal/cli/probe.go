package cli

import (
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/replctl/replicate/engines"
	"github.com/replctl/replicate/probe"
)

// prober is an engine's Leaser that can be probed.
const probeLong = `Find out whether a directory or a bucket does what leases need. If two writers create
a record, or many at once, all but one must be refused. A write on the condition of an old
version (If-Match) must be refused. What was written must be read and listed. Documentation
does not tell: some stores ignore conditions and answer 200.

This writes some dozens of small records and objects, and in a bucket a few of 5 MiB.
All are below probe-<random>/ in the root that the URL names, where no replica and no lease
is. It deletes them at the end, also when it is interrupted, and names what it could not
delete. A bucket that keeps versions keeps these too.

Verdicts: conformant (nothing was caught, which is no proof), violation (proven: a lease
can be held twice here, or lost), inconclusive (some checks could not be made: no
permission, or the store went away). Checks that are only recorded do not decide.

Exit codes: 0 conformant, 5 violation, 6 inconclusive.`

func newProbeCommand(a *app) *cobra.Command {
	var opts probe.Options
	cmd := &cobra.Command{
		Use:   "probe URL",
		Short: "Find out whether a store does what leases need (writes to it)",
		Long:  probeLong,
		Example: `  replctl probe s3://bucket/db --endpoint https://minio:9000
  replctl probe /var/backups/db --rounds 100 --writers 64`,
		Args: oneURL,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case opts.Rounds < 1 || opts.Rounds > probe.MaxRounds:
				return usageError("--rounds 20", "--rounds: %d is not between 1 and %d", opts.Rounds, probe.MaxRounds)
			case opts.Writers < 2 || opts.Writers > probe.MaxWriters:
				return usageError("--writers 16", "--writers: %d is not between 2 and %d", opts.Writers, probe.MaxWriters)
			}
			l, err := a.leaserAt(args[0], "probe", engines.Options{})
			if err != nil {
				return err
			}
			report, err := probe.Run(cmd.Context(), l.ProbeTarget(), opts)
			if err != nil {
				return err
			}
			return a.printProbe(newProbeJSON(shownURL(l, args[0]), opts, report), report)
		},
	}
	cmd.Flags().IntVar(&opts.Rounds, "rounds", probe.DefaultRounds, "how often to race, and to read what was written")
	cmd.Flags().IntVar(&opts.Writers, "writers", probe.DefaultWriters, "how many race, each on a connection of its own")
	cmd.Flags().DurationVar(&opts.Timeout, "timeout", probe.DefaultTimeout, "time for one check")
	a.addJSON(cmd)
	return cmd
}

type probeJSON struct {
	URL     string           `json:"url"`
	Verdict string           `json:"verdict"`
	Rounds  int              `json:"rounds"`
	Writers int              `json:"writers"`
	Prefix  string           `json:"prefix"`
	Checks  []probeCheckJSON `json:"checks"`
	Left    []string         `json:"left"`
}

type probeCheckJSON struct {
	Name     string `json:"name"`
	Result   string `json:"result"`
	Evidence string `json:"evidence"`
}

func newProbeJSON(url string, opts probe.Options, r *probe.Report) probeJSON {
	out := probeJSON{
		URL: url, Verdict: string(r.Verdict), Rounds: opts.Rounds, Writers: opts.Writers, Prefix: r.Prefix,
		Checks: []probeCheckJSON{}, Left: append([]string{}, r.Left...),
	}
	for _, c := range r.Checks {
		out.Checks = append(out.Checks, probeCheckJSON{c.Name, string(c.Result), c.Evidence})
	}
	return out
}

func (a *app) printProbe(doc probeJSON, report *probe.Report) (err error) {
	if a.json {
		err = a.printJSON(doc)
	} else {
		err = a.printProbeText(doc, report)
	}
	switch {
	case err != nil:
		return err
	case report.Verdict == probe.Violation:
		return &cliError{code: exitViolation}
	case report.Verdict == probe.Inconclusive:
		return &cliError{code: exitInconclusive}
	}
	return nil
}

func (a *app) printProbeText(doc probeJSON, report *probe.Report) error {
	g := newGrid("check", "result", "evidence")
	indent := 0
	for _, c := range doc.Checks {
		indent = max(indent, len(c.Name)+len(probe.Unknown)+4)
	}
	for _, c := range doc.Checks {
		g.add(c.Name, a.probeResult(c.Result), safe(wrap(harmless(c.Evidence), "", terminalWidth(a.stdout)-indent)))
	}
	took := report.Took.Round(10 * time.Millisecond)
	err := a.print("%s  %s, %s, %v\n\n%s\n\n%s  %s\n",
		doc.URL, count(doc.Writers, "writer", "writers"), count(doc.Rounds, "round", "rounds"), took, g.render(0),
		a.probeResult(doc.Verdict), probeMeaning(report))
	if err != nil || len(doc.Left) == 0 {
		return err
	}
	mark := a.paint("left", text.FgYellow)
	if err := a.print("\n%s  may still be there, below %s: %v\n", mark, doc.Prefix, report.CleanupErr); err != nil {
		return err
	}
	left := doc.Left[:min(len(doc.Left), maxNamed)]
	for _, name := range left {
		if err := a.print("    %s\n", name); err != nil {
			return err
		}
	}
	if n := len(doc.Left) - len(left); n > 0 {
		return a.print("    and %d more (--json names all)\n", n)
	}
	return nil
}

func probeMeaning(report *probe.Report) string {
	var names []string
	bad := map[probe.Verdict]probe.Result{
		probe.Violation: probe.Failed, probe.Inconclusive: probe.Unknown,
	}[report.Verdict]
	for _, c := range report.Checks {
		if c.Result == bad {
			names = append(names, c.Name)
		}
	}
	switch report.Verdict {
	case probe.Violation:
		return "no lease is safe here: " + strings.Join(names, ", ")
	case probe.Inconclusive:
		return "not found out: " + strings.Join(names, ", ")
	}
	return "nothing was caught that would make a lease unsafe"
}

// probeResult paints a verdict or a result.
func (a *app) probeResult(s string) safe {
	switch s {
	case string(probe.Failed), string(probe.Violation):
		return a.paint(s, text.FgRed, text.Bold)
	case string(probe.Unknown):
		return a.paint(s, text.FgYellow)
	case string(probe.Conformant):
		return a.paint(s, text.FgGreen)
	}
	return safe(harmless(s))
}
