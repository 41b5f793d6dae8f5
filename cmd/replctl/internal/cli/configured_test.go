package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/internal/testreplica"
)

// TestConfiguredCredentials: those of the configuration file open the bucket, and are printed nowhere.
func TestConfiguredCredentials(t *testing.T) {
	srv := fakes3.New(t)
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} {
		t.Setenv(name, "")
	}
	db := filepath.Join(t.TempDir(), "db")
	write := func(key, secret string) (file string) {
		file = filepath.Join(t.TempDir(), "litestream.yml")
		content := fmt.Sprintf("access-key-id: %s\nsecret-access-key: %s\nregion: us-east-1\ndbs:\n  - path: %s\n"+
			"    replica: {type: s3, bucket: %s, path: replica, endpoint: %q, force-path-style: true}\n",
			key, secret, db, srv.Bucket, srv.URL)
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	good, bad := write(fakes3.AccessKeyID, fakes3.SecretAccessKey), write("nobody", "hunter2")
	source := testreplica.Copy(t, "v0.5")
	url := fmt.Sprintf("s3://%s/replica?endpoint=%s&force-path-style=true&region=us-east-1", srv.Bucket, srv.URL)
	t.Setenv("AWS_ACCESS_KEY_ID", fakes3.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", fakes3.SecretAccessKey)
	if code, _, stderr := replctl(t, "cp", source, url); code != exitOK {
		t.Fatal(stderr)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "nobody")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "nothing")
	for _, args := range [][]string{
		{"inspect", db}, {"ls"}, {"drill", "--moments", "0"}, {"lease", "acquire", db},
		{"drill", db, "--record", "--moments", "0"},
		{"restore", db, "-o", filepath.Join(t.TempDir(), "restored")}, {"inspect", db, "--json"}, {"ls", "--json"},
	} {
		code, stdout, stderr := replctl(t, append(args, "--config", good)...)
		if code != exitOK || strings.Contains(stdout+stderr, fakes3.SecretAccessKey) {
			t.Errorf("%q: exit code %d\n%s%s", args, code, stdout, stderr)
		}
		code, stdout, stderr = replctl(t, append(args, "--config", bad, "--verbose")...)
		if code == exitOK || code == exitNothing || strings.Contains(stdout+stderr, "hunter2") {
			t.Errorf("%q, with wrong keys: exit code %d\n%s%s", args, code, stdout, stderr)
		}
	}
}
