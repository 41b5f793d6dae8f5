package file

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/probe"
)

func entries(t *testing.T, dir string) (names []string) {
	t.Helper()
	found, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range found {
		names = append(names, e.Name())
	}
	return names
}

func runProbe(t *testing.T, ctx context.Context, l *Leaser, change func(*probe.Target)) *probe.Report {
	t.Helper()
	target := l.ProbeTarget()
	if change != nil {
		change(&target)
	}
	report, err := probe.Run(ctx, target, probe.Options{Rounds: 4, Writers: 6})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range report.Checks {
		t.Logf("%s: %s: %s", c.Name, c.Result, c.Evidence)
	}
	if len(report.Left) > 0 || report.CleanupErr != nil {
		t.Errorf("left, as the report says: %q, %v", report.Left, report.CleanupErr)
	}
	return report
}

// TestProbe: a directory is conformant, and as it was afterwards, lock files
// included.
func TestProbe(t *testing.T) {
	dir := t.TempDir()
	l := NewLeaser(dir)
	if _, err := l.AcquireLease(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := entries(t, dir)
	if report := runProbe(t, t.Context(), l, nil); report.Verdict != probe.Conformant {
		t.Errorf("verdict %s: %v", report.Verdict, report.Err())
	}
	if got := entries(t, dir); len(got) != len(before) {
		t.Errorf("left: %q, before %q", got, before)
	}
}

// TestProbeNewDirectory: a directory that was not there is not there afterwards.
func TestProbeNewDirectory(t *testing.T) {
	dir := t.TempDir()
	l := NewLeaser(filepath.Join(dir, "a", "b"))
	l.Path = "c"
	if report := runProbe(t, t.Context(), l, nil); report.Verdict != probe.Conformant {
		t.Errorf("verdict %s: %v", report.Verdict, report.Err())
	}
	if got := entries(t, dir); len(got) > 0 {
		t.Errorf("left: %q", got)
	}
}

// TestProbeInterrupted: what had been written is gone.
func TestProbeInterrupted(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	report := runProbe(t, ctx, NewLeaser(dir), func(target *probe.Target) {
		open := target.Records
		target.Records = func(ctx context.Context) (cas.Store, error) {
			s, err := open(ctx)
			return &endsAfter{s, 15, cancel}, err
		}
	})
	if report.Verdict != probe.Inconclusive {
		t.Errorf("verdict %s", report.Verdict)
	}
	if got := entries(t, dir); len(got) > 0 {
		t.Errorf("left: %q", got)
	}
}

// endsAfter ends a context after some writes.
type endsAfter struct {
	cas.Store
	left int
	end  func()
}

func (s *endsAfter) Write(ctx context.Context, key string, value []byte, expect cas.Token) (cas.Written, error) {
	if s.left--; s.left == 0 {
		s.end()
	}
	return s.Store.Write(ctx, key, value, expect)
}

// TestProbeNotADirectory: nothing can be found out about a file.
func TestProbeNotADirectory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	report, err := probe.Run(t.Context(), NewLeaser(path).ProbeTarget(), probe.Options{})
	if err != nil || report.Verdict != probe.Inconclusive {
		t.Errorf("%+v, %v", report, err)
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != "x" {
		t.Errorf("the file: %q, %v", data, err)
	}
}
