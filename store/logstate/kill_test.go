package logstate_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/store/logstate"
)

// childDir, in the environment, makes the test binary a witness that reads a log
// in that directory, says so, and goes no further.
const childDir = "REPLICATE_LOGSTATE_TEST_CHILD"

func TestMain(m *testing.M) {
	dir := os.Getenv(childDir)
	if dir == "" {
		os.Exit(m.Run())
	}
	if err := stuckWitness(dir); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
}

func stuckWitness(dir string) error {
	w, err := logstate.New(file.NewRecords(dir, file.Options{})).WriteOps("log")
	if err != nil {
		return err
	}
	latest, err := w.GetLatest()
	if err != nil {
		return err
	}
	fmt.Printf("%s\n", latest)
	if _, err := os.Stdin.Read(make([]byte, 1)); err != nil { // until it is killed, or its parent is
		return err
	}
	return w.Set([]byte("of the dead"))
}

// TestKilled: a witness killed between its read and its set leaves the checkpoint
// as it was, and nothing in the way of others.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	s := logstate.New(file.NewRecords(dir, file.Options{}))
	mustSet(t, s, "one")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // killed
	if err != nil || line != "one\n" {
		t.Fatalf("the witness says %q, %v", line, err)
	}
	wantLatest(t, s, "one")
	mustSet(t, s, "two")
	wantLatest(t, s, "two")
}

func mustSet(t *testing.T, s *logstate.Store, checkpoint string) {
	t.Helper()
	w, err := s.WriteOps("log")
	if err == nil {
		err = w.Set([]byte(checkpoint))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func wantLatest(t *testing.T, s *logstate.Store, want string) {
	t.Helper()
	r, err := s.ReadOps("log")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := r.GetLatest(); err != nil || string(got) != want {
		t.Errorf("the log has %q, %v, want %q", got, err, want)
	}
}
