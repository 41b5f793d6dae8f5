package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/check"
)

// checked is what came of the check of one of many replicas.
type checked struct {
	url    string
	report *check.Report // nil if it could not be checked
	err    error
	code   int
}

// checkAll checks the replicas below a place, or those of the configuration file.
func (a *app) checkAll(ctx context.Context, args []string, opts *checkOptions, subset check.Options) error {
	if err := opts.many.validate(); err != nil {
		return err
	}
	replicas, err := a.everyReplica(ctx, args)
	if err != nil {
		return err
	}
	var all []checked
	codes := outcomes{}
	err = forEach(ctx, a, opts.many, "checking", replicas,
		func(ctx context.Context, _ each, r *opened) (*check.Report, error) {
			return runCheck(ctx, r, opts, subset)
		},
		func(of each, report *check.Report, err error) error {
			c := checked{url: of.shown, report: report, err: err, code: codeOf(err)}
			if err == nil {
				c.code = codeOf(opts.verdict(report))
			}
			codes[c.code] = true
			all = append(all, c)
			return nil
		})
	if err != nil {
		return err
	}
	if opts.prom != "" {
		m, now := newMetrics(), time.Now()
		for _, c := range all {
			if c.err != nil {
				m.checkOK(c.url, false)
			} else {
				m.check(c.url, c.report, now)
			}
		}
		if err := writeMetrics(opts.prom, m); err != nil {
			return err
		}
	}
	if err := a.printAllChecked(all); err != nil {
		return err
	}
	return codes.err()
}

// verdict is the exit code of a report.
func (o *checkOptions) verdict(r *check.Report) error {
	if !r.OK() {
		return errDamage
	}
	if stale, _ := o.maxAge.tooOld(newestOf(r.Restorable), time.Now()); stale {
		return errStale
	}
	return nil
}

func (a *app) printAllChecked(all []checked) error {
	if a.json {
		docs := []checkJSON{}
		for _, c := range all {
			doc := checkJSON{URL: c.url, Formats: []string{}, Problems: []replica.Problem{}, Restorable: []windowJSON{}}
			if c.err == nil {
				doc = newCheckJSON(c.url, c.report)
			} else {
				doc.Error = harmless(c.err.Error())
			}
			docs = append(docs, doc)
		}
		return a.printJSON(docs)
	}
	g := newGrid("verdict", "newest", "formats", "read", "objects", "size", "url")
	g.right = []string{"read", "objects", "size"}
	g.expendable = []string{"read", "formats"}
	n := map[string]int{}
	for _, c := range all {
		n[c.word()]++
		if c.err != nil {
			g.add(a.paintChecked(c), "-", "-", "-", "-", "-", c.url)
			continue
		}
		r := c.report
		g.add(a.paintChecked(c), stampAgo(newestOf(r.Restorable)), strings.Join(r.Formats(), ", "), r.Verified, r.Objects,
			size(r.Bytes), c.url)
	}
	if err := a.printGrid(g); err != nil {
		return err
	}
	for _, c := range all {
		if err := a.printProblems(c.problems()); err != nil {
			return err
		}
	}
	var parts []string
	for _, word := range []string{"sound", "stale", "empty", "damaged", "unknown"} {
		if n[word] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[word], word))
		}
	}
	return a.print("\n%s: %s\n", count(len(all), "replica", "replicas"), strings.Join(parts, ", "))
}

// word is the verdict.
func (c *checked) word() string {
	switch c.code {
	case exitOK:
		return "sound"
	case exitStale:
		return "stale"
	case exitNothing:
		return "empty"
	case exitDamage:
		return "damaged"
	}
	return "unknown"
}

func (a *app) paintChecked(c checked) safe {
	switch c.code {
	case exitOK:
		return a.paint(c.word(), text.FgGreen)
	case exitStale, exitNothing:
		return a.paint(c.word(), text.FgYellow)
	}
	return a.paint(c.word(), text.FgRed, text.Bold)
}

// problems are those of a replica, each with the URL to look at.
func (c *checked) problems() []replica.Problem {
	if c.err != nil {
		return []replica.Problem{{Severity: replica.SeverityError, Object: c.url, Message: c.err.Error()}}
	}
	return problemsAt(c.url, c.report.Problems)
}
