//go:build faults && linux

package faults

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/replctl/replicate/internal/trap"
)

var randomNames = regexp.MustCompile(`\.replicate-[A-Z2-7]{26}\.tmp|replicate-\d+|etilqs_\w+`)

// tally numbers the calls of a run: the second of one name on one path is another call.
type tally map[string]int

func (n tally) name(c *trap.Call) string {
	name := c.Name + " " + randomNames.ReplaceAllStringFunc(c.Path, func(random string) string {
		return random[:strings.IndexAny(random[1:], "-_")+1] + "-*"
	})
	if n[name]++; n[name] > 1 {
		return fmt.Sprintf("%s #%d", name, n[name])
	}
	return name
}

// callOf is the parts of what tally calls a call.
func callOf(call string) (name, file string, n int) {
	call, number, _ := strings.Cut(call, " #")
	name, file, _ = strings.Cut(call, " ")
	n, err := strconv.Atoi(number)
	if err != nil {
		n = 1
	}
	return name, file, n
}

// distinct leaves out most of the calls that are made many times on one file: of those beyond
// the eighth, seven in eight.
func distinct(calls []string) []string {
	return slices.DeleteFunc(calls, func(call string) bool {
		_, _, n := callOf(call)
		return n > 8 && n%8 != 0
	})
}

// TestEveryFileCallFails runs each operation of the library on a directory, in a process of its
// own, again for each of its file-system calls and each kind of failure.
func TestEveryFileCallFails(t *testing.T) {
	source := SmallReplica(t)
	for i, op := range operations {
		if !Wanted(op.name) || !Turn(i) {
			continue
		}
		t.Run(op.name, func(t *testing.T) {
			t.Parallel()
			y := newYard(t, op, source)
			base, calls := y.base()
			if os.Getenv("REPLCTL_FAULTS_CALLS") != "" {
				t.Log(strings.Join(calls, "\n"))
				return
			}
			chosen := Sampler("file " + op.name)
			runs, missed := 0, 0
			y.objects = objectsOf(calls)
			for _, call := range calls {
				for _, k := range FileKinds {
					if !k.FitsCall(call) || excusedFile(op, k, call) != "" || !chosen() {
						continue
					}
					a, hit := y.fail(call, k)
					if !hit {
						missed++
						continue
					}
					runs++
					Log(t, Line{Store: "file", Op: op.name, Call: call, Kind: k.Name}, a.Result, y.judge(base, a, k, call))
				}
			}
			t.Logf("%d calls, %d runs, %d calls were not made again", len(calls), runs, missed)
		})
	}
}

// base is the operation without a failure, twice: it has to repeat itself.
func (y *yard) base() (base attempt, calls []string) {
	y.t.Helper()
	never := func(attempt) bool { return false }
	base = y.attempt(nil, never)
	if base.Failed {
		y.t.Fatalf("without a failure: %s", base.Said)
	}
	n := tally{}
	second := y.attempt(func(c *trap.Call) { calls = append(calls, n.name(c)) }, never)
	if second.Seen != base.Seen || second.State != base.State {
		y.t.Fatalf("it does not repeat itself:\n%s\n%s\nthen\n%s\n%s", base.Seen, base.State, second.Seen, second.State)
	}
	slices.Sort(calls) // those of several goroutines come in any order
	return base, distinct(calls)
}

// fail runs the operation with a failure of one call, and reports whether the call was made.
func (y *yard) fail(call string, k FileKind) (a attempt, hit bool) {
	y.t.Helper()
	n := tally{}
	a = y.attempt(func(c *trap.Call) {
		this := n.name(c)
		switch {
		case this == call:
			hit = k.Do(c)
		case hit && (k.From == samePath && strings.HasPrefix(this, call+" #") || k.From == everyPath && k.Fits(c.Name)):
			k.Do(c)
		}
	}, y.mayRepeat)
	if k.Name == "SIGTERM" && y.child != nil {
		y.child.end() // the signal may arrive late
		y.child = nil
	}
	return a, hit
}

// mayRepeat reports whether the operation can be run again: a write that was applied would be
// refused, and several may have ended between two.
func (y *yard) mayRepeat(a attempt) bool {
	return a.Failed && (a.State == a.before || y.op.steps && !y.op.records)
}

// judge is [Judge], and what holds of a second run.
func (y *yard) judge(base, a attempt, k FileKind, call string) (broken []string) {
	rule := func(bad bool, format string, args ...any) {
		if bad {
			broken = append(broken, fmt.Sprintf(format, args...))
		}
	}
	name, file, _ := callOf(call)
	r := a.Result
	if a.killed || name == "unlink" || strings.Contains(file, "-*") {
		r.Left = nil // the next run sweeps
	}
	if k.Name == "SIGKILL" != a.killed {
		rule(true, "it was killed: %v: %s", a.killed, a.Said)
	}
	var cause []string
	if k.Cause != "" && k.Name != "ENOENT" { // that something is gone may have a meaning of its own
		cause = []string{k.Cause}
	}
	broken = append(broken, Judge(base.Result, r, a.before, y.op.steps, cause)...)
	rule(r.Failed && cause != nil && !containsAny(r.Said, y.objects), "the error names no object: %s", r.Said)
	if a.again == nil {
		return broken
	}
	rule(a.again.Failed && (!r.Unknown || y.op.steps), "the next run fails: %s\nafter: %s", a.again.Said, r.Said)
	rule(!a.again.Failed && a.again.Seen != base.Seen && !y.op.steps,
		"the next run has another result:\n%s\nwithout the failure\n%s", a.again.Seen, base.Seen)
	rule(!a.again.Failed && a.after != base.State,
		"the next run has another effect:\n%s\nwithout the failure\n%s", a.after, base.State)
	rule(len(a.leftAfter) > 0, "the next run leaves %v", a.leftAfter)
	return broken
}

// objectsOf are the names that an error may have to name its object: those of the files and
// directories of an operation.
func objectsOf(calls []string) (names []string) {
	for _, call := range calls {
		_, file, _ := callOf(call)
		for _, name := range strings.Split(file, "/") {
			name = strings.TrimSuffix(strings.TrimPrefix(name, "."), ".lock")
			if name != "" && !strings.Contains(name, "-*") && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// excusedFile says why a failure of a call is none, or cannot be seen; it is empty for the rest.
func excusedFile(op operation, k FileKind, call string) string {
	name, file, _ := callOf(call)
	verb, _, _ := strings.Cut(op.name, ".")
	isObject := strings.HasSuffix(file, ".ltx") || strings.HasSuffix(file, ".lz4")
	listsFirst := slices.Contains([]string{"restore", "check", "mirror", "prune", "migrate"}, verb)
	switch {
	case k.Name != "ENOENT" || !strings.HasPrefix(file, "replica"):
	case name == "unlink" && op.state != nil:
		return "what is gone need not be deleted"
	case op.records, !isObject:
		return "a record or a directory that does not exist is an answer"
	case name != "open" || !listsFirst:
		return "an object that was deleted meanwhile is not listed, and does not exist"
	}
	return ""
}
