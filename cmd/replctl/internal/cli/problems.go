package cli

import (
	"fmt"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/replctl/replicate/replica"
)

// problemCount is "none", "2 errors", "1 error, 3 warnings".
func problemCount(problems []replica.Problem) string {
	n := map[replica.Severity]int{}
	for _, p := range problems {
		n[p.Severity]++
	}
	var parts []string
	for _, s := range []replica.Severity{replica.SeverityError, replica.SeverityWarning} {
		if n[s] > 0 {
			parts = append(parts, count(n[s], string(s), string(s)+"s"))
		}
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

func (a *app) severity(s replica.Severity) safe {
	switch s {
	case replica.SeverityError:
		return a.paint("error", text.FgRed, text.Bold)
	case replica.SeverityWarning:
		return a.paint("warning", text.FgYellow)
	}
	return safe(harmless(string(s)))
}

// maxNamed is how many objects with the same problem are named to people.
const maxNamed = 20

// printProblems prints one problem a paragraph: they are sentences, and a table
// would cut them. Those that say the same of several objects share one.
func (a *app) printProblems(problems []replica.Problem) error {
	for len(problems) > 0 {
		first := problems[0]
		same := 1
		for same < len(problems) && problems[same].Severity == first.Severity && problems[same].Message == first.Message {
			same++
		}
		if err := a.printProblem(first, problems[:same]); err != nil {
			return err
		}
		problems = problems[same:]
	}
	return nil
}

func (a *app) printProblem(p replica.Problem, same []replica.Problem) error {
	indent := strings.Repeat(" ", len(p.Severity)+2)
	names := make([]string, 0, len(same))
	for _, p := range same[:min(len(same), maxNamed)] {
		name := "(the root)"
		if p.Object != "" {
			name = shownText(p.Object)
		}
		names = append(names, name)
	}
	if more := len(same) - maxNamed; more > 0 {
		names = append(names, fmt.Sprintf("and %s more (--json names all)", humanize.Comma(int64(more))))
	}
	message := wrap(harmless(p.Message), "    ", terminalWidth(a.stdout))
	return a.print("\n%s  %s\n%s\n", a.severity(p.Severity), safe(strings.Join(names, "\n"+indent)), safe(message))
}

// problemsAt are those of one of many replicas that are more than worth knowing. Of objects that follow
// one another with the same problem one is named.
func problemsAt(url string, problems []replica.Problem) (some []replica.Problem) {
	for len(problems) > 0 {
		p, n := problems[0], 1
		for n < len(problems) && problems[n].Severity == p.Severity && problems[n].Message == p.Message {
			n++
		}
		if p.Object = below(url, p.Object); n > 1 {
			p.Message += fmt.Sprintf(" (and %s more)", count(n-1, "object", "objects"))
		}
		if problems = problems[n:]; p.Severity != replica.SeverityInfo {
			some = append(some, p)
		}
	}
	return some
}
