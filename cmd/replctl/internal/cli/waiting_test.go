package cli

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/s3"
)

func TestWaitText(t *testing.T) {
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	for want, w := range map[string]s3.Wait{
		`list "": no answer for 2s`: {Op: "list", Key: `""`, Since: now.Add(-2 * time.Second)},
		`read k: no answer for 9s, 3 failed attempts: connection refused; it gives up in 6s`: {
			Op: "read", Key: "k", Since: now.Add(-9 * time.Second), Attempt: 3, Err: errors.New("connection refused"),
			Until: now.Add(6 * time.Second),
		},
		`write k: no answer for 3s, 1 failed attempt: x`: {Op: "write", Key: "k", Since: now.Add(-3 * time.Second),
			Attempt: 1, Err: errors.New("x")},
	} {
		if got := waitText(w, now); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// runAt runs replctl and returns its exit code and what it said.
func runAt(t *testing.T, args ...string) (code int, said string) {
	t.Helper()
	var out, talk bytes.Buffer
	return runWith(t.Context(), &out, &talk, args...), talk.String()
}

func runWith(ctx context.Context, stdout, stderr io.Writer, args ...string) int {
	a := &app{stdout: stdout, stderr: stderr}
	root := newRootCommand(a)
	root.SetArgs(args)
	return a.exitCode(root.ExecuteContext(ctx))
}

// TestWaitForDatabase: a database that another process has locked is waited for, which is said.
func TestWaitForDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	db, err := sql.Open("sqlite", path+"?_txlock=exclusive")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("CREATE TABLE t(v)"); err != nil {
		t.Fatal(err)
	}
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	commit := time.AfterFunc(sayAfter+time.Second, func() { _ = tx.Commit() })
	defer commit.Stop()
	code, said := runAt(t, "snapshot", path, filepath.Join(t.TempDir(), "replica"))
	if code != exitOK || said != "replctl: waiting for "+path+
		", which another process has locked; it gives up after half a minute\n" {
		t.Errorf("exit code %d, and it said %q", code, said)
	}
}

// TestHintsOfStores: what a store says decides the hint, and the error names the
// bucket and where the key is from, in every command.
func TestHintsOfStores(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", fakes3.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", fakes3.SecretAccessKey)
	for _, c := range []struct {
		status     int
		code       string
		error, try string
	}{
		{403, "AccessDenied", "bucket fake-bucket, access key: AWS_ACCESS_KEY_ID", "has the permission s3:"},
		{403, "InvalidAccessKeyId", "access key: AWS_ACCESS_KEY_ID", "another access key"},
		{403, "SignatureDoesNotMatch", "access key: AWS_ACCESS_KEY_ID", "the secret that belongs"},
		{403, "SecondLevelDomainForbidden", "bucket fake-bucket", "force-path-style=false"},
		{404, "NoSuchBucket", "bucket fake-bucket", "another spelling of the bucket"},
		{301, "PermanentRedirect", "http 301", ""},
	} {
		srv := fakes3.New(t)
		srv.Fail(fakes3.Rule{Times: -1, Fault: fakes3.Status(c.status, c.code)})
		url := placeIn(fakes3.Bucket, srv.URL)
		url = strings.Replace(url, "%", "replica", 1)
		for _, args := range [][]string{
			{"ls", url}, {"drill", url},
			{"inspect", url}, {"check", url}, {"ltx", url}, {"generations", url}, {"snapshots", url}, {"wal", url},
			{"plan", url},
			{"restore", url, "-o", t.TempDir() + "/db"}, {"restore", url, "-o", t.TempDir() + "/db", "--if-replica-exists"},
			{"cp", url, t.TempDir() + "/r"}, {"migrate", url, t.TempDir() + "/m"},
			{"prune", url, "--dry-run", "--keep-snapshots", "1"},
			{"lease", "show", url}, {"lease", "acquire", url}, {"kv", "get", url, "k"}, {"kv", "put", url, "k", "v"},
			{"kv", "ls", url},
		} {
			code, said := runAt(t, args...)
			if code == exitUsage && strings.Contains(said, "flag") {
				t.Fatalf("%v: %s", args, said)
			}
			if code == exitOK || code == exitNothing || !strings.Contains(said, c.error) ||
				strings.Contains(said, "as the user that the replicator") {
				t.Errorf("%s, %v: exit code %d, %q, want %q", c.code, args, code, said, c.error)
			}
			if c.try != "" && !strings.Contains(said, "Try: ") || !strings.Contains(said, c.try) {
				t.Errorf("%s, %v: %q, want a hint with %q", c.code, args, said, c.try)
			}
		}
	}
}

// TestHopeless: what no retry can mend is said at once, and the rest while it is
// waited for.
func TestHopeless(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", fakes3.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", fakes3.SecretAccessKey)
	srv := fakes3.New(t)
	page := func(w http.ResponseWriter, _ *fakes3.Call) {
		_, _ = w.Write([]byte("<!doctype html><html>log in</html>"))
	}
	srv.Fail(fakes3.Rule{Times: -1, Fault: page})
	web := "s3://b/r?endpoint=" + srv.URL
	scheme := strings.Replace(web, "http://", "https://", 1)
	for url, try := range map[string]string{web: "the endpoint of the S3 interface", scheme: "endpoint=http://"} {
		for _, args := range [][]string{{"inspect", url}, {"restore", url, "-o", t.TempDir() + "/db"}, {"lease", "show", url},
			{"lease", "acquire", url}, {"kv", "get", url, "k"}, {"kv", "put", url, "k", "v"}} {
			begin := time.Now()
			code, said := runAt(t, args...)
			if code != exitFailure || !strings.Contains(said, "Try: ") || !strings.Contains(said, try) {
				t.Errorf("%v: exit code %d, %q, want %q", args, code, said, try)
			}
			if d := time.Since(begin); d > 10*time.Second {
				t.Errorf("%v: took %v", args, d)
			}
		}
	}
	t.Setenv("AWS_SECRET_ACCESS_KEY", fakes3.SecretAccessKey+"\n")
	code, said := runAt(t, "inspect", web)
	if code != exitFailure || !strings.Contains(said, "AWS_SECRET_ACCESS_KEY") {
		t.Errorf("a newline in the secret: %d, %q", code, said)
	}
}

// TestSpellingsOfOnePlace: what would be a second lease on one place is wrong usage.
func TestSpellingsOfOnePlace(t *testing.T) {
	for _, url := range []string{
		"s3://bkt/two?endpoint=http://127.0.0.1:1/bkt", "s3://bkt/two?endpoint=http://bkt.localhost:1",
		"s3://two?endpoint=http://127.0.0.1:1/bkt", "s3://", "s3:///two", "s3://bkt/two?part-size=1",
	} {
		for _, args := range [][]string{{"inspect", url}, {"lease", "acquire", url}, {"kv", "get", url, "k"}, {"probe", url},
			{"cp", url, t.TempDir() + "/r"}} {
			if code, said := runAt(t, args...); code != exitUsage || said == "" {
				t.Errorf("%v: exit code %d, %q, want %d", args, code, said, exitUsage)
			}
		}
	}
}

// TestSaysWhatItWaitsFor: an endpoint that refuses may come back, and until it does
// or is given up, the command is not silent.
func TestSaysWhatItWaitsFor(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", fakes3.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", fakes3.SecretAccessKey)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	talk := &until{text: "connection refused; it gives up in", then: cancel}
	runWith(ctx, io.Discard, talk, "inspect", "s3://b/r?endpoint=http://"+l.Addr().String())
	if ctx.Err() == nil || !strings.HasPrefix(talk.String(), "replctl: waiting for the store: list") {
		t.Errorf("said %q", talk)
	}
}

// until calls then once it has been sent a text.
type until struct {
	text string
	then func()

	mu sync.Mutex
	b  bytes.Buffer
}

func (u *until) Write(p []byte) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	n, err := u.b.Write(p)
	if strings.Contains(u.b.String(), u.text) {
		u.then()
	}
	return n, err
}

func (u *until) String() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.b.String()
}

// TestUnorderedStore: a store that lists in an order of its own holds the same
// replicas, in both formats.
func TestUnorderedStore(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", fakes3.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", fakes3.SecretAccessKey)
	for _, version := range []string{"v0.3", "v0.5"} {
		local := filepath.Join("..", "..", "..", "..", "testdata", version, "replica")
		srv := fakes3.New(t)
		url := strings.Replace(placeIn(fakes3.Bucket, srv.URL), "%", "replica", 1)
		if code, said := runAt(t, "cp", local, url); code != exitOK {
			t.Fatalf("%s: %s", version, said)
		}
		srv.Fail(fakes3.Rule{Match: fakes3.Op("ListObjectsV2"), Times: -1, Fault: fakes3.Unordered(1000)})
		var want, got bytes.Buffer
		for _, cmd := range []string{"ltx", "snapshots", "generations", "wal", "plan"} {
			want.Reset()
			got.Reset()
			wantCode := runWith(t.Context(), &want, io.Discard, cmd, local, "--json")
			if code := runWith(t.Context(), &got, io.Discard, cmd, url, "--json"); code != wantCode {
				t.Errorf("%s %s: exit code %d, want %d", version, cmd, code, wantCode)
			}
			if n, m := strings.Count(got.String(), "\n"), strings.Count(want.String(), "\n"); n != m {
				t.Errorf("%s %s: %d lines, want %d", version, cmd, n, m)
			}
		}
		one, two := t.TempDir()+"/db", t.TempDir()+"/db"
		for out, from := range map[string]string{one: local, two: url} {
			if code, said := runAt(t, "restore", from, "-o", out); code != exitOK {
				t.Fatalf("%s: restore: %s", version, said)
			}
		}
		a, errA := os.ReadFile(one)
		b, errB := os.ReadFile(two)
		if errA != nil || errB != nil || !bytes.Equal(a, b) {
			t.Errorf("%s: restored %d bytes, want %d (%v, %v)", version, len(b), len(a), errA, errB)
		}
		if code, said := runAt(t, "check", url); code != exitOK {
			t.Errorf("%s: check: exit code %d, %s", version, code, said)
		}
	}
}
