//go:build faultmutants

package faults

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A mutant undoes one fix. What it does to a file of the source is a replacement of text that
// is there once.
type mutant struct {
	file     string // below the root of the module
	old, new string

	run, op, kind string   // the test of this package that finds it, in one operation and kind
	power         string   // or the test of package powerloss, as for -run
	also          []mutant // other files
}

// mutants are the fixes that are the business of these tests.
var mutants = map[string]mutant{
	"A1 a refused listing is no absence": {
		file: "replica/restore/plan_v3.go",
		old:  "case err != nil:\n\t\t\treturn nil, err\n\t\tcase len(ids) == 0:",
		new:  "case err != nil || len(ids) == 0:",
		op:   "restore.NewPlan v0.3", kind: "403 AccessDenied",
	},
	"A3 a file that is gone hides none": {
		file: "replica/check/ltx.go",
		old:  "gone = append(gone, &f.info)\n\t\t\tcontinue", new: "return nil",
		op: "check.Inspect", kind: "404",
	},
	"A4 a web page is named": {
		file: "s3/internal/answer/advice.go",
		old:  "case errors.Is(err, ErrWebPage):", new: "case false:",
		op: "cas.Store.Read", kind: "web page for good",
		also: []mutant{{
			file: "s3/internal/answer/advice.go",
			old:  `errors.New("the answer is a web page, not one of S3")`, new: `errors.New("invalid character")`,
		}},
	},
	"B3 a refusal of what was applied is none": {
		file: "s3/records_write.go",
		old: "fmt.Errorf(\"%w: another record is there, and does not tell whether this one was\"," +
			"\n\t\tcas.ErrIndeterminate)",
		new: "cas.ErrConflict",
		run: "TestRepeatedWithRival", op: "cas.Store.Write",
		also: []mutant{{
			file: "s3/records_write.go",
			old:  "case ok && wrote == lineage.Digest(p.value):", new: "case false && wrote == \"\":",
		}},
	},
	"B4 content that a snapshot names stays": {
		file: "store/config/content.go",
		old:  "err == nil && h.withID(id) == nil {", new: "err == nil && (h.withID(id) == nil || true) {",
		run: "TestRepeatedWithRival", op: "config.SaveSnapshot",
		also: []mutant{{
			file: "store/config/snapshots.go",
			old:  "if there, err := h.has(e); there || err != nil {\n\t\treturn false, err\n\t}",
			new:  "if h.version(e.Version) != nil {\n\t\treturn false, ErrSnapshotExists\n\t}",
		}, {
			file: "store/config/snapshots.go",
			old:  "if written && (!added || err != nil && !errors.Is(err, cas.ErrIndeterminate)) {",
			new:  "if written && (!added || err != nil) {",
		}},
	},
	"B6 what is not durable stays unknown": {
		file: "cas/swap.go", old: "case errors.Is(err, ErrNotDurable):\n\t\t\treturn Record{}, err\n", new: "",
		power: "TestFaultThenPowerLoss/lease",
	},
	"B6 the name of a dead writer's directory": {
		file: "internal/durable/temp.go", old: "defer sub.Close()\n\t\treturn syncName(sub)", new: "return sub.Close()",
		power: "TestFaultThenPowerLoss/records/signal=KILL_1",
		also: []mutant{{
			file: "internal/durable/temp.go",
			old:  "if name == \".\" {\n\t\treturn syncName(root)", new: "if name == \".\" {\n\t\treturn nil",
		}, {
			file: "file/store.go", // which opens a directory once for both
			old:  "if err := syncName(d); err != nil {", new: "if err := error(nil); err != nil {",
		}},
	},
	"B11 an acquisition in doubt is given back": {
		file: "lease/withdraw.go",
		old:  "if l == nil || !l.inDoubtAbout(func(doubt) bool { return true }) {", new: "if true {",
		op: "config.AcquireLock", kind: "cancelled after applying",
	},
	"C6 a record that was cut short is no other value": {
		file: "store/internal/record/record.go", old: "case s.Size != len(body):", new: "case false:",
		op: "logstate.Latest", kind: "answer too long",
		also: []mutant{{
			file: "store/internal/record/record.go", old: "err != nil || sum != s.Sum {", new: "err != nil || sum == \"\" {",
		}},
	},
	"D2 no redirect is followed": {
		file: "s3/internal/transport/bound.go", old: "res.Header.Del(\"Location\")\n", new: "",
		op: "cas.Store.Read", kind: "redirect",
		also: []mutant{{
			file: "s3/internal/transport/bound.go",
			old:  "res.Header.Set(answer.MovedTo, elsewhere(r.URL, res.Header.Get(\"Location\")))\n", new: "_ = elsewhere\n",
		}, {
			file: "s3/internal/transport/bound.go",
			old:  "res.Header.Get(\"Location\") != \"\" {", new: "res.Header.Get(answer.MovedTo) != \"\" {",
		}},
	},
	"a create is not refused by its own object": {
		file: "s3/write.go",
		old:  "case headErr == nil && nonce == w.nonce:\n", new: "case headErr == nil && nonce == w.nonce && false:\n",
		op: "blob.Store.Write if absent", kind: "repeated",
	},
	"a refused write is no absence": {
		file: "s3/internal/answer/error.go", old: "&& writes(e.op) {", new: "&& writes(\"\") {",
		op: "Leaser.AcquireLease", kind: "404",
	},
	"a corrupt log record is named": {
		file: "store/resource/view.go",
		old:  "return found{}, fmt.Errorf(\"%s: %w\", logKey(position%v.logRecords), err)", new: "return found{}, err",
		op: "resource.List", kind: "answer too long",
	},
	"a copy names what is never there": {
		file: "replica/mirror/copy.go", old: "if gone != nil {", new: "if gone != nil && false {",
		op: "mirror.Copy to a directory", kind: "404",
	},
}

// TestMutants: each fix that is undone is found.
func TestMutants(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for name, m := range mutants {
		t.Run(name, func(t *testing.T) {
			if only := os.Getenv("REPLCTL_FAULTS_MUTANT"); only != "" && !strings.HasPrefix(name, only) {
				return
			}
			out, err := m.test(t, root)
			if err == nil || !strings.Contains(string(out), "--- FAIL: ") {
				t.Errorf("it is not found: %v\n%s", err, out)
			}
			t.Logf("%.400s", out)
		})
	}
}

// test runs the test that has to find the mutant.
func (m mutant) test(t *testing.T, root string) ([]byte, error) {
	t.Helper()
	args := []string{"test", "-count=1", "-overlay", m.overlay(t, root)}
	if m.power != "" {
		only := "^" + strings.ReplaceAll(m.power, "/", "$/^") + "$"
		args = append(args, "-tags", "powerloss", "-run", only, "./internal/powerloss")
	} else {
		test := m.run
		if test == "" {
			test = "TestEveryRequestFails"
		}
		args = append(args, "-tags", "faults", "-run", "^"+test+"$", "./internal/faults")
	}
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "REPLCTL_FAULTS=all", "REPLCTL_FAULTS_OF="+m.op, "REPLCTL_FAULTS_KIND="+m.kind,
		"REPLCTL_FAULTS_LOG=", "REPLICATE_POWERLOSS=full")
	return cmd.CombinedOutput()
}

// overlay writes the changed files, and returns the name of what tells go of them.
func (m mutant) overlay(t *testing.T, root string) string {
	t.Helper()
	dir, changed := t.TempDir(), map[string]string{}
	for _, change := range append([]mutant{m}, m.also...) {
		file := filepath.Join(root, change.file)
		if changed[file] == "" {
			changed[file] = filepath.Join(dir, strings.ReplaceAll(change.file, "/", "_"))
			mustWrite(t, changed[file], mustRead(t, file))
		}
		content := mustRead(t, changed[file])
		if n := strings.Count(content, change.old); n != 1 {
			t.Fatalf("%s has %d times %q", change.file, n, change.old)
		}
		mustWrite(t, changed[file], strings.Replace(content, change.old, change.new, 1))
	}
	overlay, err := json.Marshal(map[string]any{"Replace": changed})
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "overlay.json")
	mustWrite(t, name, string(overlay))
	return name
}

func mustRead(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func mustWrite(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
