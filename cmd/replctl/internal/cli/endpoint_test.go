package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/internal/testreplica"
	"github.com/replctl/replicate/s3"
)

// The places that give an endpoint, in the order of their precedence, as the manual has
// them: each leads to the server where no place before it says anything.
func TestEndpointSources(t *testing.T) {
	srv := fakes3.New(t)
	nowhere := "http://127.0.0.1:1"
	upload(t, testreplica.Copy(t, "v0.5"), s3.Config{
		Bucket: srv.Bucket, Path: "db", Endpoint: srv.URL, AccessKeyID: fakes3.AccessKeyID,
		SecretAccessKey: fakes3.SecretAccessKey,
	})
	config := func(text string) string {
		path := filepath.Join(t.TempDir(), "config")
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "SERVER", srv.URL)), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	url := "s3://" + srv.Bucket + "/db"
	for _, tt := range []struct {
		name string
		env  map[string]string
		args []string
	}{
		{"the url", map[string]string{"LITESTREAM_S3_ENDPOINT": nowhere}, []string{url + "?endpoint=" + srv.URL}},
		{"--endpoint", map[string]string{"LITESTREAM_S3_ENDPOINT": nowhere}, []string{url, "--endpoint", srv.URL}},
		{"LITESTREAM_S3_ENDPOINT", map[string]string{"LITESTREAM_S3_ENDPOINT": srv.URL, "AWS_ENDPOINT_URL_S3": nowhere},
			[]string{url}},
		{"AWS_ENDPOINT_URL_S3", map[string]string{"AWS_ENDPOINT_URL_S3": srv.URL, "AWS_ENDPOINT_URL": nowhere},
			[]string{url}},
		{"AWS_ENDPOINT_URL", map[string]string{"AWS_ENDPOINT_URL": srv.URL,
			"AWS_CONFIG_FILE": config("[default]\nendpoint_url = " + nowhere + "\n")}, []string{url}},
		{"services of the profile", map[string]string{
			"AWS_CONFIG_FILE": config("[default]\nservices = mine\nendpoint_url = " + nowhere +
				"\n[services mine]\ns3 =\n  endpoint_url = SERVER\n"),
		}, []string{url}},
		{"endpoint_url of the profile", map[string]string{"AWS_CONFIG_FILE": config("[default]\nendpoint_url = SERVER\n")},
			[]string{url}},
		{"AWS_PROFILE", map[string]string{
			"AWS_PROFILE":     "minio",
			"AWS_CONFIG_FILE": config("[default]\nendpoint_url = " + nowhere + "\n[profile minio]\nendpoint_url = SERVER\n"),
		}, []string{url}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("AWS_ACCESS_KEY_ID", fakes3.AccessKeyID)
			t.Setenv("AWS_SECRET_ACCESS_KEY", fakes3.SecretAccessKey)
			for name, value := range tt.env {
				t.Setenv(name, value)
			}
			srv.Reset()
			if code, _, stderr := replctl(t, append([]string{"ltx", "--fast"}, tt.args...)...); code != exitOK ||
				len(srv.Requests()) == 0 {
				t.Errorf("exit code %d\n%s", code, stderr)
			}
		})
	}
	manual := newRootCommand(&app{}).Long
	for _, name := range []string{"LITESTREAM_S3_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "endpoint_url"} {
		if !strings.Contains(manual, name) {
			t.Errorf("the manual does not name %s", name)
		}
	}
}
