package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/internal/testreplica"
	"github.com/replctl/replicate/s3"
)

func TestMain(m *testing.M) {
	testscript.Main(isolated{m}, processes)
}

// processes are what this binary does under other names.
var processes = map[string]func(){"replctl": func() {
	a := &app{stdout: os.Stdout, stderr: os.Stderr}
	if stall, err := time.ParseDuration(os.Getenv(quickly)); err == nil {
		a.tune = quick(stall)
	}
	os.Exit(run("", a))
}}

// quickly is the variable of the environment with the stall timeout of a replctl under test.
const quickly = "REPLCTL_TEST_STALL_TIMEOUT"

// quick gives a client short timeouts: a failure for good ends after twice the time of a stall.
func quick(stall time.Duration) func(engine any) {
	return func(engine any) {
		switch e := engine.(type) {
		case *s3.ReplicaClient:
			e.StallTimeout, e.RetryTimeout = stall, 2*stall
		case *s3.Leaser:
			e.StallTimeout, e.RetryTimeout = stall, 2*stall
		}
	}
}

// isolated are the tests, not the commands that they start.
type isolated struct{ *testing.M }

func (m isolated) Run() int {
	fakes3.Isolate()
	heedSignals()
	return m.M.Run()
}

// replctl runs a command in this process.
func replctl(t testing.TB, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, talk bytes.Buffer
	a := &app{stdout: &out, stderr: &talk}
	root := newRootCommand(a)
	root.SetArgs(args)
	code = a.exitCode(root.ExecuteContext(t.Context()))
	return code, out.String(), talk.String()
}

// testdata is a copy of the replicas with the times that Litestream had given
// their objects. Tests share it and do not write there.
func testdata(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "testdata")
	if err := os.CopyFS(dir, os.DirFS(testreplica.Root(t))); err != nil {
		t.Fatal(err)
	}
	if err := testreplica.RestoreTimes(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}
