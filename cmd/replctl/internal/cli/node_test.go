package cli

import (
	"bytes"
	"context"
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
	first, talk, stop := startNode(t, "--data", filepath.Join(dir, "a"), "--id", "a", "--bootstrap")
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
