//go:build unix

package cli

import (
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/replctl/replicate/internal/fakes3"
)

// When the store cannot be reached any more the command is dead before its lease ends.
// The grace is as long as it may be: a busy machine has all of it to stop in time.
func TestExecStoreUnreachable(t *testing.T) {
	t.Parallel()
	const ttl, grace = 12 * time.Second, 6 * time.Second
	for name, open := range map[string]func(t *testing.T) (url string, env []string, breakStore func()){
		"directory": fragileDirectory,
		"bucket":    fragileBucket,
		"silence":   silentBucket,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, env, breakStore := open(t)
			p := startReplctl(t, env, "lease", "exec", url, "--ttl", ttl.String(), "--grace", grace.String(), "--", "sh", "-c",
				`trap "echo stopped; exit 0" TERM; echo $REPLCTL_LEASE_URL; while :; do sleep 0.02; done`)
			if got := p.line(); got != url {
				t.Errorf("REPLCTL_LEASE_URL is %q, want %q", got, url)
			}
			breakStore()
			broken := time.Now() // the last renewal was asked for before
			if got := p.line(); got != "stopped" {
				t.Errorf("got %q", got)
			}
			if took := time.Since(broken); took >= ttl {
				t.Errorf("stopped after %v, want less than %v", took, ttl)
			}
			p.dead()
			said := p.ends(exitLost)
			if !strings.Contains(said, "replctl: lease: lost: ") ||
				!strings.Contains(said, "the command ended with exit code 0") {
				t.Errorf("said:\n%s", said)
			}
		})
	}
}

// fragileDirectory is a directory that becomes a file.
func fragileDirectory(t *testing.T) (string, []string, func()) {
	dir := filepath.Join(t.TempDir(), "replica")
	return dir, nil, func() {
		// In one step the directory is away, and in the next there is something else.
		if err := os.Rename(dir, dir+".old"); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(dir, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// fragileBucket is a bucket whose server stops.
func fragileBucket(t *testing.T) (string, []string, func()) {
	to, err := url.Parse(fakes3.New(t).URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(httputil.NewSingleHostReverseProxy(to))
	t.Cleanup(proxy.Close)
	return bucketURL(proxy.URL), bucketEnv, func() {
		proxy.CloseClientConnections()
		proxy.Close()
	}
}

// silentBucket is a bucket whose server answers no more.
func silentBucket(t *testing.T) (string, []string, func()) {
	srv := fakes3.New(t)
	return bucketURL(srv.URL), bucketEnv, func() {
		srv.Fail(fakes3.Rule{Times: -1, Fault: fakes3.Hang()})
	}
}

var bucketEnv = []string{"AWS_ACCESS_KEY_ID=" + fakes3.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + fakes3.SecretAccessKey}

func bucketURL(endpoint string) string { return "s3://" + fakes3.Bucket + "/db?endpoint=" + endpoint }
