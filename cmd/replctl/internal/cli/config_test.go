package cli

import (
	"bufio"
	"context"
	"io"
	"strings"
	"syscall"
	"testing"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/store/config"
)

// TestConfigLock: while a leader holds the lock, nobody else changes anything under it, and a
// leader that has lost it cannot either.
func TestConfigLock(t *testing.T) {
	dir := t.TempDir()
	leader := config.New(file.NewRecords(dir, file.Options{}), config.Options{LockOwner: "the leader"})
	ctx := t.Context()
	if err := leader.SaveSnapshot(ctx, "fleet", "v1", []byte("one")); err != nil {
		t.Fatal(err)
	}
	release, err := leader.AcquireLock(ctx, -7)
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"activate", dir, "fleet", "v1"}, {"save", dir, "fleet", "v2", "config_test.go"},
		{"gc", dir, "--before", "-0s", "--yes"},
	} {
		code, stdout, stderr := replctl(t, append(append([]string{"config"}, args...), "--lock", "-7")...)
		if code != exitNotAcquired || stdout != "" ||
			!strings.Contains(stderr, `replctl: lock not acquired: held by "the leader" until 2`) {
			t.Errorf("%q: exit code %d\n%s%s", args, code, stdout, stderr)
		}
	}
	if _, err := leader.GetActiveVersion(ctx, "fleet"); err == nil {
		t.Error("a version is active")
	}
	release()
	if code, _, stderr := replctl(t, "config", "activate", dir, "fleet", "v1", "--lock", "-7"); code != exitOK {
		t.Error(stderr)
	}
}

func TestConfigFailures(t *testing.T) {
	for err, want := range map[error]int{
		config.ErrLockLost: exitLost, config.ErrLockNotAcquired: exitNotAcquired, cas.ErrIndeterminate: exitFailure,
		config.ErrTooLarge: exitUsage, config.ErrTooManySnapshots: exitFailure,
	} {
		a := &app{stderr: t.Output()}
		if code := a.exitCode(configFailure(err, "url", "fleet")); code != want {
			t.Errorf("%v: exit code %d, want %d", err, code, want)
		}
	}
}

func TestConfigWatch(t *testing.T) {
	dir := t.TempDir()
	do := func(args ...string) {
		t.Helper()
		if code, _, stderr := replctl(t, append([]string{"config", args[0], dir, "fleet"}, args[1:]...)...); code != exitOK {
			t.Fatalf("%q: %s", args, stderr)
		}
	}
	r, w := io.Pipe()
	a := &app{stdout: w, stderr: t.Output()}
	root := newRootCommand(a)
	root.SetArgs([]string{"config", "watch", dir, "fleet", "--json", "--every", "10ms"})
	ctx, cancel := context.WithCancelCause(t.Context())
	code := make(chan int, 1)
	go func() { code <- a.exitCode(bySignal(ctx, root.ExecuteContext(ctx))) }()
	lines := bufio.NewReader(r)
	want := func(version string) {
		t.Helper()
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		got := decode[activeDoc](t, "config watch --json", line)
		if got.Collection != "fleet" || got.Active != (version != "") || got.Active && *got.Version != version {
			t.Errorf("got %s, want version %q", line, version)
		}
	}
	want("")
	do("save", "v1", "config_test.go")
	do("activate", "v1")
	want("v1")
	do("save", "v2", "config.go")
	do("activate", "v2")
	want("v2")
	cancel(interrupted{syscall.SIGINT})
	if code := <-code; code != exitSignal+int(syscall.SIGINT) {
		t.Errorf("interrupted: exit code %d", code)
	}
}

// TestRecordsJSON: the documents of config and records are those of the contract, in a
// directory and in a bucket.
func TestRecordsJSON(t *testing.T) {
	srv := fakes3.New(t)
	t.Setenv("AWS_ACCESS_KEY_ID", fakes3.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", fakes3.SecretAccessKey)
	for _, url := range []string{t.TempDir(), "s3://" + srv.Bucket + "/app?endpoint=" + srv.URL} {
		ask[configChangeDoc](t, "config", "save", url, "fleet", "v1", "config.go")
		ask[configChangeDoc](t, "config", "activate", url, "fleet", "v1", "--lock", "1")
		ask[[]collectionDoc](t, "config", "ls", url)
		ask[[]snapshotInfoDoc](t, "config", "ls", url, "fleet")
		if got := ask[snapshotContentDoc](t, "config", "get", url, "fleet"); got.Content == nil || got.Status != "active" {
			t.Errorf("%s: got %+v", url, got)
		}
		ask[configGCDoc](t, "config", "gc", url, "--before", "-1h")
		if got := ask[[]recordInfoDoc](t, "records", "ls", url); len(got) != 3 {
			t.Errorf("%s: got %+v, want a content, a head and a lock", url, got)
		}
		if got := ask[recordsCopyDoc](t, "records", "cp", url, t.TempDir()); got.Copied != 3 || got.Records != 3 {
			t.Errorf("%s: got %+v", url, got)
		}
	}
}
