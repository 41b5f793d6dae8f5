//go:build faults

package faults

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/replctl/replicate/internal/fakes3"
)

// Result is what can be seen of one run of an operation.
type Result struct {
	Failed  bool   // an error, or an exit code that is not 0
	Absence bool   // it says that there is nothing: exit code 3, ErrNoReplica, ErrNotFound
	Said    string // the error, or the standard error
	Seen    string // the result, if it has not failed
	State   string // of the place, as a fresh reader sees it afterwards

	Unknown bool // the error says that the outcome of a write is unknown, or ctx ended
	Took    time.Duration
	Left    []string // temporary files
}

// NotReleased is in what a command says if it could not release a lease or lock. The lease is
// then held until it expires: that bounds how long the next run has to wait.
const NotReleased = "not released, it ends at"

// Judge returns which rules a run breaks: base is the run without the failure, before the
// state that it began in. In steps, an operation of several writes may end between the two.
func Judge(base, r Result, before string, steps bool, cause []string) (broken []string) {
	rule := func(bad bool, format string, args ...any) {
		if bad {
			broken = append(broken, fmt.Sprintf(format, args...))
		}
	}
	rule(r.Absence && !base.Absence, "taken for an absence: %s", r.Said)
	if !r.Failed {
		rule(
			r.Seen != base.Seen,
			"success with another result:\n%s\nwithout the failure\n%s\nsaid %s",
			r.Seen,
			base.Seen,
			r.Said,
		)
		rule(
			r.State != base.State,
			"success with another effect:\n%s\nwithout the failure\n%s\nsaid %s",
			r.State,
			base.State,
			r.Said,
		)
	} else {
		rule(r.Said == "" && r.Seen == "", "an error without a word")
		rule(!steps && r.State != before && r.State != base.State,
			"neither the old state nor the new one: %s: %s", r.State, r.Said)
		rule(!steps && !r.Unknown && r.State != before, "a plain error, and the write was applied: %s: %s", r.State, r.Said)
		rule(len(cause) > 0 && !containsAny(r.Said, cause), "the error does not say why: %s", r.Said)
	}
	rule(strings.Contains(r.Said+r.Seen, fakes3.SecretAccessKey), "the secret is shown")
	rule(r.Took > Bound, "took %v", r.Took)
	rule(len(r.Left) > 0, "leaves %v", r.Left)
	return broken
}

// verb is what an error says was to be done.
var verb = regexp.MustCompile(`\b(acquire|activate|active|break|check|copy|create|delete|fail|get|init|inspect|` +
	`instances|latest|list|lock|log|migrate|open|plan|prune|read|release|renew|replace|reset|restore|save|set|` +
	`snapshot|stat|update|wait|watch|write)\b`)

// JudgeOperation returns which rules the error of a run breaks that failed: it names the
// operation.
func JudgeOperation(r Result) (broken []string) {
	if !verb.MatchString(r.Said) {
		broken = append(broken, "the error does not say what was to be done: "+r.Said)
	}
	return broken
}

// JudgeObject returns which rules the error of a run breaks that failed because of a request,
// as [Call] names it: it names the object, or where there is none what was listed.
func JudgeObject(r Result, call string) (broken []string) {
	_, key, _ := strings.Cut(call, " ")
	key, _, _ = strings.Cut(key, "?")
	key, _, _ = strings.Cut(key, "RANDOM") // what is before it has to be there
	if name := path.Base(key); key != "" && !strings.Contains(r.Said, name) {
		broken = append(broken, fmt.Sprintf("the error does not name %s: %s", name, r.Said))
	}
	return broken
}

func containsAny(s string, of []string) bool {
	for _, part := range of {
		if strings.Contains(s, part) {
			return true
		}
	}
	return false
}

// Share is which share of all runs is to be made: that of REPLCTL_FAULTS, which is "all", "tenth"
// or a number such as 0.02; a hundredth if it is not set.
func Share() float64 {
	switch share := os.Getenv("REPLCTL_FAULTS"); share {
	case "":
		return 0.01
	case "all":
		return 1
	case "tenth":
		return 0.1
	default:
		n, err := strconv.ParseFloat(share, 64)
		if err != nil || n <= 0 || n > 1 {
			panic("REPLCTL_FAULTS=" + share + `: want "all", "tenth", or a share such as 0.02`)
		}
		return n
	}
}

// Seed is that of the sample: REPLCTL_FAULTS_SEED, 23 if it is not set.
func Seed() uint64 {
	seed := os.Getenv("REPLCTL_FAULTS_SEED")
	if seed == "" {
		return 23
	}
	n, err := strconv.ParseUint(seed, 10, 64)
	if err != nil {
		panic("REPLCTL_FAULTS_SEED=" + seed + ": want a number")
	}
	return n
}

// Wanted reports whether an operation is to be run at all.
func Wanted(op string) bool {
	only := os.Getenv("REPLCTL_FAULTS_OF")
	return only == "" || only == op
}

// WantedKind reports whether a kind of failure is to be tried: see REPLCTL_FAULTS_KIND.
func WantedKind(kind string) bool {
	only := os.Getenv("REPLCTL_FAULTS_KIND")
	return only == "" || only == kind
}

// Turn reports whether an operation is in the sample: one in eight if no share was named.
func Turn(i int) bool {
	return os.Getenv("REPLCTL_FAULTS") != "" || os.Getenv("REPLCTL_FAULTS_OF") != "" || i%8 == 3
}

// Sampler chooses runs, the same for the same name and [Seed] each time.
func Sampler(name string) func() bool {
	var seed uint64
	for _, c := range name {
		seed = seed*31 + uint64(c)
	}
	rng, share := rand.New(rand.NewPCG(Seed(), seed)), Share()
	return func() bool { return rng.Float64() < share }
}

// Line is one run, in the log.
type Line struct {
	Store, Op, Call, Kind string
	Exit                  int    `json:",omitempty"` // of a command
	Outcome               string // "succeeds", "fails", "broken"
	More                  int    `json:",omitempty"` // requests than without the failure
	Millis                int64
	Said                  string   `json:",omitempty"` // the error
	Broken                []string `json:",omitempty"` // rules
}

var logging sync.Mutex

// Log reports a run to the test, and to the file of REPLCTL_FAULTS_LOG.
func Log(t *testing.T, line Line, r Result, broken []string) {
	t.Helper()
	line.Outcome, line.Millis = "succeeds", r.Took.Milliseconds()
	if r.Failed {
		line.Outcome = "fails"
	}
	line.Said, line.Broken = r.Said, broken
	for _, b := range broken {
		line.Outcome = "broken"
		t.Errorf("%s: %s on %s: %s: %s", line.Op, line.Kind, line.Call, line.Store, b)
	}
	name := os.Getenv("REPLCTL_FAULTS_LOG")
	if name == "" {
		return
	}
	logging.Lock()
	defer logging.Unlock()
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := json.NewEncoder(f).Encode(line); err != nil {
		t.Fatal(err)
	}
}
