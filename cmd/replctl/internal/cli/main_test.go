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
	testscript.Main(isolated{m}, map[string]func(){"replctl": func() {
		a := &app{stdout: os.Stdout, stderr: os.Stderr}
		if os.Getenv(quickly) != "" {
			a.tune = quick
		}
		os.Exit(run("", a))
	}})
}

// quickly is the variable of the environment that makes a replctl under test quick.
const quickly = "REPLCTL_TEST_QUICK"

// quick gives a client short timeouts, so that a failure for good ends in a second.
func quick(engine any) {
	const stall, retry = time.Second, 2 * time.Second
	switch e := engine.(type) {
	case *s3.ReplicaClient:
		e.StallTimeout, e.RetryTimeout = stall, retry
	case *s3.Leaser:
		e.StallTimeout, e.RetryTimeout = stall, retry
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
