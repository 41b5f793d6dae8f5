//go:build realservers

package s3servers

import (
	"context"
	"crypto/rand"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
)

// Server is one running server.
type Server struct {
	Name     string // "minio", "minio-tls", "versitygw"
	Endpoint string
}

// All returns the servers; the test fails without any.
func All(t testing.TB) []Server {
	t.Helper()
	var servers []Server
	for _, field := range strings.Fields(os.Getenv(Env)) {
		name, endpoint, ok := strings.Cut(field, "=")
		if !ok {
			t.Fatalf("%s: %q: want name=endpoint", Env, field)
		}
		servers = append(servers, Server{name, endpoint})
	}
	if len(servers) == 0 {
		t.Fatalf("%s is not set: go run ./internal/s3servers/run starts servers and tests on them", Env)
	}
	return servers
}

// Each runs a subtest on every server.
func Each(t *testing.T, test func(t *testing.T, s Server)) {
	for _, s := range All(t) {
		t.Run(s.Name, func(t *testing.T) { test(t, s) })
	}
}

// NewBucket makes an empty bucket with a new name.
func (s Server) NewBucket(t testing.TB) string {
	t.Helper()
	ctx := context.Background()
	loaded, err := config.LoadDefaultConfig(ctx, config.WithRegion("us-east-1"))
	if err != nil {
		t.Fatal(err)
	}
	api := awss3.NewFromConfig(loaded, func(o *awss3.Options) {
		o.BaseEndpoint, o.UsePathStyle = &s.Endpoint, true
	})
	bucket := "test-" + strings.ToLower(rand.Text())
	if _, err := api.CreateBucket(ctx, &awss3.CreateBucketInput{Bucket: aws.String(bucket)}); err != nil {
		t.Fatalf("create bucket on %s: %v", s.Name, err)
	}
	return bucket
}
