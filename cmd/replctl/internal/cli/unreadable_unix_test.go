//go:build unix

package cli

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/internal/testreplica"
)

// inPlace are the things that can stand in the place of an object.
var inPlace = map[string]func(path string) error{
	"a link that leads nowhere": func(path string) error { return os.Symlink("no-such", path) },
	"a link out of the replica": func(path string) error { return os.Symlink("/etc/passwd", path) },
	"a directory":               func(path string) error { return os.Mkdir(path, 0o700) },
	"a directory with a file": func(path string) error {
		if err := os.Mkdir(path, 0o700); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(path, "x"), []byte("x"), 0o600)
	},
	"a pipe": func(path string) error { return syscall.Mkfifo(path, 0o600) },
}

// latest has the commands that need the latest state whole.
func latest(t *testing.T, url string) map[string][]string {
	out := filepath.Join(t.TempDir(), "db")
	return map[string][]string{
		"plan":                            {"plan", url},
		"restore":                         {"restore", url, "-o", out},
		"restore --if-replica-exists":     {"restore", url, "-o", out, "--if-replica-exists"},
		"restore -o -":                    {"restore", url, "-o", "-"},
		"check":                           {"check", url},
		"check --deep":                    {"check", url, "--deep"},
		"inspect":                         {"inspect", url},
		"ls":                              {"ls", url},
		"drill":                           {"drill", url},
		"inspect --read none":             {"inspect", url, "--read", "none"},
		"cp":                              {"cp", url, filepath.Join(t.TempDir(), "copy")},
		"restore --timestamp, far beyond": {"restore", url, "-o", out, "--timestamp", "2100-01-01"},
	}
}

// What stands in the place of the newest object is damage that names it: no command
// gives the state before without a word.
func TestReplacedObjectIsDamage(t *testing.T) {
	for _, format := range []string{"v0.5", "v0.3"} {
		for what, put := range inPlace {
			s := newSource(t, format)
			key := s.plan[len(s.plan)-1]
			path := filepath.Join(s.dir, key)
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if err := put(path); err != nil {
				t.Fatal(err)
			}
			for name, args := range latest(t, s.dir) {
				code, stdout, stderr := replctl(t, args...)
				if code != exitDamage || !strings.Contains(stdout+stderr, filepath.Base(strings.TrimSuffix(key, ".ltx"))) {
					t.Errorf("%s of %s, %s in the place of %s: exit code %d, want 4 and its name\n%s%s",
						name, format, what, key, code, stdout, stderr)
				}
			}
		}
	}
}

// A file in the place of a directory hides what was below it: that is no absence.
func TestFileInPlaceOfDirectory(t *testing.T) {
	for format, dirs := range map[string][]string{"v0.5": {"ltx", "ltx/0"},
		"v0.3": {"generations", "generations/*", "generations/*/wal", "generations/*/snapshots"}} {
		for _, dir := range dirs {
			s := newSource(t, format)
			found, err := filepath.Glob(filepath.Join(s.dir, dir))
			if err != nil || len(found) == 0 {
				t.Fatal(found, err)
			}
			for _, path := range found {
				if err := os.RemoveAll(path); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			for name, args := range latest(t, s.dir) {
				code, stdout, stderr := replctl(t, args...)
				if code != exitFailure || !strings.Contains(stderr, filepath.Base(found[0])+" is not a directory") {
					t.Errorf("%s, a file in the place of %s: exit code %d, want 1 and its name\n%s%s", name, dir, code, stdout, stderr)
				}
			}
		}
	}
}

// One object that the store does not hand out is a problem of that object; if it hands
// out none, nothing could be looked at.
func TestRefusedObject(t *testing.T) {
	for _, format := range []string{"v0.5", "v0.3"} {
		s := newSource(t, format)
		srv, _, url := bucketOf(t, s)
		key := s.plan[len(s.plan)-1]
		one := func(r fakes3.Request) bool { return r.Op == "GetObject" && r.Key == "db/"+key }
		for _, code := range []string{"InvalidObjectState", "AccessDenied"} {
			for name, args := range latest(t, url) {
				if name == "plan" || name == "ls" || strings.HasPrefix(name, "inspect --read") ||
					strings.HasPrefix(name, "restore --timestamp") {
					continue // they need not read it
				}
				srv.Reset()
				srv.Fail(fakes3.Rule{Match: one, Times: -1, Fault: fakes3.Status(http.StatusForbidden, code)})
				exit, stdout, stderr := replctl(t, args...)
				if exit != exitDamage || !strings.Contains(stdout+stderr, code) ||
					!strings.Contains(stdout+stderr, filepath.Base(strings.TrimSuffix(key, ".ltx"))) {
					t.Errorf("%s of %s, one object is refused, %s: exit code %d, want 4 and why\n%s%s", name, format, code, exit,
						stdout, stderr)
				}
			}
		}
		for name, args := range latest(t, url) {
			if name == "plan" || (name == "ls" || strings.HasPrefix(name, "inspect --read")) && format == "v0.3" {
				continue // they read none
			}
			srv.Reset()
			srv.Fail(fakes3.Rule{Match: fakes3.Op("GetObject"), Times: -1,
				Fault: fakes3.Status(http.StatusForbidden, "AccessDenied")})
			exit, stdout, stderr := replctl(t, args...)
			if name == "drill" && exit == exitInconclusive && strings.Contains(stdout, "AccessDenied") {
				continue
			}
			if exit != exitFailure || !strings.Contains(stderr, "AccessDenied") {
				t.Errorf("%s of %s, all objects are refused: exit code %d, want 1 and why\n%s%s", name, format, exit, stdout,
					stderr)
			}
		}
	}
}

// A copy that has an object which its source has archived since is brought up to date.
func TestCpOfArchived(t *testing.T) {
	s := newSource(t, "v0.5")
	srv, _, url := bucketOf(t, s)
	dst := filepath.Join(t.TempDir(), "copy")
	if code, _, stderr := replctl(t, "cp", url, dst); code != exitOK {
		t.Fatal(stderr)
	}
	key := s.plan[0]
	srv.Fail(fakes3.Rule{Match: func(r fakes3.Request) bool { return r.Op == "GetObject" && r.Key == "db/"+key },
		Times: -1,
		Fault: fakes3.Status(http.StatusForbidden, "InvalidObjectState")})
	code, stdout, stderr := replctl(t, "cp", url, dst)
	if code != exitOK || !strings.Contains(stdout, key) || !strings.Contains(stdout, "warning") {
		t.Errorf("exit code %d, want 0 and a warning\n%s%s", code, stdout, stderr)
	}
}

// What does not belong to a replica is named, and not looked into; a directory that is
// none is not walked.
func TestForeignIsNotWalked(t *testing.T) {
	dir := testreplica.Copy(t, "v0.5")
	other := t.TempDir()
	for _, root := range []string{dir, other} {
		for _, at := range []string{"", "lost+found", "deep/er"} {
			if err := os.MkdirAll(filepath.Join(root, at), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink("/etc", filepath.Join(root, at, "out")); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(".", filepath.Join(root, at, "in")); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, command := range []string{"inspect", "check"} {
		code, stdout, stderr := replctl(t, command, dir)
		if code != exitOK || !strings.Contains(stdout, "lost+found/") {
			t.Errorf("%s beside a replica: exit code %d, want 0 and a warning\n%s%s", command, code, stdout, stderr)
		}
		for _, root := range []string{other, "/etc"} {
			if code, stdout, stderr := replctl(t, command, root); code != exitNothing {
				t.Errorf("%s of %s: exit code %d, want 3\n%s%s", command, root, code, stdout, stderr)
			}
		}
	}
}
