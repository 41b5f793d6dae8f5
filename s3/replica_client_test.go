package s3

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/replctl/replicate"
	"github.com/replctl/replicate/internal/fakes3"
	"github.com/replctl/replicate/replicatest"
)

func fakeClient(srv *fakes3.Server) *ReplicaClient {
	c := NewReplicaClient()
	c.Bucket, c.Path, c.Endpoint = srv.Bucket, "some/prefix", srv.URL
	c.AccessKeyID, c.SecretAccessKey = fakes3.AccessKeyID, fakes3.SecretAccessKey
	return c
}

func TestReplicaClient(t *testing.T) {
	replicatest.RunReplicaClient(t, func(t *testing.T) replicatest.Replica {
		srv := fakes3.New(t)
		return replicatest.Over(newStore(t, srv, nil), func() replicate.ReplicaClient { return fakeClient(srv) })
	})
}

// TestReplicaClientFromURL: what the URL says reaches the store, and so does
// what a field says that was set afterwards.
func TestReplicaClientFromURL(t *testing.T) {
	scheme, host, path, query, user, err := replicate.ParseURL("s3://b/db?endpoint=localhost:9000&region=r" +
		"&forcePathStyle=false&sign-payload=true&sign-accept-encoding=false&require-content-md5=true" +
		"&part-size=6000000&concurrency=3&skip-verify=true&storage-class=X&sse-kms-key-id=k")
	if err != nil {
		t.Fatal(err)
	}
	rc, err := NewReplicaClientFromURL(scheme, host, path, query, user)
	if err != nil {
		t.Fatal(err)
	}
	c := rc.(*ReplicaClient)
	want := Config{
		Bucket: "b", Path: "db", Endpoint: "localhost:9000", Region: "r", SignPayload: true, RequireContentMD5: true,
		fromURL:  choices{pathStyle: no, signAcceptEncoding: no},
		PartSize: 6000000, Concurrency: 3, SkipVerify: true, StorageClass: "X", SSEKMSKeyID: "k",
	}
	wantEqual(t, "config", plain(c.Config), plain(want))
	c.ForcePathStyle, c.SignAcceptEncoding, c.PartSize = true, true, 7000000
	want.ForcePathStyle, want.fromURL.signAcceptEncoding, want.PartSize = true, auto, 7000000
	wantEqual(t, "changed", plain(c.Config), plain(want))
	if got := c.Type(); got != "s3" {
		t.Errorf("type %q", got)
	}
	for _, bad := range []string{"http", "file"} {
		if _, err := NewReplicaClientFromURL(bad, host, path, query, user); err == nil {
			t.Errorf("scheme %s accepted", bad)
		}
	}
}

// TestReplicaClientLogger: it may be set before the client is used, and after.
func TestReplicaClientLogger(t *testing.T) {
	srv := fakes3.New(t)
	c := fakeClient(srv)
	var before, after lockedBuffer
	to := func(b *lockedBuffer) *slog.Logger {
		return slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	c.SetLogger(to(&before))
	if err := c.Init(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.SetLogger(to(&after))
	if err := c.DeleteAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string]*lockedBuffer{"before": &before, "after": &after} {
		if !strings.Contains(b.String(), "s3.op=list") {
			t.Errorf("%s: no request logged: %q", name, b.String())
		}
	}
}

func TestReplicaClientHidesSecrets(t *testing.T) {
	c := NewReplicaClient()
	c.Bucket, c.AccessKeyID, c.SecretAccessKey = "b", "id", "hunter2"
	c.SSECustomerKey, c.SessionToken = "hunter2", "hunter2"
	encoded, err := json.Marshal(map[string]any{"client": c})
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range []string{string(encoded), fmt.Sprintf("%v", c), fmt.Sprintf("%+v", c), fmt.Sprintf("%#v", c)} {
		if strings.Contains(got, "hunter2") || !strings.Contains(got, "s3://b/") {
			t.Errorf("shows as %s", got)
		}
	}
}

// TestNoCredentials: nothing to sign with is a clear error, soon.
func TestNoCredentials(t *testing.T) {
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "LITESTREAM_ACCESS_KEY_ID", "AWS_PROFILE",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_WEB_IDENTITY_TOKEN_FILE"} {
		t.Setenv(name, "")
	}
	none := filepath.Join(t.TempDir(), "none")
	if err := os.WriteFile(none, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_CONFIG_FILE", none)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", none)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	srv := fakes3.New(t)
	s := newStore(t, srv, func(c *Config) { c.AccessKeyID, c.SecretAccessKey = "", "" })
	_, err := s.Stat(t.Context(), "k")
	if err == nil || !strings.Contains(err.Error(), "no usable credentials") || srv.Count("") != 0 {
		t.Errorf("got error %v", err)
	}
}
