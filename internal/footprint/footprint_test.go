package footprint

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// What a program that imports only the file engine and leases may cost.
const (
	mostSums = 15        // lines of go.sum after go mod tidy
	mostSize = 3_500_000 // bytes of the stripped binary, on linux/amd64
)

// TestFileLease builds the program in testdata/filelease. go mod tidy counts the modules of
// the tests of all imported packages, too: a test of file, lease or cas that imports the S3
// engine puts the AWS SDK into the go.sum of this program.
//
// It works without a network: the module cache has what this module's own tests need, and
// that is more.
func TestFileLease(t *testing.T) {
	dir := t.TempDir()
	root, version, _ := strings.Cut(command(t, ".", nil, "go", "list", "-m", "-f", "{{.Dir}}\n{{.GoVersion}}"), "\n")
	copyFile(t, filepath.Join("testdata", "filelease", "main.go"), filepath.Join(dir, "main.go"))
	copyFile(t, filepath.Join(root, "go.sum"), filepath.Join(dir, "go.sum")) // tidy verifies with it, and shortens it
	openSources(t)
	const module = "github.com/replctl/replicate"
	mod := fmt.Sprintf("module filelease\n\ngo %s\n\nrequire %s v0.0.0\n\nreplace %[2]s => %s\n",
		strings.TrimSpace(version), module, root)
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte(mod), 0o644); err != nil {
		t.Fatal(err)
	}
	env := []string{"GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off", "GOTOOLCHAIN=local", "CGO_ENABLED=0"}
	command(t, dir, env, "go", "mod", "tidy")
	sums, err := os.ReadFile(filepath.Join(dir, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(sums, []byte("\n")); n > mostSums || bytes.Contains(sums, []byte("/aws/")) {
		t.Errorf("go.sum has %d lines, want %d at most, and nothing of AWS:\n%s", n, mostSums, sums)
	} else {
		t.Logf("go.sum has %d lines", n)
	}

	binary := filepath.Join(dir, "filelease")
	env = append(env, "GOOS=linux", "GOARCH=amd64")
	command(t, dir, env, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, ".")
	fi, err := os.Stat(binary)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the binary has %d bytes", fi.Size())
	if fi.Size() > mostSize {
		t.Errorf("the binary has %d bytes, want %d at most", fi.Size(), mostSize)
	}
	if runtime.GOOS+"/"+runtime.GOARCH == "linux/amd64" {
		if got := command(t, dir, nil, binary, filepath.Join(dir, "lease")); got != "generation 1\n" {
			t.Errorf("the program says %q", got)
		}
	}
}

// openSources opens the directories of the packages that the program links. The go command
// keeps the result of a test only while what the test itself has opened stays as it is.
func openSources(t *testing.T) {
	t.Helper()
	const format = "{{if not .Standard}}{{.Dir}}{{end}}"
	dirs := command(t, ".", nil, "go", "list", "-deps", "-f", format, "./testdata/filelease")
	for dir := range strings.Lines(dirs) {
		if _, err := os.ReadDir(strings.TrimSpace(dir)); err != nil {
			t.Fatal(err)
		}
	}
}

// command runs a program and returns its standard output.
func command(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	var out, said strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, said.String())
	}
	return out.String()
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o644); err != nil {
		t.Fatal(err)
	}
}
