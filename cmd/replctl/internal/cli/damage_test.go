package cli

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/replctl/replicate/internal/testreplica"
)

// Every committed variant gives the exit code and the severity that its
// damage.json wants, and its objects are named: to people, and to programs.
func TestInspectDamaged(t *testing.T) {
	for _, want := range testreplica.Damaged(t) {
		t.Run(want.Name, func(t *testing.T) {
			checkDamaged(t, filepath.Join(testdata(t), "damaged", want.Name, "replica"), want)
		})
	}
}

func checkDamaged(t *testing.T, replica string, want testreplica.Damage) {
	wantCode := exitOK
	if want.Want == testreplica.Error {
		wantCode = exitDamage
	}
	code, stdout, stderr := replctl(t, "inspect", replica)
	if code != wantCode || unasked(stderr) != "" {
		t.Errorf("got exit code %d, want %d\n%s%s", code, wantCode, stdout, stderr)
	}
	code, doc, _ := replctl(t, "inspect", "--json", replica)
	if code != wantCode {
		t.Errorf("--json: got exit code %d, want %d", code, wantCode)
	}
	problems := decode[inspectDoc](t, "inspect --json", doc).Problems
	worst := testreplica.None
	for _, p := range problems {
		if worst != testreplica.Error && p.Severity != "info" {
			worst = testreplica.Severity(p.Severity)
		}
		if !strings.Contains(stdout, p.Object) {
			t.Errorf("%s is not named to people:\n%s", p.Object, stdout)
		}
	}
	if worst != want.Want {
		t.Errorf("got severity %s, want %s: %+v", worst, want.Want, problems)
	}
	for _, object := range want.Objects {
		if !named(problems, object, want.Want) {
			t.Errorf("%s is not named: %+v", object, problems)
		}
	}
}

// named reports whether there is a problem of an object, or of the directory
// that it is or was in, or of the LTX files together.
func named(problems []problemDoc, object string, severity testreplica.Severity) bool {
	for _, p := range problems {
		inside := strings.HasSuffix(p.Object, "/") && strings.HasPrefix(object, p.Object)
		if p.Object == object || inside && p.Severity == string(severity) {
			return true
		}
	}
	return false
}
