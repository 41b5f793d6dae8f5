package cli

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/replctl/replicate/internal/testreplica"
)

// The scripts have the commands of testscript, "exit CODE replctl ARG..." and
// "cptree FROM TO", and these variables:
//
//	TESTDATA, DAMAGED          the replicas: $TESTDATA/v0.5/replica, $DAMAGED/ltx-gap/replica
//	GEN1, GEN2                 the generations of the v0.3 replica
//	INSTANT                    a moment within the v0.5 replica, in UTC
//	INSTANT_EAST               the same, with a zone
//	INSTANT_SPACE, INSTANT_T   the same, without one
func TestScript(t *testing.T) {
	dir := testdata(t)
	generations := testreplica.Expected(t, "v0.3").Generations
	instant := testreplica.Expected(t, "v0.5").Instants[1].At.UTC()
	east := time.FixedZone("", 5*3600+1800)
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("TESTDATA", dir)
			env.Setenv("DAMAGED", filepath.Join(dir, "damaged"))
			env.Setenv("GEN1", generations[0].Generation)
			env.Setenv("GEN2", generations[1].Generation)
			env.Setenv("TZ", "UTC")
			env.Setenv("GORACE", "atexit_sleep_ms=0") // or each command takes a second more under the race detector
			env.Setenv("INSTANT", instant.Format(time.RFC3339Nano))
			env.Setenv("INSTANT_EAST", instant.In(east).Format(time.RFC3339Nano))
			env.Setenv("INSTANT_SPACE", instant.Format("2006-01-02 15:04:05.999999999"))
			env.Setenv("INSTANT_T", instant.Format("2006-01-02T15:04:05.999999999"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exit": scriptExit, "cptree": scriptCopy},
	})
}

// Standard error of a command that succeeds, and of one that does not.
var (
	talk = regexp.MustCompile(
		`\A((since|until|timestamp|before) \d.*\n|(no|note:|restored|state|read|from|to) .*\n)*\z`)
	failure = regexp.MustCompile(`\Areplctl: .+\n(Try: .+\n)?\z`)
	again   = regexp.MustCompile(`(?m)^note: planning again: .*\n`)
	// Events of a lease that is waited for, or held.
	events = regexp.MustCompile(`(?m)^replctl: lease: ` +
		`(waiting|acquired|renew|lost|released|not released|ending|the command|processes)\b.*\n`)
)

// saysNearest are the commands that print the nearest states with --json, where there is no such state.
var saysNearest = []string{"plan", "query", "tables", "diff", "log", "bisect"}

// scriptExit runs a command that has to end with a given code, and holds it to
// what is true of all: data on standard output, talk on standard error, no
// colours where no terminal is.
func scriptExit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exit CODE PROGRAM [ARG...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	stdout, stderr := ts.ReadFile("stdout"), again.ReplaceAllString(events.ReplaceAllString(ts.ReadFile("stderr"), ""), "")
	data, failed := stdout != "", failure.MatchString(stderr)
	switch {
	case got != want:
		ts.Fatalf("got exit code %d, want %d", got, want)
	case strings.Contains(stdout+stderr, "\x1b"):
		ts.Fatalf("escape codes, and there is no terminal")
	case got == exitOK && !talk.MatchString(stderr):
		ts.Fatalf("success, and talk on standard error")
	case (got == exitViolation || got == exitInconclusive) && data:
	case (got == exitDiffers || got == exitStale) && data && !failed:
	case slices.Contains(args, "--all") && data && !failed: // its report says what failed
	case got == exitLost && failed: // what the command has printed until then
	case args[1] == "replctl" && slices.Contains(saysNearest, args[min(2, len(args)-1)]) &&
		slices.Contains(args, "--json") && failed: // it prints the nearest states
	case stderr == "" && slices.Equal(args[1:min(len(args), 4)], []string{"replctl", "lease", "exec"}):
		// It is the output of the command.
	case got == exitDamage && data && stderr != "":
		ts.Fatalf("damage found, and talk on standard error")
	case got == exitDamage && !data && !failed, got != exitOK && got != exitDamage && (data || !failed):
		ts.Fatalf("exit code %d: want one line of error, one of advice at most, and no data", got)
	}
}

func scriptCopy(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: cptree FROM TO")
	}
	to := ts.MkAbs(args[1])
	ts.Check(os.CopyFS(to, os.DirFS(ts.MkAbs(args[0]))))
	ts.Check(testreplica.RestoreTimes(to))
}
