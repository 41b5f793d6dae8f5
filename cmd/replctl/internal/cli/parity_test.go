package cli

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/internal/testreplica"
	"github.com/replctl/replicate/s3"
)

// TestSameOnS3: a replica is shown the same from a bucket as from a disk.
func TestSameOnS3(t *testing.T) {
	srv := fakes3.New(t)
	t.Setenv("AWS_ACCESS_KEY_ID", fakes3.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", fakes3.SecretAccessKey)
	checkSameOnS3(t, fakes3.Bucket, srv.URL)
}

// checkSameOnS3 puts each replica of the test data, sound and damaged, into the
// bucket, and compares what every command says of it.
func checkSameOnS3(t *testing.T, bucket, endpoint string) {
	for _, name := range []string{"v0.3", "v0.5", "damaged/both-formats", "damaged/ltx-gap", "damaged/v3-offset-gap",
		"damaged/v3-truncated-lz4"} {
		t.Run(filepath.Base(name), func(t *testing.T) {
			dir := testreplica.Copy(t, name)
			upload(t, dir, s3.Config{Bucket: bucket, Path: "replicas/" + name, Endpoint: endpoint})
			url := "s3://" + bucket + "/replicas/" + name
			for _, command := range []string{"inspect", "generations", "snapshots", "wal", "ltx"} {
				wantCode, want, _ := replctl(t, command, "--json", dir)
				code, got, stderr := replctl(t, command, "--json", url, "--endpoint", endpoint)
				if code != wantCode {
					t.Errorf("%s: exit code %d, on disk %d: %s", command, code, wantCode, stderr)
				}
				if diff := cmp.Diff(withoutURL(t, want), withoutURL(t, got)); diff != "" {
					t.Errorf("%s: disk (-) and bucket (+) differ:\n%s", command, diff)
				}
			}
		})
	}
}

// withoutURL is a JSON document less its url.
func withoutURL(t *testing.T, doc string) any {
	t.Helper()
	if doc == "" {
		return nil
	}
	v := tree(t, []byte(doc))
	if object, ok := v.(map[string]any); ok {
		delete(object, "url")
	}
	return v
}

// upload copies a directory into a bucket, name by name, as aws s3 sync would.
func upload(t *testing.T, dir string, cfg s3.Config) {
	t.Helper()
	store, err := s3.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	err = fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		_, err = store.Write(t.Context(), name, bytes.NewReader(data), blob.WriteOptions{})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestNoSecretsOnS3: whatever goes wrong, and however much is said about it.
func TestNoSecretsOnS3(t *testing.T) {
	srv := fakes3.New(t)
	const secret = "hunter2hunter2"
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDHUNTER")
	t.Setenv("AWS_SECRET_ACCESS_KEY", secret)
	t.Setenv("AWS_SESSION_TOKEN", secret)
	for _, url := range []string{
		"s3://" + fakes3.Bucket + "/nothing", "s3://no-such-bucket/x",
		"s3://" + fakes3.Bucket + "/x?sse-customer-key=" + secret,
		"s3://user:" + secret + "@" + fakes3.Bucket + "/x", "s3://" + fakes3.Bucket + "/x?secret=" + secret,
	} {
		for _, command := range [][]string{{"inspect"}, {"generations"}, {"ltx"}, {"lease", "show"}} {
			args := append([]string{"--verbose", "--endpoint", srv.URL}, command...)
			args = append(args, "--json", url)
			code, stdout, stderr := replctl(t, args...)
			if out := stdout + stderr; bytes.Contains([]byte(out), []byte(secret)) {
				t.Errorf("%v (exit code %d) shows a secret:\n%s", args, code, out)
			}
			if code == exitOK && !json.Valid([]byte(stdout)) {
				t.Errorf("%v: no document:\n%s", args, stdout)
			}
		}
	}
}
