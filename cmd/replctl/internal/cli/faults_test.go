//go:build faults

package cli

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/internal/faults"
	"github.com/replctl/replicate/s3"
)

// TestCommandsAreComplete fails when a command is neither in the table nor excused.
func TestCommandsAreComplete(t *testing.T) {
	listed := map[string]bool{}
	for _, c := range faults.Commands {
		listed["replctl "+c.Args[0]] = true
		listed["replctl "+c.Args[0]+" "+c.Args[1]] = true
	}
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		for _, sub := range cmd.Commands() {
			if name := sub.CommandPath(); !listed[name] && faults.CommandsWithoutFaults[name] == "" &&
				!strings.HasPrefix(name, "replctl completion ") {
				t.Errorf("%s has no line in the table of commands", name)
			}
			walk(sub)
		}
	}
	walk(newRootCommand(&app{stdout: io.Discard, stderr: io.Discard}))
}

// bucket is where the runs of one command are made.
type bucket struct {
	t       *testing.T
	cmd     faults.Command
	srv     *fakes3.Server
	replica string
	db      string
	places  int
}

// fresh is a run in a place that the command can begin in.
func (b *bucket) fresh(t *testing.T) (tr *trial, place string) {
	t.Helper()
	place = "place0"
	if b.cmd.Writes {
		b.places++
		place = fmt.Sprintf("place%d", b.places)
	}
	if b.cmd.Writes && !b.cmd.Empty || b.places == 0 {
		upload(t, b.replica, s3.Config{Bucket: b.srv.Bucket, Path: place, Endpoint: b.srv.URL})
		b.places++
	}
	tr = &trial{t: t, cmd: b.cmd, run: inProcess, words: map[string]string{
		"URL": "s3://" + b.srv.Bucket + "/" + place + "?endpoint=" + b.srv.URL,
		"OUT": filepath.Join(t.TempDir(), "out"), "DB": b.db, "REPLICA": b.replica,
	}}
	tr.prepare()
	return tr, place
}

// attempt runs the command once, by run; fail chooses the calls that fail, and how.
func (b *bucket) attempt(tr *trial, place string, run runner, fail func(stop func()) []fakes3.Rule,
) (r faults.Result, code int, before string, calls []string) {
	tr.t.Helper()
	before = tr.state()
	b.srv.Reset()
	ctx, stop := context.WithCancel(tr.t.Context())
	defer stop()
	b.srv.Fail(fail(stop)...)
	r, code = tr.command(ctx, run)
	for _, req := range b.srv.Requests() {
		if c := callOf(req, place); !slices.Contains(calls, c) {
			calls = append(calls, c)
		}
	}
	slices.Sort(calls) // they come in any order, and a sample is to be the same each time
	b.srv.Reset()
	r.Left, r.State = tr.left(), tr.state()
	b.srv.Disconnect()
	return r, code, before, calls
}

// callOf names a request, without the names that are drawn by lot.
func callOf(req fakes3.Request, place string) string {
	return drawn.ReplaceAllString(faults.Call(req, place), "$5*$6")
}

var drawn = regexp.MustCompile(`()probe-[0-9a-z]+()|()[0-9a-f]{8}-[0-9a-f-]{27}()|(^|/)[0-9A-Za-z_-]{22,32}($|/)`)

// rule is a rule of the server for one request of a command. The command has to ask for it: asked
// is then true.
func rule(k faults.Kind, call, place string, stop func(), asked *atomic.Bool) fakes3.Rule {
	return k.Rule(func(r fakes3.Request) bool {
		is := callOf(r, place) == call
		if is {
			asked.Store(true)
		}
		return is
	}, stop)
}

// base is the command without a failure, twice: it has to repeat itself.
func (b *bucket) base() (base faults.Result, calls []string) {
	b.t.Helper()
	none := func(func()) []fakes3.Rule { return nil }
	tr, place := b.fresh(b.t)
	base, code, _, calls := b.attempt(tr, place, inProcess, none)
	if code != exitOK {
		b.t.Fatalf("without a failure: exit code %d: %s", code, base.Said)
	}
	tr, place = b.fresh(b.t)
	second, _, _, _ := b.attempt(tr, place, inProcess, none)
	if second.Seen != base.Seen || second.State != base.State {
		b.t.Fatalf("it does not repeat itself:\n%s%s\nthen\n%s%s", base.Seen, base.State, second.Seen, second.State)
	}
	return base, calls
}

// eachCommand calls run for the commands that are wanted, several at once.
func eachCommand(t *testing.T, run func(b *bucket, base faults.Result, calls []string)) {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", fakes3.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", fakes3.SecretAccessKey)
	replica, db := faults.SmallReplica(t), filepath.Join(t.TempDir(), "db")
	if code, _, stderr := replctl(t, "restore", replica, "-o", db); code != exitOK {
		t.Fatal(stderr)
	}
	for i, cmd := range faults.Commands {
		if !faults.Wanted(cmd.Op()) || !faults.Turn(i) {
			continue
		}
		t.Run(cmd.Name, func(t *testing.T) {
			t.Parallel()
			b := &bucket{t: t, cmd: cmd, srv: fakes3.New(t), replica: replica, db: db}
			base, calls := b.base()
			run(b, base, calls)
		})
	}
}

// TestEveryCallFails runs each command on S3 again for each of its requests and each kind of
// failure.
func TestEveryCallFails(t *testing.T) {
	eachCommand(t, func(b *bucket, base faults.Result, calls []string) {
		chosen := faults.Sampler(b.cmd.Op())
		for _, c := range calls {
			for _, k := range faults.Kinds {
				if faults.WantedKind(k.Name) && k.Fits(c) && faults.Exempt(k.Name, b.cmd.Subject(c)) == nil && chosen() {
					b.fail(base, c, k)
				}
			}
		}
	})
}

// fail runs the command with one kind of failure of one call, and judges what comes of it.
func (b *bucket) fail(base faults.Result, call string, k faults.Kind) {
	b.judged(call, k, k.Name, inProcessQuickly, func(tr *trial, r faults.Result, before string, _ int) []string {
		cause := k.Cause
		if slices.Contains(cause, "context canceled") {
			cause = nil // a command says which signal it was
		}
		broken := faults.Judge(base, r, before, b.cmd.Steps, cause)
		if r.Failed {
			if !k.Wide && !strings.Contains(call, "*") {
				broken = append(broken, faults.JudgeObject(r, call)...)
			}
			_, wrong := tr.again(base, r)
			broken = append(broken, wrong...)
		}
		return broken
	})
}

// judged runs the command with one failure, has the run judged, and logs it under a name. It runs
// it again, with a longer timeout, if the machine may have been too busy.
func (b *bucket) judged(call string, k faults.Kind, name string, run func(stall time.Duration) runner,
	judge func(tr *trial, r faults.Result, before string, code int) (broken []string),
) {
	b.t.Run("", func(t *testing.T) {
		for i, stall := range stalls {
			var asked atomic.Bool
			tr, place := b.fresh(t)
			r, code, before, _ := b.attempt(tr, place, run(stall), func(stop func()) []fakes3.Rule {
				return []fakes3.Rule{rule(k, call, place, stop, &asked)}
			})
			if !asked.Load() { // what asks for it may have been ended by another request
				continue
			}
			broken := judge(tr, r, before, code)
			if i == 0 && len(broken) > 0 && strained.MatchString(r.Said) {
				continue
			}
			faults.Log(t, faults.Line{Store: "s3", Op: b.cmd.Op(), Call: call, Kind: name, Exit: code}, r, broken)
			return
		}
	})
}
