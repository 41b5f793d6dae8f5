package main

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

	"github.com/replctl/replicate/bench/internal/proxy"
	"github.com/replctl/replicate/ltx"
)

const (
	region = "us-east-1"

	// metadataTime is where both clients keep a file's time.
	metadataTime = "litestream-timestamp"

	// inParallel is how many requests the setup and the floors have under way.
	inParallel = 16

	// batch is how many objects a DeleteObjects request takes.
	batch = 1000
)

// bucket is one bucket of an S3 server, through the bare SDK.
type bucket struct {
	endpoint, name       string
	accessKey, secretKey string

	api                *awss3.Client
	counter, throttled *proxy.Proxy
	ours               bool // made by us, to be removed
}

// openBucket connects to a server and makes a bucket, unless name says which.
func openBucket(ctx context.Context, endpoint, name string, rate int64) (b *bucket, err error) {
	b = &bucket{
		endpoint: endpoint, name: name, ours: name == "",
		accessKey: os.Getenv("AWS_ACCESS_KEY_ID"), secretKey: os.Getenv("AWS_SECRET_ACCESS_KEY"),
	}
	if b.accessKey == "" || b.secretKey == "" {
		return nil, errors.New("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set")
	}
	b.api = b.client(endpoint)
	if b.ours {
		b.name = "compare-" + strings.ToLower(rand.Text())
		if _, err := b.api.CreateBucket(ctx, &awss3.CreateBucketInput{Bucket: &b.name}); err != nil {
			return nil, err
		}
	}
	if b.counter, err = proxy.New(endpoint); err != nil {
		return nil, err
	}
	if b.throttled, err = proxy.New(endpoint); err != nil {
		return nil, err
	}
	b.throttled.Slow(0, rate)
	return b, nil
}

// client is the bare SDK.
func (b *bucket) client(endpoint string) *awss3.Client {
	return awss3.New(awss3.Options{
		Region: region, BaseEndpoint: &endpoint, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(b.accessKey, b.secretKey, ""),
		// Both clients do without the checksums that not every store knows.
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
	})
}

func (p *place) putObject(ctx context.Context, key string, txid ltx.TXID, body io.ReadSeeker) error {
	_, err := p.api.PutObject(ctx, &awss3.PutObjectInput{
		Bucket: &p.backend.bucket.name, Key: &key, Body: body,
		Metadata: map[string]string{metadataTime: timeOf(txid).Format(time.RFC3339Nano)},
	})
	return err
}

// clear removes all below a prefix.
func (b *bucket) clear(ctx context.Context, prefix string) error {
	for {
		page, err := b.api.ListObjectsV2(ctx, &awss3.ListObjectsV2Input{Bucket: &b.name, Prefix: &prefix})
		if err != nil || len(page.Contents) == 0 {
			return err
		}
		keys := make([]string, len(page.Contents))
		for i, o := range page.Contents {
			keys[i] = *o.Key
		}
		if err := deleteObjects(ctx, b.api, b.name, keys); err != nil {
			return err
		}
	}
}

// deleteObjects deletes up to batch objects in one request.
func deleteObjects(ctx context.Context, api *awss3.Client, bucket string, keys []string) error {
	ids := make([]types.ObjectIdentifier, len(keys))
	for i := range keys {
		ids[i].Key = &keys[i]
	}
	out, err := api.DeleteObjects(ctx, &awss3.DeleteObjectsInput{
		Bucket: &bucket, Delete: &types.Delete{Objects: ids, Quiet: aws.Bool(true)},
	})
	if err == nil && len(out.Errors) > 0 {
		err = errors.New(aws.ToString(out.Errors[0].Message))
	}
	return err
}

func (b *bucket) close(ctx context.Context) (err error) {
	if b.ours {
		_, err = b.api.DeleteBucket(ctx, &awss3.DeleteBucketInput{Bucket: &b.name})
	}
	b.counter.Close()
	b.throttled.Close()
	return err
}

// parallel calls fn for 0 to n-1, up to inParallel at a time.
func parallel(n int, fn func(i int) error) error {
	var group errgroup.Group
	group.SetLimit(inParallel)
	for i := range n {
		group.Go(func() error { return fn(i) })
	}
	return group.Wait()
}
