package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/cmd/replctl/internal/supervise"
	"github.com/replctl/replicate/ltx"
	"github.com/replctl/replicate/sqlite"
	"github.com/replctl/replicate/v3compat"
)

// The exit codes, a stable contract (docs/json.md).
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
	exitNothing = 3
	exitDamage  = 4

	exitViolation    = 5 // of a probe
	exitInconclusive = 6

	exitStale   = 7 // older than --max-age
	exitDiffers = 8 // of diff --exit-code

	exitNotAcquired = 75 // EX_TEMPFAIL of sysexits.h: later it may work
	exitLost        = 76

	exitNotExecutable = 126 // as of a shell
	exitNotFound      = 127
	exitSignal        = supervise.SignalBase // plus the signal's number
)

// cliError is an error with an exit code, and a hint where there is one.
type cliError struct {
	code int
	err  error // nil: everything has been printed
	try  string
}

func (e *cliError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *cliError) Unwrap() error { return e.err }

func usageError(try, format string, args ...any) error {
	return &cliError{code: exitUsage, err: fmt.Errorf(format, args...), try: try}
}

// errDamage ends a command that has printed what is damaged.
var errDamage = &cliError{code: exitDamage}

// errStale ends a command that has printed what is too old.
var errStale = &cliError{code: exitStale}

// exitCode reports err on stderr and returns the process's exit code.
func (a *app) exitCode(err error) int {
	var ce *cliError
	switch {
	case err == nil:
		return exitOK
	case !errors.As(err, &ce):
		ce = classify(err)
	case ce.err == nil:
		return ce.code
	}
	a.talk("replctl: %v", err)
	if ce.try != "" {
		a.talk("Try: %s", ce.try)
	}
	return ce.code
}

// advice is an engine's own advice on an error. It depends on the store's error code, which
// only the engine knows.
func advice(err error) string {
	var adviser interface{ Advice() string }
	if errors.As(err, &adviser) {
		return adviser.Advice()
	}
	return ""
}

// classify gives an error of the library an exit code, and advice for the operator.
func classify(err error) *cliError {
	ce := &cliError{code: exitFailure, err: err}
	var unsound *sqlite.CheckError
	switch {
	case errors.As(err, &unsound):
		ce.code = exitDamage
		ce.try = "an earlier or a later state; replctl check --deep, which says what can be restored"
	case errors.Is(err, v3compat.ErrTruncated), errors.Is(err, v3compat.ErrCorrupt), errors.Is(err, v3compat.ErrContent):
		ce.code = exitDamage
		ce.try = "replctl inspect, which says what is damaged, and what can be restored"
	case errors.Is(err, ltx.ErrTruncated), errors.Is(err, ltx.ErrCorrupt):
		ce.code = exitDamage
		ce.try = "replctl inspect, which says what is damaged; replctl ltx --fast, which reads no headers"
	case errors.Is(err, blob.ErrUnreadable):
		ce.code = exitDamage
		ce.try = cmp.Or(advice(err), "replctl inspect, which says what cannot be read, and what can be restored")
	case advice(err) != "":
		ce.try = advice(err)
	case errors.Is(err, fs.ErrPermission):
		ce.try = "as the user that the replicator runs as"
	}
	if strings.Contains(err.Error(), "path escapes from parent") { // os.Root exports no error value for it
		ce.try = "a copy with its symbolic links resolved (cp -rL): one leads out of the replica, and is not followed"
	}
	return ce
}
