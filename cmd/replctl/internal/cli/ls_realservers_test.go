//go:build realservers && linux

package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/replctl/replicate/internal/s3servers"
	"github.com/replctl/replicate/internal/testreplica"
	"github.com/replctl/replicate/replica"
	"github.com/replctl/replicate/replica/fleet"
)

// counter is a proxy that counts requests.
type counter struct {
	*httptest.Server
	lists, others atomic.Int64
}

func newCounter(t *testing.T, endpoint string) *counter {
	t.Helper()
	target, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	c := &counter{}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host // it is signed
	}, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("list-type") {
			c.lists.Add(1)
		} else {
			c.others.Add(1)
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(c.Close)
	return c
}

// TestLsOfMany: a bucket on MinIO with many replicas of both formats, and other objects between them. ls finds
// exactly the replicas, with few requests and little memory. REPLICATE_FLEET=full makes 10,000 replicas and
// 1,000,000 objects. They are made cheaply: MinIO keeps an object as a directory with one file that does not
// have its name, so that a replica is cloned by hard links of these files.
func TestLsOfMany(t *testing.T) {
	tenants, each, foreign := 20, 10, 125 // 17,500 objects of replicas, 2,500 others
	if os.Getenv("REPLICATE_FLEET") == "full" {
		tenants, each, foreign = 100, 100, 1250
	}
	var minio s3servers.Server
	for _, s := range s3servers.All(t) {
		if s.Name == "minio" {
			minio = s
		}
	}
	data := os.Getenv(s3servers.EnvDir)
	if minio.Endpoint == "" || data == "" {
		t.Fatal("want MinIO, and the directory of its data")
	}
	bucket := minio.NewBucket(t)
	binary := filepath.Join(t.TempDir(), "replctl")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, //nolint:gosec // it is ours
		"github.com/replctl/replicate/cmd/replctl").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for name, format := range map[string]string{"template/ltx": "v0.5", "template/v3": "v0.3"} {
		code, _, stderr := replctl(t, "cp", testreplica.Dir(t, format), "s3://"+bucket+"/"+name, "--endpoint", minio.Endpoint)
		if code != exitOK {
			t.Fatal(stderr)
		}
	}
	began := time.Now()
	objects, want := cloneFleet(t, filepath.Join(data, "minio", bucket), tenants, each, foreign)
	t.Logf("made %d replicas and %d objects in %v", len(want), objects, time.Since(began).Round(time.Second))

	c := newCounter(t, minio.Endpoint)
	cmd := exec.CommandContext(t.Context(), binary, "ls", "--jsonl", "s3://"+bucket+"/fleet", "--endpoint", c.URL) //nolint:gosec
	cmd.Stderr = os.Stderr
	began = time.Now()
	out, memory := outputAndMemory(t, cmd)
	took := time.Since(began)
	for line := range strings.Lines(string(out)) {
		var row databaseJSON
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		_, path, _ := strings.Cut(row.URL, bucket+"/fleet/")
		path, _, _ = strings.Cut(path, "?")
		if format := want[path]; format == "" || row.Verdict != fleet.Stale || len(row.Formats) != 1 || row.Formats[0] != format {
			t.Errorf("%s: %+v", path, row)
		}
		delete(want, path)
	}
	if len(want) > 0 {
		t.Errorf("%d replicas were not found", len(want))
	}
	// Of each directory a listing: the root, the tenants, their exports, a page for each 1,000 of these, and the replicas.
	replicas := tenants * each
	floor := int64(2 + tenants*(1+(foreign+999)/1000) + replicas)
	requests, most := c.lists.Load()+c.others.Load(), floor*12/10+4*int64(replicas)
	t.Logf("%d listings and %d other requests, at most %d in all; %v; %d MiB",
		c.lists.Load(), c.others.Load(), most, took.Round(time.Millisecond), memory>>20)
	if requests > most {
		t.Errorf("%d requests, want %d at most", requests, most)
	}
	if memory > 128<<20 {
		t.Errorf("%d MiB of memory, want 128 at most", memory>>20)
	}
	t.Run("a place that may not be listed", func(t *testing.T) {
		checkForbidden(t, binary, minio.Endpoint, bucket, "fleet/tenants/003", replicas-each)
	})
}

// outputAndMemory runs a command, and returns the most memory that it had, in bytes. Its resource usage would count
// that of this process as well, from which it was forked.
func outputAndMemory(t *testing.T, cmd *exec.Cmd) (out []byte, memory int64) {
	t.Helper()
	var stdout bytes.Buffer
	cmd.Stdout = &stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- cmd.Wait() }()
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		select {
		case err := <-ended:
			if err != nil || memory == 0 {
				t.Fatalf("%v; its memory was %d", err, memory)
			}
			return stdout.Bytes(), memory
		case <-tick.C:
		}
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
		if err != nil {
			continue // it has just ended
		}
		_, most, _ := strings.Cut(string(status), "VmHWM:")
		var kib int64
		if _, err := fmt.Sscan(most, &kib); err == nil {
			memory = kib << 10
		}
	}
}

// checkForbidden lists with credentials that may not list below a prefix: that is one row with an error, and all
// other replicas are there.
func checkForbidden(t *testing.T, binary, endpoint, bucket, prefix string, others int) {
	t.Helper()
	loaded, err := config.LoadDefaultConfig(t.Context(), config.WithRegion("us-east-1"))
	if err != nil {
		t.Fatal(err)
	}
	policy := fmt.Sprintf(`{"Version": "2012-10-17", "Statement": [
		{"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::*"},
		{"Effect": "Deny", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::%s",
			"Condition": {"StringLike": {"s3:prefix": "%s/*"}}}]}`, bucket, prefix)
	role, err := sts.NewFromConfig(loaded, func(o *sts.Options) { o.BaseEndpoint = &endpoint }).AssumeRole(t.Context(),
		&sts.AssumeRoleInput{Policy: &policy, RoleArn: aws.String("arn:x:ignored:by:minio:"), RoleSessionName: aws.String("test")})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), binary, "ls", "--jsonl", "s3://"+bucket+"/fleet", "--endpoint", endpoint) //nolint:gosec
	cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID="+*role.Credentials.AccessKeyId,
		"AWS_SECRET_ACCESS_KEY="+*role.Credentials.SecretAccessKey, "AWS_SESSION_TOKEN="+*role.Credentials.SessionToken)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != exitFailure {
		t.Errorf("it ended with %v, want exit code 1", err)
	}
	var refused, found int
	for line := range strings.Lines(string(out)) {
		var row databaseJSON
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		switch {
		case row.Error == "" && row.Verdict == fleet.Stale:
			found++
		case strings.Contains(row.URL, bucket+"/"+prefix) && strings.Contains(row.Error, "AccessDenied"):
			refused++
		default:
			t.Errorf("%+v", row)
		}
	}
	if refused != 1 || found != others {
		t.Errorf("%d rows refused and %d replicas, want 1 and %d", refused, found, others)
	}
}

// cloneFleet makes clones of the replicas in a bucket's directory, and returns how many objects there are and the
// formats of the replicas, by path.
func cloneFleet(t *testing.T, bucket string, tenants, each, foreign int) (objects int, formats map[string]string) {
	t.Helper()
	formats = map[string]string{}
	for tenant := range tenants {
		at := fmt.Sprintf("tenants/%03d", tenant)
		template := filepath.Join(bucket, "template", at) // a file may not have too many links
		cloneTree(t, filepath.Join(bucket, "template/ltx"), filepath.Join(template, "ltx"), copyFile)
		cloneTree(t, filepath.Join(bucket, "template/v3"), filepath.Join(template, "v3"), copyFile)
		for i := range each {
			path, format, from := fmt.Sprintf("%s/db-%02d", at, i), replica.FormatLTX, "ltx"
			if i%2 == 1 {
				format, from = replica.FormatV3, "v3"
			}
			objects += cloneTree(t, filepath.Join(template, from), filepath.Join(bucket, "fleet", path), os.Link)
			formats[path] = format
		}
		one := firstObject(t, filepath.Join(template, "ltx"))
		for i := range foreign {
			objects += cloneTree(t, one, filepath.Join(bucket, "fleet", at, "exports", fmt.Sprintf("%05d.csv", i)), os.Link)
		}
	}
	return objects, formats
}

func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o600)
}

// cloneTree links or copies the files of a directory, and returns how many.
func cloneTree(t *testing.T, from, to string, clone func(from, to string) error) (n int) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		at := to + strings.TrimPrefix(path, from)
		if e.IsDir() {
			return os.MkdirAll(at, 0o700)
		}
		n++
		return clone(path, at)
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// firstObject is the directory of an object.
func firstObject(t *testing.T, below string) (dir string) {
	t.Helper()
	err := filepath.WalkDir(below, func(path string, _ fs.DirEntry, err error) error {
		if filepath.Base(path) == "xl.meta" {
			dir = filepath.Dir(path)
			return filepath.SkipAll
		}
		return err
	})
	if err != nil || dir == "" {
		t.Fatalf("no object of MinIO: %v", err)
	}
	return dir
}
