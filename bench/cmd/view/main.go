package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/replctl/replicate/bench/internal/proxy"
	"github.com/replctl/replicate/s3"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "view:", err)
		os.Exit(1)
	}
}

// options are the command line.
type options struct {
	endpoint, bucket               string
	replctl, litestream, extension string
	dir                            string
	size                           int64
	deltas                         int
	delay                          time.Duration
	rate                           int64
}

func parse(args []string, stderr io.Writer) (o options, err error) {
	fs := flag.NewFlagSet("view", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&o.endpoint, "endpoint", "",
		"`url` of an S3 server that speaks plain HTTP (default the MinIO in REPLICATE_S3_SERVERS)")
	fs.StringVar(&o.bucket, "bucket", "", "use this `bucket` of the server (default a new one, removed afterwards)")
	fs.StringVar(&o.replctl, "replctl", "", "built replctl, for cold processes")
	fs.StringVar(&o.litestream, "litestream", "", "Litestream v0.5.18, for restore-then-query; needs sqlite3, too")
	fs.StringVar(&o.extension, "extension", "", "its VFS extension, which sqlite3 loads")
	fs.StringVar(&o.dir, "dir", "", "work in a new directory below this one (default the system's temporary one)")
	fs.Int64Var(&o.size, "size", 400<<20, "`bytes` of the database")
	fs.IntVar(&o.deltas, "deltas", 30, "files of later transactions")
	fs.DurationVar(&o.delay, "delay", 25*time.Millisecond, "added to each request where that is measured")
	fs.Int64Var(&o.rate, "rate", 55<<20, "`bytes` a second of each connection where that is measured")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	for _, path := range []*string{&o.replctl, &o.litestream, &o.extension} { // commands run in another directory
		if *path == "" {
			continue
		}
		if *path, err = filepath.Abs(*path); err != nil {
			return o, err
		}
	}
	for _, field := range strings.Fields(os.Getenv("REPLICATE_S3_SERVERS")) {
		if name, url, _ := strings.Cut(field, "="); name == "minio" {
			o.endpoint = cmp.Or(o.endpoint, url)
		}
	}
	if o.endpoint == "" || o.size < 1<<20 || o.deltas < 0 {
		return o, errors.New("want an -endpoint, a -size of 1 MiB at least, and no fewer than 0 -deltas")
	}
	return o, nil
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	if o.dir, err = os.MkdirTemp(o.dir, "view-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(o.dir)) }()
	began := time.Now()
	m, err := makeReplica(ctx, o.dir, o.size, o.deltas)
	if err != nil {
		return err
	}
	fmt.Fprintf(stderr, "made %d rows in %d pages and %d files in %v\n",
		m.rows, len(m.sums), len(m.files), time.Since(began).Round(time.Second))
	b, err := newBench(ctx, o, m, stdout)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close(context.WithoutCancel(ctx))) }()
	for _, measure := range []func(context.Context) error{b.counts, b.cached, b.lookup, b.scan, b.difference, b.table} {
		if err := measure(ctx); err != nil {
			return err
		}
	}
	return nil
}

// bench is a replica in a bucket, behind a proxy.
type bench struct {
	options
	made   *made
	out    io.Writer
	proxy  *proxy.Proxy
	isOurs bool // the bucket was made here
	api    *awss3.Client
}

const prefix = "db"

func newBench(ctx context.Context, o options, m *made, out io.Writer) (*bench, error) {
	b := &bench{options: o, made: m, out: out, isOurs: o.bucket == ""}
	b.bucket = cmp.Or(b.bucket, "view-"+strings.ToLower(rand.Text()))
	b.api = awss3.New(awss3.Options{Region: "us-east-1", BaseEndpoint: &o.endpoint, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(
			os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"), "")})
	if b.isOurs {
		if _, err := b.api.CreateBucket(ctx, &awss3.CreateBucketInput{Bucket: &b.bucket}); err != nil {
			return nil, err
		}
	}
	store, _, err := b.client(o.endpoint).Open(ctx)
	if err != nil {
		return nil, err
	}
	if err := m.upload(ctx, store); err != nil {
		return nil, err
	}
	b.proxy, err = proxy.New(o.endpoint)
	return b, err
}

// client is a new client of the replica.
func (b *bench) client(endpoint string) *s3.ReplicaClient {
	c := s3.NewReplicaClient()
	c.Bucket, c.Path, c.Endpoint, c.Region = b.bucket, prefix, endpoint, "us-east-1"
	c.AccessKeyID, c.SecretAccessKey = os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY")
	return c
}

func (b *bench) url() string {
	return fmt.Sprintf("s3://%s/%s?endpoint=%s&region=us-east-1&forcePathStyle=true", b.bucket, prefix, b.proxy.URL)
}

// close removes the replica, and the bucket if it was made here.
func (b *bench) close(ctx context.Context) error {
	b.proxy.Close()
	below := prefix + "/"
	page, err := b.api.ListObjectsV2(ctx, &awss3.ListObjectsV2Input{Bucket: &b.bucket, Prefix: &below})
	if err != nil {
		return err
	}
	for _, o := range page.Contents {
		if _, err := b.api.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: &b.bucket, Key: o.Key}); err != nil {
			return err
		}
	}
	if b.isOurs {
		_, err = b.api.DeleteBucket(ctx, &awss3.DeleteBucketInput{Bucket: &b.bucket})
	}
	return err
}
