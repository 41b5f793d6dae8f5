package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"strings"
	"syscall"
	"testing"

	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/internal/testreplica"
	"github.com/replctl/replicate/s3"
)

// TestKVOnS3: records are the same in a bucket as in a directory, byte for byte.
func TestKVOnS3(t *testing.T) {
	srv := fakes3.New(t)
	t.Setenv("AWS_ACCESS_KEY_ID", fakes3.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", fakes3.SecretAccessKey)
	checkKV(t, []string{t.TempDir()})
	checkKV(t, []string{"s3://" + srv.Bucket + "/app", "--endpoint", srv.URL})
}

func checkKV(t *testing.T, place []string) {
	t.Helper()
	const value = "no newline, \x00 and \xff"
	kv := func(command string, args ...string) (int, string, string) {
		return replctl(t, append(append([]string{"kv", command}, place...), args...)...)
	}
	for _, c := range []struct {
		args   []string
		code   int
		stdout string
	}{
		{[]string{"put", "k\xfe", value}, exitOK, "1\n"},
		{[]string{"get", "k\xfe"}, exitOK, value},
		{[]string{"ls"}, exitOK, "KEY      VERSION  SIZE\n\"k\\xfe\"        1    19\n"},
		{[]string{"put", "k\xfe", "x", "--version", "7"}, exitFailure, ""},
		{[]string{"rm", "k\xfe"}, exitOK, ""},
		{[]string{"get", "k\xfe"}, exitNothing, ""},
	} {
		code, stdout, stderr := kv(c.args[0], c.args[1:]...)
		if code != c.code || stdout != c.stdout {
			t.Errorf("%s: %q: exit code %d, %q; want %d, %q\n%s", place[0], c.args, code, stdout, c.code, c.stdout, stderr)
		}
	}
}

// watch runs kv watch and returns a function that waits for its next line.
func watch(t *testing.T, args ...string) (next func() string, stop func() int) {
	r, w := io.Pipe()
	a := &app{stdout: w, stderr: t.Output()}
	root := newRootCommand(a)
	root.SetArgs(append([]string{"kv", "watch"}, args...))
	ctx, cancel := context.WithCancelCause(t.Context())
	code := make(chan int, 1)
	go func() { code <- a.exitCode(bySignal(ctx, root.ExecuteContext(ctx))) }()
	lines := bufio.NewReader(r)
	next = func() string {
		t.Helper()
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		return line
	}
	return next, func() int {
		cancel(interrupted{syscall.SIGINT})
		return <-code
	}
}

func TestKVWatch(t *testing.T) {
	dir := t.TempDir()
	do := func(args ...string) {
		t.Helper()
		if code, _, stderr := replctl(t, append([]string{"kv", args[0], dir}, args[1:]...)...); code != exitOK {
			t.Fatalf("%q: %s", args, stderr)
		}
	}
	next, stop := watch(t, dir, "k", "--json", "--every", "10ms")
	want := func(gone bool, version int64, value string) {
		t.Helper()
		got := decode[changeDoc](t, "kv watch --json", next())
		if got.Gone != gone || !gone && (*got.Version != version || *got.Value != value) || *got.Key != "k" {
			doc, _ := json.Marshal(got)
			t.Errorf("got %s, want version %d, %q, gone %v", doc, version, value, gone)
		}
	}
	want(true, 0, "")
	do("put", "k", "one")
	want(false, 1, "one")
	do("put", "k", "two")
	want(false, 2, "two")
	do("rm", "k")
	want(true, 0, "")
	do("put", "k", "three")
	want(false, 4, "three")
	if code := stop(); code != exitSignal+int(syscall.SIGINT) {
		t.Errorf("interrupted: exit code %d", code)
	}
}

func TestKVWatchForPeople(t *testing.T) {
	dir := t.TempDir()
	if code, _, stderr := replctl(t, "kv", "put", dir, "k", "one\n"); code != exitOK {
		t.Fatal(stderr)
	}
	next, stop := watch(t, dir, "k")
	if got := next()[len("2006-01-02 15:04:05Z"):]; got != "  version 1  \"one\\n\"\n" {
		t.Errorf("got %q", got)
	}
	if code := stop(); code != exitSignal+int(syscall.SIGINT) {
		t.Errorf("interrupted: exit code %d", code)
	}
}

// Advice leads to the same store, with what flags said of it.
func TestKVAdviceKeepsEndpoint(t *testing.T) {
	srv := fakes3.New(t)
	t.Setenv("AWS_ACCESS_KEY_ID", fakes3.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", fakes3.SecretAccessKey)
	url := "s3://" + srv.Bucket + "/app"
	kv := func(args ...string) string {
		_, _, stderr := replctl(t, append([]string{"kv", "--endpoint", srv.URL}, args...)...)
		return stderr
	}
	kv("put", url, "k", "v")
	for _, said := range []string{
		kv("get", url, "nosuch"), kv("rm", url, "nosuch"), kv("put", url, "k", "v", "--create"),
		kv("put", url, "k", "v", "--version", "9"),
	} {
		_, advice, _ := strings.Cut(said, "\nTry: ")
		if !strings.Contains(advice, "endpoint="+srv.URL) {
			t.Errorf("got %q", said)
		}
	}
	upload(t, testreplica.Copy(t, "v0.3"), s3.Config{Bucket: srv.Bucket, Path: "app", Endpoint: srv.URL})
	_, _, said := replctl(t, "wal", "--endpoint", srv.URL, "--generation", "0123456789abcdef", url)
	if !strings.Contains(said, "'"+url+"?endpoint="+srv.URL+"'") {
		t.Errorf("wal: got %q", said)
	}
}
