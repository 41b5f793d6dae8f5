//go:build faults

package main

import (
	"bufio"
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/replctl/replicate/internal/faults"
)

// losses are the figures of the power losses.
type losses struct{ states, without, syncs int }

var (
	statesOfAll    = regexp.MustCompile(`: (\d+) states\n`)
	statesWithout  = regexp.MustCompile(`: (\d+) fsyncs, of which (\d+) make something durable, (\d+) states\n`)
	firstWord      = regexp.MustCompile(`^\S+`)
	cellsOfOutcome = map[string]byte{"succeeds": '+', "fails": '-', "broken": '!'}
)

func parseLosses(out string) (l losses) {
	for _, m := range statesOfAll.FindAllStringSubmatch(out, -1) {
		n, _ := strconv.Atoi(m[1])
		l.states += n
	}
	for _, m := range statesWithout.FindAllStringSubmatch(out, -1) {
		syncs, _ := strconv.Atoi(m[2])
		n, _ := strconv.Atoi(m[3])
		l.syncs, l.without = l.syncs+syncs, l.without+n
	}
	return l
}

// page is docs/faults.md before it is written.
type page struct {
	lines []faults.Line
	loss  losses
	kinds map[string][]string // by store, in the order of the legend
}

// A row of a table: what became of all runs of one operation and one sort of request.
type row struct{ store, op, request string }

func newPage(lines []faults.Line, loss losses) *page {
	p := &page{lines: lines, loss: loss, kinds: map[string][]string{}}
	for _, store := range []string{"s3", "file"} {
		found := map[string]bool{}
		for _, line := range lines {
			if line.Store == store {
				found[line.Kind] = true
			}
		}
		p.kinds[store] = slices.SortedFunc(maps.Keys(found), func(a, b string) int {
			return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b))
		})
	}
	return p
}

// rank is where a kind is in the table of kinds; what is in none comes last.
func rank(kind string) int {
	for i, k := range faults.Kinds {
		if k.Name == kind {
			return i
		}
	}
	return len(faults.Kinds)
}

// requestOf is the sort of a call: the verb of a request, or the name of a system call.
func requestOf(line faults.Line) string { return firstWord.FindString(line.Call) }

func (p *page) write(w *bufio.Writer) {
	fmt.Fprint(w, head)
	p.writeFigures(w)
	for _, store := range []string{"s3", "file"} {
		p.writeLegend(w, store)
		p.writeTable(w, store)
	}
	p.writeSides(w)
	p.writeExits(w)
	writeExemptions(w)
	fmt.Fprint(w, tail)
}

func (p *page) writeFigures(w *bufio.Writer) {
	fmt.Fprint(w, "| | operations | calls that failed | runs | same result | error | broken rules | minutes |\n"+
		"|---|---|---|---|---|---|---|---|\n")
	for _, set := range []struct {
		name, store string
		command     bool
	}{{"library on S3", "s3", false}, {"commands on S3", "s3", true},
		{"library on a directory", "file", false}, {"commands on a directory", "file", true}} {
		ops, calls, outcomes, millis := map[string]bool{}, map[string]bool{}, map[string]int{}, int64(0)
		for _, l := range p.lines {
			if l.Store == set.store && strings.HasPrefix(l.Op, "replctl ") == set.command {
				ops[l.Op], calls[l.Op+" "+l.Call] = true, true
				outcomes[l.Outcome]++
				millis += l.Millis
			}
		}
		runs := outcomes["succeeds"] + outcomes["fails"] + outcomes["broken"]
		fmt.Fprintf(w, "| %s | %d | %d | %d | %d | %d | %d | %d |\n", set.name, len(ops), len(calls), runs,
			outcomes["succeeds"], outcomes["fails"], outcomes["broken"], millis/60000)
	}
	fmt.Fprintf(w, "\nThe minutes are those of the operations themselves; several ran at once.\n\n")
	if p.loss.states > 0 {
		fmt.Fprintf(w, "Power loss: %d states of the disk were judged. Then %d fsyncs were left out, one at a time; "+
			"each was missed in one of %d more states.\n\n", p.loss.states, p.loss.syncs, p.loss.without)
	}
}

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

var storeNames = map[string]string{"s3": "S3", "file": "Directories"}

func (p *page) writeLegend(w *bufio.Writer, store string) {
	if len(p.kinds[store]) == 0 {
		return
	}
	fmt.Fprintf(w, "## %s\n\n| | failure |\n|---|---|\n", storeNames[store])
	for i, kind := range p.kinds[store] {
		fmt.Fprintf(w, "| `%c` | %s |\n", letters[i], kind)
	}
}

// cell is what became of runs that had one outcome before, and now another: either.
func cell(was, is byte) byte {
	if was == 0 || was == '.' || was == is || is == '!' {
		return is
	} else if was == '!' {
		return was
	}
	return '*'
}

func (p *page) writeTable(w *bufio.Writer, store string) {
	rows, widest := map[row][]byte{}, 0
	for _, l := range p.lines {
		if l.Store != store {
			continue
		}
		r := row{store, l.Op, requestOf(l)}
		if rows[r] == nil {
			rows[r] = []byte(strings.Repeat(".", len(p.kinds[store])))
		}
		i := slices.Index(p.kinds[store], l.Kind)
		rows[r][i] = cell(rows[r][i], cellsOfOutcome[l.Outcome])
		widest = max(widest, len(l.Op))
	}
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(w, "\n```\n%-*s %-23s %s\n", widest, "operation", "call", letters[:len(p.kinds[store])])
	last := ""
	for _, r := range slices.SortedFunc(maps.Keys(rows), func(a, b row) int {
		return cmp.Or(cmp.Compare(a.op, b.op), cmp.Compare(a.request, b.request))
	}) {
		op := r.op
		if op == last {
			op = ""
		}
		last = r.op
		fmt.Fprintf(w, "%-*s %-23s %s\n", widest, op, r.request, rows[r])
	}
	fmt.Fprint(w, "```\n\n")
}

// sides are failures of both stores that mean the same.
var sides = []struct{ name, s3, file string }{
	{"refused", "403 AccessDenied", "EACCES"},
	{"error once", "500", "EIO"},
	{"error for good", "500 for good", "EIO for good"},
	{"gone", "404", "ENOENT"},
	{"SIGTERM", "SIGTERM", "SIGTERM"},
	{"SIGKILL", "SIGKILL", "SIGKILL"},
}

// outcomeOf is what became of an operation on a store with one kind of failure, over all calls.
func (p *page) outcomeOf(store, op, kind string) byte {
	c := byte('.')
	for _, l := range p.lines {
		if l.Store == store && l.Op == op && l.Kind == kind {
			c = cell(c, cellsOfOutcome[l.Outcome])
		}
	}
	return c
}

func (p *page) writeSides(w *bufio.Writer) {
	ops := map[string]int{}
	for _, l := range p.lines {
		ops[l.Op] |= map[string]int{"s3": 1, "file": 2}[l.Store]
	}
	maps.DeleteFunc(ops, func(_ string, stores int) bool { return stores != 3 })
	if len(ops) == 0 {
		return
	}
	fmt.Fprint(w, sidesHead)
	for _, side := range sides {
		fmt.Fprintf(w, " %s |", side.name)
	}
	fmt.Fprint(w, "\n|---|"+strings.Repeat("---|", len(sides))+"\n")
	for _, op := range slices.Sorted(maps.Keys(ops)) {
		fmt.Fprintf(w, "| %s |", op)
		for _, side := range sides {
			fmt.Fprintf(w, " `%c%c` |", p.outcomeOf("s3", op, side.s3), p.outcomeOf("file", op, side.file))
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintln(w)
}

func (p *page) writeExits(w *bufio.Writer) {
	exits, codes := map[string]map[int]int{}, map[int]bool{}
	for _, l := range p.lines {
		if !strings.HasPrefix(l.Op, "replctl ") {
			continue
		}
		if exits[l.Kind] == nil {
			exits[l.Kind] = map[int]int{}
		}
		exits[l.Kind][l.Exit]++
		codes[l.Exit] = true
	}
	if len(exits) == 0 {
		return
	}
	fmt.Fprint(w, exitsHead)
	all := slices.Sorted(maps.Keys(codes))
	for _, code := range all {
		fmt.Fprintf(w, " %d |", code)
	}
	fmt.Fprint(w, "\n|---|"+strings.Repeat("---|", len(all))+"\n")
	for _, kind := range slices.Sorted(maps.Keys(exits)) {
		fmt.Fprintf(w, "| %s |", kind)
		for _, code := range all {
			fmt.Fprintf(w, " %s |", orBlank(exits[kind][code]))
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintln(w)
}

func orBlank(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func writeExemptions(w *bufio.Writer) {
	fmt.Fprint(w, "## Failures that are none\n\nThese are not run.\n\n| failure | of | why |\n|---|---|---|\n")
	for _, x := range faults.Exemptions {
		fmt.Fprintf(w, "| %s | %s | %s |\n", x.Kinds, x.Of, x.Why)
	}
	for _, name := range slices.Sorted(maps.Keys(faults.CommandsWithoutFaults)) {
		fmt.Fprintf(w, "| all | %s | it %s |\n", name, faults.CommandsWithoutFaults[name])
	}
	fmt.Fprintln(w)
}
