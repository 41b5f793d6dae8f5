package cli

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// said is what a command that runs has said so far.
type said struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements [io.Writer].
func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// startNode runs "node run" until stop is called, which returns its exit code.
func startNode(t *testing.T, args ...string) (address string, talk *said, stop func() int) {
	t.Helper()
	talk = &said{}
	a := &app{stdout: &bytes.Buffer{}, stderr: talk}
	root := newRootCommand(a)
	root.SetArgs(append([]string{"node", "run", "--listen", "127.0.0.1:0"}, args...))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	go func() { ended <- a.exitCode(root.ExecuteContext(ctx)) }()
	stop = sync.OnceValue(func() int {
		cancel()
		return <-ended
	})
	t.Cleanup(func() { stop() })
	waitSaid(t, talk, " is ready")
	m := regexp.MustCompile(`listens on (\S+)`).FindStringSubmatch(talk.String())
	return m[1], talk, stop
}

func waitSaid(t *testing.T, talk *said, want string) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !strings.Contains(talk.String(), want); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it does not say %q but\n%s", want, talk)
		}
	}
}

// TestNode: two nodes by the command, their records, status, and one that leaves.
func TestNode(t *testing.T) {
	dir := t.TempDir()
	first, talk, stop := startNode(t, "--data", filepath.Join(dir, "a"), "--id", "a", "--bootstrap",
		"--http", "127.0.0.1:0")
	page := regexp.MustCompile(`http://\S+/metrics`).FindString(talk.String())
	if text := fetch(t, page); !strings.Contains(text, "replctl_node_leads 1\n") ||
		!strings.Contains(text, `replctl_node_info{id="a",leader="a",state="Leader"} 1`) {
		t.Errorf("the metrics are %.2000s", text)
	}
	if text := fetch(t, strings.Replace(page, "metrics", "readyz", 1)); text != "ok\n" {
		t.Errorf("it is not ready: %s", text)
	}
	if !strings.Contains(talk.String(), "note: without --tls-ca") {
		t.Errorf("it says nothing of certificates:\n%s", talk)
	}
	second, _, stopSecond := startNode(t, "--data", filepath.Join(dir, "b"), "--id", "b", "--join", first)
	url := "raft://" + second + "/app"
	if code, _, stderr := replctl(t, "kv", "put", url, "limit", "7"); code != exitOK {
		t.Fatal(stderr)
	}
	if _, stdout, stderr := replctl(t, "kv", "get", "raft://"+first+"/app", "limit"); stdout != "7" {
		t.Errorf("the record is %q, %s", stdout, stderr)
	}
	docs := ask[[]nodeDoc](t, "node", "status", url)
	if len(docs) != 2 || docs[0].Address != second || *docs[0].ID != "b" || *docs[0].Leader != "a" ||
		!docs[0].Voter || !docs[1].Voter || *docs[1].State != "Leader" || docs[1].Records < 1 {
		t.Errorf("the status is %+v", docs)
	}
	if _, stdout, stderr := replctl(t, "node", "status", url); !strings.Contains(stdout, "Leader") {
		t.Errorf("the status is %s%s", stdout, stderr)
	}
	code, _, stderr := replctl(t, "node", "leave", url, "c")
	if code != exitFailure || !strings.Contains(stderr, "no such member") {
		t.Errorf("nobody leaves: exit code %d, %s", code, stderr)
	}
	code, stdout, stderr := replctl(t, "node", "leave", url, "b")
	if code != exitOK || !strings.HasPrefix(stdout, "b is no") {
		t.Errorf("b leaves: exit code %d, %s%s", code, stdout, stderr)
	}
	if code := stopSecond(); code != exitOK {
		t.Errorf("the second node ends with exit code %d", code)
	}
	if docs := ask[[]nodeDoc](t, "node", "status", "raft://"+first+","+second); len(docs) != 2 || docs[1].Error == nil {
		t.Errorf("the status is %+v", docs)
	}
	if code := stop(); code != exitOK {
		t.Errorf("the first node ends with exit code %d", code)
	}

	// It goes on by its directory alone; the address is another one, and it is alone.
	again, _, _ := startNode(t, "--data", filepath.Join(dir, "a"), "--id", "a")
	if _, stdout, stderr := replctl(t, "kv", "get", "raft://"+again+"/app", "limit"); stdout != "7" {
		t.Errorf("after a restart the record is %q, %s", stdout, stderr)
	}
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", url, answer.Status, err)
	}
	return string(b)
}

// TestNodeSnapshot: all records of one cluster are restored into another one.
func TestNodeSnapshot(t *testing.T) {
	dir := t.TempDir()
	first, _, _ := startNode(t, "--data", filepath.Join(dir, "a"), "--id", "a", "--bootstrap")
	second, _, _ := startNode(t, "--data", filepath.Join(dir, "b"), "--id", "b", "--bootstrap")
	from, to, file := "raft://"+first+"/app", "raft://"+second+"/app", filepath.Join(dir, "snapshot")
	want := func(code int, contains string, args ...string) {
		t.Helper()
		got, stdout, stderr := replctl(t, args...)
		if got != code || !strings.Contains(stdout+stderr, contains) {
			t.Errorf("%q: exit code %d, %s%s", args, got, stdout, stderr)
		}
	}
	want(exitOK, "", "kv", "put", from, "limit", "7")
	want(exitUsage, "to which file", "node", "snapshot", from)
	want(exitOK, "", "node", "snapshot", from, "-o", file)
	want(exitFailure, "exists", "node", "snapshot", from, "-o", file)
	want(exitFailure, "no such file", "node", "restore", to, file+"2")
	want(exitOK, "", "node", "restore", to, file)
	want(exitOK, "7", "kv", "get", to, "limit")
	want(exitOK, "", "kv", "put", to, "limit", "8")
	want(exitFailure, "--force", "node", "restore", to, file)
	want(exitOK, "8", "kv", "get", to, "limit")
	want(exitOK, "", "node", "restore", to, file, "--force")
	want(exitOK, "7", "kv", "get", to, "limit")
	if err := os.Truncate(file, 20); err != nil {
		t.Fatal(err)
	}
	want(exitFailure, "snapshot", "node", "restore", to, file, "--force")
	want(exitOK, "7", "kv", "get", to, "limit")
}
