//go:build faults && unix

package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/replctl/replicate/internal/faults"
)

// runProcess runs a process to its end, and sends it a signal if ctx ends.
func runProcess(ctx context.Context, t *testing.T, cmd *exec.Cmd, sig os.Signal, printed func(),
) (code int, stdout, stderr string) {
	t.Helper()
	data, talk := observed{printed: printed}, bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = &data, &talk
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer context.AfterFunc(ctx, func() { _ = cmd.Process.Signal(sig) })()
	if exit := (*exec.ExitError)(nil); !errors.As(cmd.Wait(), &exit) && !cmd.ProcessState.Success() {
		t.Fatal(cmd.ProcessState)
	}
	code = cmd.ProcessState.ExitCode()
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		code = exitSignal + int(status.Signal())
		talk.WriteString(cmd.ProcessState.String())
	}
	return code, data.String(), talk.String()
}

// ends is a runner that starts replctl as a process, which gets a signal if ctx ends.
func ends(sig os.Signal, stall time.Duration) runner {
	return func(ctx context.Context, t *testing.T, args []string, printed func()) (code int, stdout, stderr string) {
		cmd := exec.Command("replctl", args...)
		cmd.Env = append(os.Environ(), quickly+"="+stall.String())
		return runProcess(ctx, t, cmd, sig, printed)
	}
}

// ending is a way in which a process ends while a request is made.
type ending struct {
	name string
	sig  syscall.Signal
	kind string // what becomes of the request: a kind of package faults
}

var endings = []ending{
	{"SIGTERM", syscall.SIGTERM, "cancelled"},
	{"SIGTERM after applying", syscall.SIGTERM, "cancelled after applying"},
	{"SIGKILL", syscall.SIGKILL, "cancelled"},
	{"SIGKILL after applying", syscall.SIGKILL, "cancelled after applying"},
	{"stall of a process", syscall.SIGTERM, "stall"},
}

// TestEveryCallIsTheLast runs each command on S3 as a process, again for each of its requests,
// and ends it by a signal when the request arrives, or after it was applied.
func TestEveryCallIsTheLast(t *testing.T) {
	kinds := map[string]faults.Kind{}
	for _, k := range faults.Kinds {
		kinds[k.Name] = k
	}
	eachCommand(t, func(b *bucket, base faults.Result, calls []string) {
		chosen := faults.Sampler("signals of " + b.cmd.Op())
		for _, c := range calls {
			for _, e := range endings {
				if chosen() && !(b.cmd.GoesOn && e.sig == syscall.SIGKILL) {
					b.end(base, c, e, kinds[e.kind])
				}
			}
		}
	})
}

// end runs the command as a process that ends at a request, and judges what comes of it.
func (b *bucket) end(base faults.Result, call string, e ending, k faults.Kind) {
	run := func(stall time.Duration) runner { return ends(e.sig, stall) }
	b.judged(call, k, e.name, run, func(tr *trial, r faults.Result, before string, code int) []string {
		if e.sig == syscall.SIGKILL {
			r.Left = nil // the next run sweeps them
		}
		broken := faults.Judge(base, r, before, b.cmd.Steps, nil)
		if !r.Failed {
			return broken
		}
		if e.kind != "stall" && code != exitSignal+int(e.sig) && b.cmd.Name != "probe" {
			broken = append(broken, fmt.Sprintf("it ends with %d, and not by the signal: %s", code, r.Said))
		}
		_, wrong := tr.again(base, r)
		broken = append(broken, wrong...)
		if left := tr.left(); len(left) > 0 {
			broken = append(broken, "the next run leaves "+strings.Join(left, ", "))
		}
		return broken
	})
}
