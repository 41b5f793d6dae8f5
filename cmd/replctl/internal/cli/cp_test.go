package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/internal/testreplica"
	"github.com/replctl/replicate/s3"
	"github.com/replctl/replicate/v3compat"
)

// TestCpAround: from a disk to a bucket, to another bucket, and to a disk again.
func TestCpAround(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", fakes3.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", fakes3.SecretAccessKey)
	one, two := fakes3.New(t), fakes3.New(t)
	checkCpAround(t, placeIn(fakes3.Bucket, one.URL), placeIn(fakes3.Bucket, two.URL))
}

// placeIn is that of a place in a bucket of a server; the name of the place is to
// be put in for %.
func placeIn(bucket, endpoint string) string {
	return "s3://" + bucket + "/copies/%?region=us-east-1&force-path-style=true&endpoint=" + endpoint
}

// checkCpAround copies each format through places, the last of which is a disk, and
// compares every object and its time. There and in between, every instant is what
// Litestream restored.
func checkCpAround(t *testing.T, places ...string) {
	for _, format := range []string{"v0.5", "v0.3"} {
		dir := testreplica.Copy(t, format)
		from := dir
		for _, place := range append(places, filepath.Join(t.TempDir(), "%")) {
			to := strings.Replace(place, "%", format, 1)
			cp(t, from, to)
			if again := cp(t, from, to); again.Copied != 0 || again.Present != again.Objects {
				t.Errorf("%s: a second time: %+v", to, again)
			}
			checkRestores(t, format, to)
			from = to
		}
		if diff := cmp.Diff(files(t, dir), files(t, from)); diff != "" {
			t.Errorf("%s: there (-) and back (+):\n%s", format, diff)
		}
	}
}

func cp(t *testing.T, from, to string) copyDocument {
	t.Helper()
	doc := ask[copyDocument](t, "cp", from, to)
	if len(doc.Problems) > 0 || doc.Copied+doc.Present != doc.Objects {
		t.Fatalf("from %s to %s: %+v", from, to, doc)
	}
	return doc
}

func checkRestores(t *testing.T, format, url string) {
	t.Helper()
	for i, instant := range testreplica.Expected(t, format).Instants {
		if i%3 != 0 { // some are enough
			continue
		}
		db := filepath.Join(t.TempDir(), "db")
		code, _, stderr := replctl(t, "restore", url, "-o", db, "--timestamp", instant.At.Format(time.RFC3339Nano))
		if code != exitOK {
			t.Fatalf("%s: exit code %d: %s", url, code, stderr)
		}
		if got := fileSum(t, db); got != instant.DBSHA256 {
			t.Errorf("%s at %v: %s, want %s", url, instant.At, got, instant.DBSHA256)
		}
	}
}

// files are the contents and the times of all files below a directory, less the
// times that a copy adds.
func files(t *testing.T, dir string) map[string][2]string {
	t.Helper()
	found := map[string][2]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == v3compat.TimesName {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		found[name] = [2]string{fileSum(t, filepath.Join(dir, name)),
			info.ModTime().UTC().Truncate(time.Millisecond).String()}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestPruneAgrees: what a dry run lists is what is deleted afterwards, from a bucket
// too, and what the store keeps is named.
func TestPruneAgrees(t *testing.T) {
	srv := fakes3.New(t)
	t.Setenv("AWS_ACCESS_KEY_ID", fakes3.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", fakes3.SecretAccessKey)
	for _, format := range []string{"v0.5", "v0.3"} {
		url := strings.Replace(placeIn(fakes3.Bucket, srv.URL), "%", format, 1)
		cp(t, testreplica.Copy(t, format), url)
		dry := ask[pruneDocument](t, "prune", url, "--keep-snapshots", "2", "--dry-run")
		srv.Fail(fakes3.Rule{Match: fakes3.Op("DeleteObjects"), Times: 1, Fault: fakes3.Pretend()})
		code, stdout, stderr := replctl(t, "prune", url, "--keep-snapshots", "2", "--yes")
		if code != exitFailure || stdout != "" || !strings.Contains(stderr, dry.Objects[0].Key) {
			t.Errorf("%s: the store lies: exit code %d, %s", format, code, stderr)
		}
		before := keysAt(t, srv, "copies/"+format)
		done := ask[pruneDocument](t, "prune", url, "--keep-snapshots", "2", "--yes")
		left := keysAt(t, srv, "copies/"+format)
		for _, o := range done.Objects {
			if left[o.Key] || !before[o.Key] {
				t.Errorf("%s: before %v, after %v", o.Key, before[o.Key], left[o.Key])
			}
		}
		if format == "v0.5" { // there nothing depended on what the store kept
			if diff := cmp.Diff(dry.Objects, done.Objects); diff != "" {
				t.Errorf("dry run (-) and deleted (+):\n%s", diff)
			}
		}
		if len(left) != len(before)-len(done.Objects) || !done.Deleted || *done.LeaseGeneration == 0 {
			t.Errorf("%s: %d objects, then %d: %+v", format, len(before), len(left), done)
		}
	}
}

func keysAt(t *testing.T, srv *fakes3.Server, prefix string) map[string]bool {
	t.Helper()
	store, err := s3.Open(t.Context(), s3.Config{Bucket: srv.Bucket, Path: prefix, Endpoint: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]bool{}
	for info, err := range store.List(t.Context(), "", blob.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		keys[info.Key] = true
	}
	return keys
}

func fileSum(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// TestCpKilled: a process that is killed in the middle leaves what the next one
// finishes.
func TestCpKilled(t *testing.T) {
	srv := fakes3.New(t)
	t.Setenv("AWS_ACCESS_KEY_ID", fakes3.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", fakes3.SecretAccessKey)
	for _, format := range []string{"v0.5", "v0.3"} {
		dir, url := testreplica.Copy(t, format), strings.Replace(placeIn(fakes3.Bucket, srv.URL), "%", format, 1)
		var puts atomic.Int64
		srv.Reset()
		srv.Fail(fakes3.Rule{Times: -1, Fault: fakes3.Hang(), Match: func(r fakes3.Request) bool {
			return r.Op == "PutObject" && puts.Add(1) > 30
		}})
		killCopy(t, func() bool { return puts.Load() > 30 }, dir, url)
		srv.Reset()
		doc := cp(t, dir, url)
		if doc.Present == 0 || doc.Copied == 0 {
			t.Errorf("%s: after the kill: %+v", format, doc)
		}
		back := filepath.Join(t.TempDir(), "back")
		cp(t, url, back)
		if diff := cmp.Diff(files(t, dir), files(t, back)); diff != "" {
			t.Errorf("%s: there (-) and back (+):\n%s", format, diff)
		}
	}
}

// killCopy starts a copy and kills it as soon as it is time.
func killCopy(t *testing.T, now func() bool, from, to string) {
	t.Helper()
	cmd := exec.Command("replctl", "cp", from, to)
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for late := time.Now().Add(time.Minute); !now(); time.Sleep(time.Millisecond) {
		if time.Now().After(late) {
			t.Error("it does not get to the place to be killed in")
			break
		}
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}
