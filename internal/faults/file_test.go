//go:build faults && linux

package faults

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/replctl/replicate/internal/trap"
)

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
					case !WantedKind(k.Name) || !k.FitsCall(call) || !chosen():
					case ExemptFile(op.name, op.records, k, call) != "":
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
	n := FileCalls{}
	base, _ := y.attempt(func(c *trap.Call) { calls = append(calls, n.Name(c)) }, true)
	if base.Seen != first.Seen || base.State != first.State {
		y.t.Fatalf("it does not repeat itself:\n%s\n%s\nthen\n%s\n%s", first.Seen, first.State, base.Seen, base.State)
	}
	y.judge = &place{t: y.t, op: y.op, base: &base}
	slices.Sort(calls) // those of several goroutines come in any order
	y.objects = FilesOf(calls)
	return DistinctFileCalls(calls)
}

// fail runs the operation with a failure of one call, and judges it. It is false if the call was
// not made this time.
func (y *yard) fail(call string, k FileKind) bool {
	y.t.Helper()
	hit := false
	a, killed := y.attempt(k.Failing(call, &hit), false)
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
	name, file, _ := FileCall(call)
	r := a.Result
	// What could not be removed is hidden, and the next run sweeps it: no reader sees it.
	if killed || name == "unlink" || strings.Contains(file, "-*") {
		r.Left = nil
	}
	if killed != (k.Name == "SIGKILL") {
		return []string{"it was killed: " + a.Said}
	}
	var cause []string
	if k.Cause != "" && k.Name != "ENOENT" { // that something is gone may have a meaning of its own
		cause = []string{k.Cause}
		if y.op.sqlite {
			cause = append(cause, saysSQLite...)
		}
	}
	broken = Judge(y.judge.base.Result, r, a.before, y.op.steps, cause)
	objects := y.objects
	if y.op.sqlite {
		objects = append(slices.Clone(objects), recordsInSQLite...)
	}
	if r.Failed && cause != nil && !containsAny(r.Said, objects) {
		broken = append(broken, "the error names no object: "+r.Said)
	}
	if a.again != nil {
		broken = append(broken, y.brokenAgain(a, killed, name, file)...)
	}
	return broken
}

// brokenAgain returns which rules the next run breaks.
func (y *yard) brokenAgain(a attempt, killed bool, name, file string) []string {
	switch {
	case killed && (y.op.steps || a.again.Failed || name == "unlink"):
		a.again.Left = nil // a file that had got its name is not written again, and its directory not swept
	case name == "create" && strings.HasPrefix(file, "tmp/"):
		a.again.Left = nil // it was created after all, and others use the directory: nobody sweeps it
	}
	switch {
	case y.op.name == "replica.WriteSnapshot" && a.State != a.before && !a.again.Failed:
		return nil // what was begun stays, and the next run goes on from there
	case slices.Contains([]string{"config.AcquireLock", "config.AcquireSession", "config.TryLock"}, y.op.name) &&
		strings.Contains(a.again.Said, "lock not acquired"):
		return nil // it was not released, and is held until it expires
	}
	return y.judge.judgeAgain(&a)
}
