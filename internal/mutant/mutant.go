// Package mutant tests tests: a suite that passes over a correct implementation
// must fail over one with a planted bug. As a test cannot fail on purpose without
// failing, the suite runs over the mutant in a process of its own.
package mutant

import (
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// running, in the environment, is the name of the test that is to run its mutant.
const running = "REPLICATE_MUTANT"

// MustFail runs suite, which plants a bug and then tests what has it, in another
// process, and fails unless at least one of the subtests of suite that are named
// fails there. Only those are run. A crash or a hang does not count. The suite
// may change package variables; nothing else runs in its process but what led to
// the call, so that MustFail should come first in a test.
func MustFail(t *testing.T, suite func(t *testing.T), subtests ...string) {
	t.Helper()
	if strings.HasPrefix(os.Getenv(running)+"/", t.Name()+"/") {
		suite(t)
		return
	}
	var pattern []string
	for name := range strings.SplitSeq(t.Name(), "/") {
		pattern = append(pattern, "^"+regexp.QuoteMeta(name)+"$")
	}
	if len(subtests) > 0 {
		pattern = append(pattern, "^("+strings.Join(subtests, "|")+")$")
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run="+strings.Join(pattern, "/"), "-test.timeout=10m",
		"-test.count=1")
	// The race detector would have each process wait for a second at its end.
	cmd.Env = append(os.Environ(), running+"="+t.Name(), "GORACE=atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err == nil:
		t.Errorf("the mutant survives:\n%s", out)
	case !errors.As(err, &exit):
		t.Fatalf("run mutant: %v", err)
	case exit.ExitCode() != 1 || !failed(out, t.Name(), subtests):
		t.Errorf("the mutant ends with %v, but not by a failure of %q:\n%s", err, subtests, out)
	}
}

// failed reports whether one of the subtests, or the test itself where there are
// none, is reported as failed.
func failed(out []byte, test string, subtests []string) bool {
	if len(subtests) == 0 {
		return strings.Contains(string(out), "--- FAIL: "+test+" (")
	}
	for _, sub := range subtests {
		if strings.Contains(string(out), "--- FAIL: "+test+"/"+sub+" (") {
			return true
		}
	}
	return false
}
