//go:build realtools && realservers

package interop

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	gocmp "github.com/google/go-cmp/cmp"

	"github.com/replctl/replicate/internal/s3servers"
)

const region = "us-east-1"

// eachServer runs a subtest on every server without TLS, in a new bucket.
func eachServer(t *testing.T, test func(t *testing.T, b bucket)) {
	t.Helper()
	tested := 0
	for _, s := range s3servers.All(t) {
		if !strings.HasPrefix(s.Endpoint, "http://") {
			continue
		}
		tested++
		t.Run(s.Name, func(t *testing.T) {
			b := bucket{s.Endpoint, s.NewBucket(t)}
			t.Setenv("AWS_CA_BUNDLE", "") // see newBucket
			test(t, b)
		})
	}
	if tested < 2 {
		t.Errorf("%d servers speak http, want MinIO and versitygw", tested)
	}
}

// replicaConfig is the replica in a Litestream configuration.
func (b bucket) replicaConfig(more string) string {
	return fmt.Sprintf(
		"{type: s3, bucket: %s, path: db, endpoint: %q, region: %s, force-path-style: true, sync-interval: 50ms%s}",
		b.name,
		b.endpoint,
		region,
		more,
	)
}

// sdk looks into the bucket with nothing of ours.
func (b bucket) sdk() *awss3.Client {
	return awss3.New(awss3.Options{
		BaseEndpoint: &b.endpoint, Region: region, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(
			os.Getenv("AWS_ACCESS_KEY_ID"),
			os.Getenv("AWS_SECRET_ACCESS_KEY"),
			"",
		),
	})
}

type object struct {
	key      string // without "db/"
	size     int64
	modified time.Time
}

// objects lists the replica, or what of it has a prefix, in key order.
func (b bucket) objects(t *testing.T, prefix string) (objects []object) {
	t.Helper()
	pages := awss3.NewListObjectsV2Paginator(
		b.sdk(),
		&awss3.ListObjectsV2Input{Bucket: &b.name, Prefix: aws.String("db/" + prefix)},
	)
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		must(t, err)
		for _, o := range page.Contents {
			objects = append(objects, object{strings.TrimPrefix(*o.Key, "db/"), *o.Size, o.LastModified.UTC()})
		}
	}
	return objects
}

func (b bucket) content(t *testing.T, key string) []byte {
	t.Helper()
	out, err := b.sdk().GetObject(t.Context(), &awss3.GetObjectInput{Bucket: &b.name, Key: aws.String("db/" + key)})
	must(t, err)
	defer out.Body.Close()
	data, err := io.ReadAll(out.Body)
	must(t, err)
	return data
}

// sync copies the replica to a directory as "aws s3 sync" does: names as they
// are, and LastModified as the files' modification times.
func (b bucket) sync(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, o := range b.objects(t, "") {
		path := filepath.Join(dir, filepath.FromSlash(o.key))
		must(t, os.MkdirAll(filepath.Dir(path), 0o700))
		must(t, os.WriteFile(path, b.content(t, o.key), 0o600))
		must(t, os.Chtimes(path, o.modified, o.modified))
	}
	return dir
}

// wantJSON compares a document with what it should be.
func wantJSON(t *testing.T, what string, got any, want []record) {
	t.Helper()
	data, err := json.Marshal(append([]record{}, want...))
	must(t, err)
	if diff := gocmp.Diff(decoded(t, data), got); diff != "" {
		t.Errorf("%s (-bucket +ours):\n%s", what, diff)
	}
}

// only leaves out what else the records of a list have.
func only(list any, keys ...string) any {
	for _, v := range list.([]any) {
		maps.DeleteFunc(v.(record), func(key string, _ any) bool { return !slices.Contains(keys, key) })
	}
	return list
}

// wantInspection: everything in the bucket is read and sound, and nothing else is
// counted.
func wantInspection(t *testing.T, r replctl, b bucket, format string) {
	t.Helper()
	objects, bytes := b.objects(t, ""), int64(0)
	for _, o := range objects {
		bytes += o.size
	}
	in := []any{r.json(t, b.url(), "inspect", "--read", "all")}
	wantJSON(t, "inspect", only(in, "formats", "objects", "verified", "bytes", "problems"), []record{{
		"formats": []string{format}, "objects": len(objects), "verified": len(objects), "bytes": bytes, "problems": []any{},
	}})
}

// wantSameOnDisk: what every command says of the bucket it says of a copy on a
// disk as well.
func wantSameOnDisk(t *testing.T, r replctl, b bucket) {
	t.Helper()
	dir := b.sync(t)
	for _, command := range [][]string{{"inspect"}, {"inspect", "--read", "all"}, {"generations"}, {"snapshots"},
		{"wal"}, {"ltx"}, {"ltx", "--fast"}} {
		there, here := r.json(t, b.url(), command[0], command[1:]...), r.json(t, dir, command[0], command[1:]...)
		if diff := gocmp.Diff(here, there); diff != "" {
			t.Errorf("replctl %v (-disk +bucket):\n%s", command, diff)
		}
	}
}
