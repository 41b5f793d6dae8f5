package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/internal/testreplica"
)

// emptyBucket is a server and the URL of a replica in it, with the parameters that
// commands need.
func emptyBucket(t *testing.T) (*fakes3.Server, string) {
	t.Helper()
	srv := fakes3.New(t)
	t.Setenv("AWS_ACCESS_KEY_ID", fakes3.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", fakes3.SecretAccessKey)
	return srv, "s3://" + fakes3.Bucket + "/db?endpoint=" + srv.URL
}

// databases are the latest one and that of an instant, as restored.
func databases(t *testing.T, url string, instant time.Time) (dbs []string) {
	t.Helper()
	for _, args := range [][]string{nil, {"--timestamp", instant.Format(time.RFC3339Nano)}} {
		out := filepath.Join(t.TempDir(), "db")
		if code, _, stderr := replctl(t, append([]string{"restore", url, "-o", out}, args...)...); code != exitOK {
			t.Fatalf("restore: exit code %d\n%s", code, stderr)
		}
		db, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		dbs = append(dbs, string(db))
	}
	return dbs
}

// From a directory to a bucket, and what flags say is about the bucket alone.
func TestMigrateToS3(t *testing.T) {
	src := testreplica.Copy(t, "v0.3")
	instant := testreplica.Expected(t, "v0.3").Instants[1].At
	srv, url := emptyBucket(t)
	to, _, _ := strings.Cut(url, "?")
	m := ask[migrationDoc](t, "migrate", src, to, "--history", "--endpoint", srv.URL)
	if !m.Migrated || m.States < 50 || !strings.HasPrefix(m.Destination, to) {
		t.Errorf("got %+v", m)
	}
	if diff := cmp.Diff(databases(t, src, instant), databases(t, url, instant)); diff != "" {
		t.Error("backup and replica restore different databases")
	}
	puts := srv.Count("PutObject")
	if again := ask[migrationDoc](t, "migrate", src, url, "--history"); again.Migrated || again.Files != 0 ||
		again.States != m.States {
		t.Errorf("once more: got %+v", again)
	}
	if now := srv.Count("PutObject"); now > puts+2 { // the lease
		t.Errorf("%d objects were written once more", now-puts)
	}
}

// A process that is killed leaves what it has written, and its lease; the next one
// finishes.
func TestMigrateKilled(t *testing.T) {
	src := testreplica.Copy(t, "v0.3")
	instant := testreplica.Expected(t, "v0.3").Instants[1].At
	srv, url := emptyBucket(t)
	var files atomic.Int32
	var over atomic.Bool
	enough := make(chan struct{})
	srv.Fail(fakes3.Rule{Times: -1, Fault: fakes3.Hang(), Match: func(r fakes3.Request) bool {
		if r.Op != "PutObject" || !strings.HasSuffix(r.Key, ".ltx") || over.Load() {
			return false
		}
		n := files.Add(1)
		if n == 40 {
			close(enough)
		}
		return n >= 40
	}})
	cmd := exec.CommandContext(t.Context(), "replctl", "migrate", src, url, "--history", "--ttl", "2s")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-enough:
	case <-time.After(time.Minute):
		t.Error("40 files are not written")
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	over.Store(true)
	m := decode[migrationDoc](t, "migrate", migrateAgain(t, src, url))
	if !m.Migrated || m.Kept < 30 || m.Files == 0 || m.LeaseGeneration != 2 {
		t.Errorf("got %+v", m)
	}
	if diff := cmp.Diff(databases(t, src, instant), databases(t, url, instant)); diff != "" {
		t.Error("backup and replica restore different databases")
	}
}

// migrateAgain waits for the lease of the one that was killed.
func migrateAgain(t *testing.T, src, url string) string {
	t.Helper()
	code, stdout, stderr := replctl(t, "migrate", src, url, "--history", "--wait", "1m", "--json")
	if code != exitOK {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	return stdout
}
