package cli

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/file"
	"github.com/replctl/replicate/internal/testreplica"
	"github.com/replctl/replicate/lease"
	"github.com/replctl/replicate/replica"
)

// evil is text that forges a line, commands a terminal and turns the order of letters.
const evil = "a\x1b[2J\nreplctl: restored\rb\x9b\u009b1m\u202ec\u2066d\u200f\u061ce\u2028f\xff\x7fg"

func TestHarmless(t *testing.T) {
	for s, want := range map[string]string{
		"":                     "",
		"größe 数据 /a%b":        "größe 数据 /a%b",
		"a\nb\tc\r\nd":         "a b c  d",
		"\x1b[2J":              `\x1b[2J`,
		"\u009b1m":             `\u009b1m`,
		"x\u202ey\u2069\u061c": `x\u202ey\u2069\u061c`,
		"a\xff\x9bz":           `a\xff\x9bz`,
		"\ufffd":               "\ufffd",
		"\x00\x7f":             `\x00\x7f`,
		"a\u2028b":             "a b",
	} {
		if got := harmless(s); got != want {
			t.Errorf("%q: got %q, want %q", s, got, want)
		}
	}
	if got := harmlessLines("a\tb\n\x1bc\n"); got != "a\tb\n\\x1bc\n" {
		t.Errorf("lines: got %q", got)
	}
}

func TestHarmlessJSON(t *testing.T) {
	var out strings.Builder
	a := &app{stdout: &out}
	doc := map[string]string{"name": evil}
	for _, print := range []func(any) error{a.printJSON, a.printJSONLine} {
		out.Reset()
		if err := print(doc); err != nil {
			t.Fatal(err)
		}
		wantHarmless(t, "json", out.String())
		var got map[string]string
		if err := json.Unmarshal([]byte(out.String()), &got); err != nil ||
			got["name"] != strings.ToValidUTF8(strings.ReplaceAll(evil, "\xff", "\ufffd"), "\ufffd") {
			t.Errorf("got %q, %v", got, err)
		}
	}
	if got := out.String(); !strings.Contains(got, `\u009b1m\u202e`) || strings.Count(got, "\n") != 1 {
		t.Errorf("one line: got %q", got)
	}
}

// wantHarmless checks what a command has written: lines of text without controls.
func wantHarmless(t *testing.T, what, out string) {
	t.Helper()
	for _, r := range out {
		if r != '\n' && r != '\ufffd' && harmful(r) {
			t.Fatalf("%s: %U in %q", what, r, out)
		}
	}
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "replctl: restored") {
			t.Fatalf("%s: a forged line in %q", what, out)
		}
	}
}

// What an error says goes to standard error on one line, with its advice on another.
func TestErrorsAreHarmless(t *testing.T) {
	for _, err := range []error{
		errors.New(evil),
		usageError(evil, "%s", evil),
		leaseFailure(&replicate.LeaseExistsError{Owner: evil}, evil),
		kvFailure(errors.New(evil), evil, evil),
	} {
		var out strings.Builder
		a := &app{stderr: &out}
		a.exitCode(err)
		wantHarmless(t, "error", out.String())
		if n := strings.Count(out.String(), "\n"); n > 2 {
			t.Errorf("%d lines: %q", n, out.String())
		}
	}
	var out strings.Builder
	r := (&app{stderr: &out, verbose: true}).newReporter()
	r.event(lease.Event{Kind: lease.EventWaiting, Err: errors.New(evil)})
	r.say("%s", evil)
	r.close()
	wantHarmless(t, "reporter", out.String())
}

// No command prints what a name or an owner in the store wants it to.
func TestCommandsAreHarmless(t *testing.T) {
	dir := testreplica.Copy(t, "v0.5")
	for _, sub := range []string{"", "ltx", "ltx/0", "ltx/9"} {
		if err := os.WriteFile(filepath.Join(dir, sub, evilName), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l := file.NewLeaser(dir)
	l.Owner = strings.ToValidUTF8(evil, "")
	if _, err := l.AcquireLease(t.Context()); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), evilName)
	if err := os.MkdirAll(filepath.Join(other, evilName), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"ls", dir}, {"ls", other}, {"drill", dir}, {"drill", other},
		{"inspect", dir}, {"check", "--deep", dir}, {"ltx", dir}, {"plan", dir}, {"snapshots", dir}, {"generations", dir},
		{"wal", dir}, {"lease", "show", dir}, {"lease", "acquire", dir}, {"lease", "break", "--generation", "9", dir},
		{"prune", "--keep-snapshots", "1", dir}, {"cp", dir, filepath.Join(other, "copy")},
		{"restore", dir, "-o", filepath.Join(other, "db")}, {"restore", dir, "-o", other}, {"restore", other, "-o", "x"},
		{"inspect", other}, {"check", other}, {"plan", other}, {"kv", "put", other, "k", "v"}, {"kv", "ls", other},
		{"kv", "get", other, evil},
		{"probe", "--rounds", "1", other}, {evil}, {"--" + evil}, {"ltx", "--level", evil, dir}, {"migrate", dir, other},
	} {
		for _, json := range []bool{false, true} {
			if json {
				args = append(args, "--json")
			}
			_, stdout, stderr := replctl(t, args...)
			wantHarmless(t, strings.Join(args[:1], " ")+" stdout", stdout)
			wantHarmless(t, strings.Join(args[:1], " ")+" stderr", stderr)
		}
	}
}

// evilName is evil as a file's name.
var evilName = strings.ReplaceAll(evil, "/", "")

func TestProblemsAreHarmless(t *testing.T) {
	var out strings.Builder
	a := &app{stdout: &out}
	object := "ltx/0/a\x1b[2J\rb\n"
	problems := []replica.Problem{{Severity: replica.SeverityError, Object: object, Message: evil},
		{Severity: replica.SeverityInfo}}
	if err := a.printProblems(problems); err != nil {
		t.Fatal(err)
	}
	wantHarmless(t, "problems", out.String())
	if got := out.String(); !strings.Contains(got, `"ltx/0/a\x1b[2J\rb\n"`) || !strings.Contains(got, "(the root)") {
		t.Errorf("got %q", got)
	}
}
