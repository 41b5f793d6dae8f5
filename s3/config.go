package s3

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/s3/internal/answer"
	"github.com/replctl/replicate/s3/internal/place"
	"github.com/replctl/replicate/s3/internal/transport"
)

// Limits and defaults of uploads and retries.
const (
	MinPartSize = 5 << 20 // S3's
	MaxPartSize = 5 << 30 // S3's

	DefaultPartSize    = 5 << 20
	DefaultConcurrency = 4

	DefaultStallTimeout = 30 * time.Second
	DefaultRetryTimeout = 5 * time.Minute

	// DefaultRegion is what a store other than AWS is signed for if neither
	// the caller nor the provider table names a region.
	DefaultRegion = place.DefaultRegion
)

// Choice overrides, or leaves to the provider table, one of its settings.
type Choice int8

// The three choices.
const (
	Auto Choice = iota
	Yes
	No
)

func (c Choice) or(auto bool) bool {
	if c == Auto {
		return auto
	}
	return c == Yes
}

// Config says where a store is and how to talk to it. Bucket is required, all
// else has a default. [Open] validates it.
type Config struct {
	Bucket string // a name, or the ARN of an access point
	Prefix string // the store's root in the bucket, without slashes at its ends; may be empty

	// Region may be empty: for AWS it is then taken from the environment or
	// asked of the bucket, for others it rarely matters.
	Region string
	// Endpoint is the server's URL; the scheme may be missing. It has no path and
	// not the bucket in its host. Empty means AWS, unless LITESTREAM_S3_ENDPOINT,
	// AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL is set, or the profile has an
	// endpoint_url in ~/.aws/config.
	Endpoint string

	// AccessKeyID and SecretAccessKey may be empty. Then they come from where
	// the AWS SDK looks for them (environment, shared files, instance and
	// container roles), or LITESTREAM_ACCESS_KEY_ID and
	// LITESTREAM_SECRET_ACCESS_KEY.
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string

	PathStyle          Choice // bucket in the path, not in the host name
	SignPayload        Choice // hash bodies into the signature, also over TLS
	SignAcceptEncoding Choice // No where a proxy rewrites that header
	ContentMD5         Choice // send Content-MD5 with DeleteObjects
	PutContentMD5      bool   // and with PutObject
	SkipVerify         bool   // do not verify the server's certificate

	PartSize     int64 // of an upload in parts; default DefaultPartSize or the provider's
	Concurrency  int   // parts in flight per upload, pieces per slow download, half as many as requests of a deletion; default DefaultConcurrency or the provider's
	StorageClass string

	SSECustomerAlgorithm string // "AES256" or empty
	SSECustomerKey       string // 32 bytes in base64
	SSECustomerKeyMD5    string // derived from the key if empty
	SSEKMSKeyID          string // excludes SSECustomerKey

	// StallTimeout is how long a connection may be silent before the attempt
	// is abandoned; RetryTimeout is how long attempts are repeated without any
	// progress between them.
	StallTimeout time.Duration
	RetryTimeout time.Duration

	// TrustDeletes saves the listing after a delete that checks whether the
	// store did what it said.
	TrustDeletes bool

	// OnWait is told of a request that has made no progress for two seconds, and of
	// each of its attempts that fails from then on; every two seconds at most, for
	// all requests together. It must not block. Without it they are logged.
	OnWait func(Wait)

	Logger *slog.Logger // default slog.Default()
}

// String describes the place, without secrets; so do GoString and MarshalJSON.
func (c Config) String() string { return c.place().String() }

func (c Config) place() place.Place {
	return place.Place{Bucket: c.Bucket, Prefix: c.Prefix, Region: c.Region, Endpoint: c.Endpoint, PathStyle: c.PathStyle == Yes}
}

// GoString implements fmt.GoStringer.
func (c Config) GoString() string { return fmt.Sprintf("s3.Config(%q)", c.String()) }

// MarshalText implements encoding.TextMarshaler, and so JSON.
func (c Config) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// normalize fills in defaults and refuses nonsense. The provider is that of
// the endpoint.
func (c Config) normalize() (Config, place.Provider, error) {
	where := c.place()
	p, err := where.Normalize()
	if err != nil {
		return c, p, err
	}
	if (c.AccessKeyID == "") != (c.SecretAccessKey == "") {
		return c, p, errors.New("access key id and secret access key go together: one of them is empty")
	}
	c.Bucket, c.Prefix, c.Region, c.Endpoint = where.Bucket, where.Prefix, where.Region, where.Endpoint
	c.PartSize = cmp.Or(c.PartSize, p.PartSize, DefaultPartSize)
	c.Concurrency = cmp.Or(c.Concurrency, p.Concurrency, DefaultConcurrency)
	c.StallTimeout = cmp.Or(c.StallTimeout, DefaultStallTimeout)
	c.RetryTimeout = cmp.Or(c.RetryTimeout, DefaultRetryTimeout)
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c, p, c.checkNumbers()
}

func (c *Config) checkNumbers() error {
	switch {
	case c.PartSize < MinPartSize || c.PartSize > MaxPartSize:
		return fmt.Errorf("part size %d: want %d to %d bytes", c.PartSize, MinPartSize, MaxPartSize)
	case c.Concurrency < 1 || c.Concurrency > 1000:
		return fmt.Errorf("concurrency %d: want 1 to 1000", c.Concurrency)
	case c.StallTimeout < 0:
		return fmt.Errorf("stall timeout %v: negative", c.StallTimeout)
	case c.RetryTimeout < 0:
		return fmt.Errorf("retry timeout %v: negative", c.RetryTimeout)
	}
	return nil
}

// transport makes every choice of a normalized Config that the provider table is to make.
func (c Config) transport(p place.Provider) (opts transport.Options, err error) {
	opts = transport.Options{
		Place: c.place(), Provider: p,
		SkipVerify: c.SkipVerify, Idle: 2 * c.Concurrency,
		PathStyle:          c.PathStyle.or(!p.VirtualHost),
		SignAcceptEncoding: c.SignAcceptEncoding.or(!p.AcceptEncoding),
		PutMD5:             c.PutContentMD5,
		DeleteMD5:          c.ContentMD5.or(!p.NoContentMD5 && !p.SDKDefaults),
		Stall:              c.StallTimeout, Retry: c.RetryTimeout,
	}
	if c.AccessKeyID != "" {
		opts.Credentials = transport.Static(c.AccessKeyID, c.SecretAccessKey, c.SessionToken)
	}
	switch {
	case place.IsARN(c.Bucket): // it is in the host, with dots or without
		opts.PathStyle = false
	case c.Endpoint == "" && c.PathStyle == Auto:
		opts.PathStyle = strings.Contains(c.Bucket, ".") // no wildcard certificate covers it
	}
	switch {
	case c.SignPayload == No:
		opts.Payload = transport.Unsigned
	case !p.SDKDefaults || c.SignPayload == Yes:
		opts.Payload = transport.Signed
	}
	if c.OnWait != nil {
		opts.OnWait = func(w transport.Wait) { c.OnWait(Wait(w)) }
	}
	opts.Encryption, err = transport.NewEncryption(
		c.SSECustomerAlgorithm, c.SSECustomerKey, c.SSECustomerKeyMD5, c.SSEKMSKeyID, c.Endpoint)
	return opts, err
}

// Wait is a request that the store keeps a caller waiting for.
type Wait struct {
	Op, Key string
	Since   time.Time // of the last progress, or of the first attempt
	Attempt int       // how many have failed; 0 while the first has no answer
	Err     error     // of the last that failed
	Until   time.Time // when the store gives up if this goes on; zero if after this request
}

// ErrNoSuchBucket says that the bucket of a store does not exist. It is not
// fs.ErrNotExist: a misspelt bucket must not look like an empty replica.
var ErrNoSuchBucket = answer.ErrNoSuchBucket

// ErrOutcomeUnknown says that a write may have happened and may not have: the
// answer was lost, and the object could not be read back.
var ErrOutcomeUnknown = blob.ErrIndeterminate
