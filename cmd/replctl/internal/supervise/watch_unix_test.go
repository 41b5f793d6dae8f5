//go:build unix

package supervise

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// start starts a shell script, and returns when it has said "ready".
func start(t *testing.T, script string) *Child {
	t.Helper()
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command("sh", "-c", script)
	cmd.Stdout = in
	c := New(cmd)
	restore, err := c.Start()
	_ = in.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(restore)
	t.Cleanup(c.kill)
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("the command said %q: %v", line, err)
	}
	return c
}

// told notes what Watch tells.
type told struct{ said []string }

func (w *told) ending(grace time.Duration, hurry bool) Ending {
	return Ending{
		Grace:    grace,
		Patience: time.Minute,
		Hurry:    func() bool { return hurry },
		Killed:   func() { w.said = append(w.said, "killed") },
		Say:      func(format string, _ ...any) { w.said = append(w.said, format) },
	}
}

const (
	endsCommand = "ending the command"
	endsRest    = "the command has ended, and has left processes in its group: ending them"
)

func TestWatch(t *testing.T) {
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		script string
		ctx    context.Context
		grace  time.Duration
		hurry  bool
		code   int
		said   []string
	}{
		"ends by itself": {"echo ready; exit 7", t.Context(), time.Hour, true, 7, nil},
		"heeds SIGTERM": {"echo ready; exec sleep 1000", over, time.Hour, false, SignalBase + int(syscall.SIGTERM),
			[]string{endsCommand}},
		"ignores SIGTERM": {`trap "" TERM; echo ready; while :; do sleep 1000; done`, over, 0, false,
			SignalBase + int(syscall.SIGKILL), []string{endsCommand, "killed"}},
		"hurry": {`trap "" TERM; echo ready; while :; do sleep 1000; done`, over, time.Hour, true,
			SignalBase + int(syscall.SIGKILL), []string{endsCommand, "killed"}},
		"is stopped": {"echo ready; kill -STOP $$; exit 9", over, time.Hour, false, SignalBase + int(syscall.SIGTERM),
			[]string{endsCommand}},
		"leaves a process": {"sleep 1000 >/dev/null & echo ready; exit 3", t.Context(), time.Hour, false, 3,
			[]string{endsRest}},
		"leaves a deaf one": {`trap "" TERM; sleep 1000 >/dev/null & echo ready; exit 3`, t.Context(), 0, false, 3,
			[]string{endsRest, "killed"}},
	} {
		t.Run(name, func(t *testing.T) {
			child, w := start(t, c.script), new(told)
			if !child.Watch(c.ctx, nil, w.ending(c.grace, c.hurry)) {
				t.Error("the group is said to live on")
			}
			if got := child.Code(); got != c.code {
				t.Errorf("exit code %d, want %d", got, c.code)
			}
			if !slices.Equal(w.said, c.said) {
				t.Errorf("told %q, want %q", strings.Join(w.said, "; "), strings.Join(c.said, "; "))
			}
		})
	}
}

func TestWatchPassesSignals(t *testing.T) {
	signals := make(chan os.Signal, 1)
	signals <- syscall.SIGUSR1
	child := start(t, `trap "exit 5" USR1; echo ready; while :; do sleep 0.01; done`)
	if w := new(told); !child.Watch(t.Context(), signals, w.ending(time.Hour, false)) || child.Code() != 5 ||
		w.said != nil {
		t.Errorf("exit code %d, told %q", child.Code(), w.said)
	}
}
