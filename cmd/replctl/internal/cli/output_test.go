package cli

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/replctl/replicate/replica"
)

func exampleGrid() *grid {
	g := newGrid("level", "size", "newest", "gaps")
	g.right = []string{"level", "size"}
	g.expendable = []string{"gaps", "size"}
	g.add(0, "169 KiB", "2026-11-21 04:06:30Z", "none")
	g.add(9, "1 KiB", "-", "12-15")
	return g
}

func TestGrid(t *testing.T) {
	for _, tt := range []struct {
		width int
		want  []string
	}{
		{0, []string{
			"LEVEL     SIZE  NEWEST                GAPS",
			"    0  169 KiB  2026-11-21 04:06:30Z  none",
			"    9    1 KiB  -                     12-15",
		}},
		{42, []string{
			"LEVEL     SIZE  NEWEST",
			"    0  169 KiB  2026-11-21 04:06:30Z",
			"    9    1 KiB  -",
			"(no room for: gaps)",
		}},
		{30, []string{
			"LEVEL  NEWEST",
			"    0  2026-11-21 04:06:30Z",
			"    9  -",
			"(no room for: gaps, size)",
		}},
		{10, []string{ // nothing more to leave out, and no value is cut
			"LEVEL  NEWEST",
			"    0  2026-11-21 04:06:30Z",
			"    9  -",
			"(no room for: gaps, size)",
		}},
	} {
		got := string(exampleGrid().render(tt.width))
		if diff := cmp.Diff(strings.Join(tt.want, "\n"), got); diff != "" {
			t.Errorf("in %d columns, want (-) and got (+):\n%s", tt.width, diff)
		}
	}
	if got, want := exampleGrid().render(43), exampleGrid().render(0); got != want {
		t.Errorf("what fits is not printed whole:\n%s", got)
	}
	g := exampleGrid()
	g.hidden = []string{"newest"}
	if got := string(g.render(0)); strings.Contains(got, "NEWEST") || strings.Contains(got, "no room") ||
		!strings.Contains(got, "GAPS") {
		t.Errorf("what does not apply is printed, or apologized for:\n%s", got)
	}
}

func TestWrap(t *testing.T) {
	const s = "the first of several words, and one/that-is/longer-than-a-line-may-be/here"
	for width, want := range map[int]string{
		0:  "    " + s,
		20: "    " + s,
		34: "    the first of several words,\n    and\n    one/that-is/longer-than-a-line-may-be/here",
		90: "    " + s,
	} {
		if got := wrap(s, "    ", width); got != want {
			t.Errorf("in %d columns: got\n%s\nwant\n%s", width, got, want)
		}
	}
}

// Many objects with one problem are named, and those beyond many counted.
func TestPrintProblems(t *testing.T) {
	var problems []replica.Problem
	for range maxNamed + 1500 {
		problems = append(problems, replica.Problem{Severity: replica.SeverityWarning, Object: "o", Message: "same"})
	}
	problems = append(problems, replica.Problem{Severity: replica.SeverityError, Message: "other"})
	var out strings.Builder
	a := &app{stdout: &out}
	if err := a.printProblems(problems); err != nil {
		t.Fatal(err)
	}
	want := "\nwarning  o\n" + strings.Repeat("         o\n", maxNamed-1) +
		"         and 1,500 more (--json names all)\n    same\n" +
		"\nerror  (the root)\n    other\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("want (-) and got (+):\n%s", diff)
	}
}

// Progress is one line, gone in the end, and no line where all is done at once.
func TestMeter(t *testing.T) {
	var slow, quick strings.Builder
	m := &meter{w: &slow, verb: "reading", unit: size, began: time.Now().Add(-time.Second)}
	m.update(1<<20, 2<<20)
	m.done()
	want := regexp.MustCompile(
		`^\r\x1b\[Kreading 1\.0 MiB of 2\.0 MiB, [0-9.]+ [KM]iB/s, [1-9][0-9ms]* left\r\x1b\[K$`)
	if !want.MatchString(slow.String()) {
		t.Errorf("got %q, want %v", slow.String(), want)
	}
	m = &meter{w: &quick, next: time.Now().Add(time.Hour)}
	m.update(1, 2)
	m.done()
	if quick.Len() > 0 {
		t.Errorf("got %q, want nothing", quick.String())
	}
}
