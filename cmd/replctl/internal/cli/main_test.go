package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/internal/testreplica"
)

func TestMain(m *testing.M) {
	testscript.Main(isolated{m}, map[string]func(){"replctl": func() { os.Exit(Main("")) }})
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
