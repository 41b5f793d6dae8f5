package cli

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/internal/testreplica"
)

// reader is a command that reads a replica, and the formats that it cannot do without.
type reader struct {
	name string
	args func(t *testing.T, url string) []string
	ltx  bool
	v3   bool
}

// readers are all commands that read a replica.
func readers() []reader {
	simple := func(name string, ltx, v3 bool, flags ...string) reader {
		return reader{strings.Join(append([]string{name}, flags...), " "), func(_ *testing.T, url string) []string {
			return append([]string{name, url}, flags...)
		}, ltx, v3}
	}
	into := func(name string, ltx, v3 bool, flags ...string) reader {
		return reader{strings.Join(append([]string{name}, flags...), " "), func(t *testing.T, url string) []string {
			return append([]string{name, url, filepath.Join(t.TempDir(), "dst")}, flags...)
		}, ltx, v3}
	}
	restore := func(flags ...string) reader {
		return reader{strings.Join(append([]string{"restore"}, flags...), " "), func(t *testing.T, url string) []string {
			return append([]string{"restore", url, "-o", filepath.Join(t.TempDir(), "db")}, flags...)
		}, true, true}
	}
	return []reader{
		simple("inspect", true, true), simple("inspect", true, true, "--read", "none"), simple("generations", true, true),
		simple("snapshots", true, true), simple("wal", false, true), simple("ltx", true, false),
		simple("plan", true, true), simple("check", true, true), simple("check", true, true, "--deep"),
		simple("check", true, true, "--all"), restore("--all"), restore("--all", "--if-replica-exists"),
		simple("drill", true, true), simple("drill", true, true, "--view"),
		simple("prune", true, true, "--keep-within", "30d"),
		restore(), restore("--if-replica-exists"), restore("--if-replica-exists", "--json"), restore("--if-db-not-exists"),
		restore("--if-replica-exists", "--timestamp", "2100-01-01T00:00:00Z"),
		into("migrate", false, true), into("migrate", false, true, "--history"), into("cp", true, true),
	}
}

// replctlUntil runs a command until ctx ends.
func replctlUntil(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	var out, talk bytes.Buffer
	a := &app{stdout: &out, stderr: &talk}
	root := newRootCommand(a)
	root.SetArgs(args)
	code = a.exitCode(root.ExecuteContext(ctx))
	return code, out.String(), talk.String()
}

// listingBelow matches the listings of what is below a key of the replica.
func listingBelow(prefixes ...string) func(fakes3.Request) bool {
	return func(r fakes3.Request) bool {
		for _, p := range prefixes {
			if r.Op == "ListObjectsV2" && strings.HasPrefix(r.Query.Get("prefix"), "db/"+p) {
				return true
			}
		}
		return false
	}
}

// A listing that fails says nothing about what is there: no command succeeds, and none
// says that there is no replica.
func TestListingFailsIsNoAbsence(t *testing.T) {
	inLTX, inV3 := listingBelow("ltx/"), listingBelow("generations/")
	for _, failure := range []struct {
		name, said string
		fault      fakes3.Fault
	}{
		{"refused", "AccessDenied", fakes3.Status(http.StatusForbidden, "AccessDenied")},
		{"no such bucket", "bucket does not exist", fakes3.Status(http.StatusNotFound, "NoSuchBucket")},
		{"no such key", "file does not exist", fakes3.Status(http.StatusNotFound, "NoSuchKey")},
	} {
		for _, format := range []string{"v0.3", "v0.5", "damaged/both-formats"} {
			srv, _, url := bucketOf(t, newSource(t, format))
			for what, match := range map[string]func(fakes3.Request) bool{"ltx": inLTX, "v0.3": inV3} {
				for _, c := range readers() {
					if what == "ltx" && (!c.ltx || format == "v0.3") ||
						what == "v0.3" && (!c.v3 || format == "v0.5") {
						continue
					}
					srv.Reset()
					srv.Fail(fakes3.Rule{Match: match, Times: -1, Fault: failure.fault})
					code, stdout, stderr := replctl(t, c.args(t, url)...)
					said := stderr
					if strings.Contains(c.name, "--all") { // its report says it
						said = stdout
					}
					if code != exitFailure || !strings.Contains(said, failure.said) {
						t.Errorf("%s of %s, listing of %s %s: exit code %d, want 1 and %q\n%s%s",
							c.name, format, what, failure.name, code, failure.said, stdout, stderr)
					}
				}
			}
		}
	}
}

// A signal while a listing is under way is no absence either. A command that does not
// make the listing is not interrupted, and succeeds.
func TestInterruptedListingIsNoAbsence(t *testing.T) {
	for _, format := range []string{"v0.3", "v0.5"} {
		srv, _, url := bucketOf(t, newSource(t, format))
		for _, c := range readers() {
			for what, match := range map[string]func(fakes3.Request) bool{
				"ltx": listingBelow("ltx/", "0000/"), "v0.3": listingBelow("generations/"),
			} {
				ctx, cancel := context.WithCancel(t.Context())
				hang := fakes3.Hang()
				srv.Reset()
				srv.Fail(fakes3.Rule{Match: match, Times: -1, Fault: func(w http.ResponseWriter, call *fakes3.Call) {
					cancel()
					hang(w, call)
				}})
				code, stdout, stderr := replctlUntil(ctx, c.args(t, url)...)
				if code != exitFailure && (code != exitOK || strings.Contains(stderr, "no restore")) {
					t.Errorf("%s of %s, interrupted while %s is listed: exit code %d, want 1\n%s%s",
						c.name, format, what, code, stdout, stderr)
				}
				cancel()
			}
		}
	}
}

// Where the root may not be listed, a replica in the other layout is found, or else
// the refusal is the error.
func TestRootListingRefusedIsNoAbsence(t *testing.T) {
	srv, _, url := bucketOf(t, newSource(t, "v0.5")) // below ltx/, which is not where a bucket has it
	root := func(r fakes3.Request) bool { return r.Op == "ListObjectsV2" && r.Query.Get("prefix") == "db/" }
	for _, c := range readers() {
		srv.Reset()
		srv.Fail(fakes3.Rule{Match: root, Times: -1, Fault: fakes3.Status(http.StatusForbidden, "AccessDenied")})
		code, stdout, stderr := replctl(t, c.args(t, url)...)
		found := code == exitOK && !strings.Contains(stderr, "no restore")
		if !found && (code != exitFailure || !strings.Contains(stderr, "AccessDenied")) {
			t.Errorf("%s: exit code %d, want 0 and the replica, or 1 and why\n%s%s", c.name, code, stdout, stderr)
		}
	}
}

// --if-db-not-exists succeeds only where it has seen a file.
func TestIfDBNotExistsIsProven(t *testing.T) {
	url, dir := testreplica.Dir(t, "v0.5"), t.TempDir()
	file, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("no-such", link); err != nil {
		t.Fatal(err)
	}
	for out, want := range map[string]int{file: exitOK, link: exitFailure, filepath.Join(file, "db"): exitFailure,
		dir: exitUsage} {
		code, _, stderr := replctl(t, "restore", url, "-o", out, "--if-db-not-exists")
		if code != want || strings.Contains(stderr, "no restore") != (out == file) {
			t.Errorf("-o %s: exit code %d, want %d\n%s", out, code, want, stderr)
		}
	}
}
