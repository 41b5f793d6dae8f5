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
			calls := y.prepareBase()
			if os.Getenv("REPLCTL_FAULTS_CALLS") != "" {
				t.Log(strings.Join(calls, "\n"))
				return
			}
			chosen := Sampler("file " + op.name)
			runs, missed := 0, 0
			for _, call := range calls {
				for _, k := range FileKinds {
					switch {
					case !k.FitsCall(call) || excusedFile(op, k, call) != "" || !chosen():
					case y.fail(call, k):
						runs++
					default:
						missed++
					}
				}
			}
			t.Logf("%d calls, %d runs, %d calls were not made again", len(calls), runs, missed)
		})
	}
}

// prepareBase runs the operation without a failure, twice: it has to repeat itself.
func (y *yard) prepareBase() (calls []string) {
	y.t.Helper()
	first, _ := y.attempt(nil, false)
	if first.Failed {
		y.t.Fatalf("without a failure: %s", first.Said)
	}
	n := tally{}
	base, _ := y.attempt(func(c *trap.Call) { calls = append(calls, n.name(c)) }, true)
	if base.Seen != first.Seen || base.State != first.State {
		y.t.Fatalf("it does not repeat itself:\n%s\n%s\nthen\n%s\n%s", first.Seen, first.State, base.Seen, base.State)
	}
	y.judge = &place{t: y.t, op: y.op, base: &base}
	slices.Sort(calls) // those of several goroutines come in any order
	y.objects = objectsOf(calls)
	return distinct(calls)
}

// fail runs the operation with a failure of one call, and judges it. It is false if the call was
// not made this time.
func (y *yard) fail(call string, k FileKind) bool {
	y.t.Helper()
	n, hit := tally{}, false
	a, killed := y.attempt(func(c *trap.Call) {
		this := n.name(c)
		switch {
		case this == call:
			hit = k.Do(c)
		case hit && (k.From == samePath && strings.HasPrefix(this, call+" #") || k.From == everyPath && k.Fits(c.Name)):
			k.Do(c)
		}
	}, false)
	if k.Name == "SIGTERM" && y.child != nil {
		y.child.end() // the signal may arrive late
		y.child = nil
	}
	if hit {
		Log(y.t, Line{Store: "file", Op: y.op.name, Call: call, Kind: k.Name}, a.Result, y.broken(a, killed, call, k))
	}
	return hit
}

// broken returns which rules a run breaks.
func (y *yard) broken(a attempt, killed bool, call string, k FileKind) (broken []string) {
	name, file, _ := callOf(call)
	r := a.Result
	if killed || name == "unlink" || strings.Contains(file, "-*") {
		r.Left = nil // the next run sweeps
	}
	if killed != (k.Name == "SIGKILL") {
		return []string{"it was killed: " + a.Said}
	}
	var cause []string
	if k.Cause != "" && k.Name != "ENOENT" { // that something is gone may have a meaning of its own
		cause = []string{k.Cause}
	}
	broken = Judge(y.judge.base.Result, r, a.before, y.op.steps, cause)
	if r.Failed && cause != nil && !containsAny(r.Said, y.objects) {
		broken = append(broken, "the error names no object: "+r.Said)
	}
	if a.again != nil {
		broken = append(broken, y.judge.judgeAgain(&a)...)
	}
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
