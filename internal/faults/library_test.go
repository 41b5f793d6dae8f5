//go:build faults

package faults

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/replctl/replicate/internal/fakes3"
)

func TestMain(m *testing.M) {
	runAsChild()
	fakes3.Isolate()
	_ = os.Setenv("AWS_ACCESS_KEY_ID", fakes3.AccessKeyID)
	_ = os.Setenv("AWS_SECRET_ACCESS_KEY", fakes3.SecretAccessKey)
	os.Exit(m.Run())
}

// TestEveryRequestFails runs each operation of the library on S3, again for each of its
// requests and each kind of failure.
func TestEveryRequestFails(t *testing.T) {
	dir := SmallReplica(t)
	for i, op := range operations {
		if op.sqlite || !Wanted(op.name) || !Turn(i) {
			continue
		}
		t.Run(op.name, func(t *testing.T) {
			t.Parallel()
			p := &place{t: t, op: op, dir: dir, srv: fakes3.New(t)}
			p.prepareBase()
			chosen := Sampler(op.name)
			for _, c := range p.base.calls {
				for _, k := range Kinds {
					if WantedKind(k.Name) && k.Fits(c) && Exempt(k.Name, op.subject(c)) == nil && chosen() {
						p.fail(c, k)
					}
				}
			}
		})
	}
}

// tooSlow is in errors of timeouts.
var tooSlow = []string{"stalled", "deadline exceeded", "no answer in time"}

// fail runs the operation with one failure, and judges it. A run that is too slow for its
// timeouts, because the machine is busy, is made again with longer ones.
func (p *place) fail(c string, k Kind) {
	p.t.Helper()
	a, broken := p.failOnce(faster, c, k)
	if late := a.Said + strings.Join(broken, ""); len(broken) > 0 && containsAny(late, tooSlow) {
		a, broken = p.failOnce(fast, c, k)
	}
	if !a.failed {
		p.t.Errorf("%s: %s on %s: there was no such request", p.op.name, k.Name, c)
		return
	}
	line := Line{Store: "s3", Op: p.op.name, Call: c, Kind: k.Name, More: max(0, a.requests-p.base.requests)}
	Log(p.t, line, a.Result, broken)
}

func (p *place) failOnce(haste int, c string, k Kind) (a *attempt, broken []string) {
	p.t.Helper()
	var failed atomic.Bool
	a = p.run(haste, func(e *env, stop func()) {
		p.srv.Fail(k.Rule(func(r fakes3.Request) bool {
			hit := Call(r, e.name) == c
			failed.Store(hit || failed.Load())
			return hit
		}, stop))
	})
	defer p.done(a)
	a.failed = failed.Load()
	broken = Judge(p.base.Result, a.Result, a.before, p.op.steps, k.Cause)
	if a.Failed {
		p.repeat(a)
		broken = append(broken, JudgeOperation(a.Result)...)
		if !k.Wide {
			broken = append(broken, JudgeObject(a.Result, c)...)
		}
		broken = append(broken, p.judgeAgain(a)...)
	}
	return a, broken
}

// judgeAgain returns which rules the run after one that has failed breaks: it has to give what
// it gives without the failure. Where the failed run has changed something, it may also give
// what a second run gives.
func (p *place) judgeAgain(a *attempt) (broken []string) {
	same := func(want Result) bool {
		return a.again.Failed == want.Failed && p.alike(a.again.State, want.State) &&
			(want.Failed || p.alike(a.again.Seen, want.Seen))
	}
	if len(a.again.Left) > 0 {
		broken = append(broken, fmt.Sprintf("the next run leaves %v", a.again.Left))
	}
	second := *p.base.again
	if p.op.steps { // part of what it did may have been done
		second.Seen = a.again.Seen
	}
	changed := a.State != a.before || a.Unknown
	if same(p.base.Result) || changed && same(second) {
		return broken
	}
	const format = "the next run gives %q, %s (%s), in the state\n%s\nafter\n%s: %s\nwant %q, in the state\n%s"
	return append(broken, fmt.Sprintf(format,
		a.again.Seen, outcome(*a.again), a.again.Said, a.again.State, a.State, a.Said, p.base.Seen, p.base.State))
}

// alike compares two results or states, but for the generation of a lease: it counts the runs.
func (p *place) alike(a, b string) bool {
	if p.op.counts {
		a, b = digits.ReplaceAllString(a, ""), digits.ReplaceAllString(b, "")
	}
	return a == b
}

var digits = regexp.MustCompile("[0-9]+")

func outcome(r Result) string {
	if r.Failed {
		return "fails"
	}
	return "succeeds"
}

// digest describes content in a few characters.
func digest(b []byte) string { return fmt.Sprintf("%d:%x", len(b), sha256.Sum256(b))[:16] }

// readAll reads a reader that was opened, and closes it.
func readAll(r io.ReadCloser, err error) (string, error) {
	if err != nil {
		return "", err
	}
	content, err := io.ReadAll(r)
	return digest(content), errors.Join(err, r.Close())
}
