package cli

import (
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/internal/testreplica"
	"github.com/replctl/replicate/s3"
)

// A command that writes under a lease, and loses it on the way, ends with exit code 76;
// the same command ends with 75 while another holds the lease.
func TestWorkLosesLease(t *testing.T) {
	db := filepath.Join(t.TempDir(), "db")
	if code, _, stderr := replctl(t, "restore", testreplica.Copy(t, "v0.5"), "-o", db); code != exitOK {
		t.Fatal(stderr)
	}
	for name, args := range map[string][]string{
		"cp":       {"cp", testreplica.Copy(t, "v0.5"), "URL", "--lease"},
		"snapshot": {"snapshot", db, "URL", "--lease"},
		"migrate":  {"migrate", testreplica.Copy(t, "v0.3"), "URL"},
		"prune":    {"prune", "URL", "--keep-snapshots", "1", "--yes"},
	} {
		t.Run(name, func(t *testing.T) {
			srv := fakes3.New(t)
			t.Setenv("AWS_ACCESS_KEY_ID", fakes3.AccessKeyID)
			t.Setenv("AWS_SECRET_ACCESS_KEY", fakes3.SecretAccessKey)
			cfg := s3.Config{Bucket: srv.Bucket, Path: "db", Endpoint: srv.URL}
			url := "s3://" + srv.Bucket + "/db?endpoint=" + srv.URL
			if name == "prune" {
				upload(t, testreplica.Copy(t, "v0.5"), cfg)
			}
			args := strings.Split(strings.ReplaceAll(strings.Join(args, "\n"), "URL", url), "\n")
			var once sync.Once
			srv.Fail(fakes3.Rule{Times: -1, Fault: fakes3.Hang(), Match: func(r fakes3.Request) bool {
				writes := strings.HasPrefix(r.Op, "Delete") ||
					(r.Op == "PutObject" || r.Op == "CreateMultipartUpload") && strings.HasSuffix(r.Key, ".ltx")
				if writes {
					once.Do(func() { go replctl(t, "lease", "break", "--generation", "1", url) })
				}
				return writes
			}})
			code, stdout, stderr := replctl(t, append(args, "--ttl", "1s")...)
			if code != exitLost || stdout != "" || !strings.Contains(stderr, "replctl: ") {
				t.Errorf("got exit code %d, want %d\n%s%s", code, exitLost, stdout, stderr)
			}
			srv.Reset()
			if code, _, stderr := replctl(t, "lease", "acquire", "--wait", "1m", url); code != exitOK {
				t.Fatal(stderr)
			}
			if code, _, stderr := replctl(t, args...); code != exitNotAcquired {
				t.Errorf("held: got exit code %d, want %d\n%s", code, exitNotAcquired, stderr)
			}
		})
	}
}
