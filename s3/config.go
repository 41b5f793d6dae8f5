package s3

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"
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
	DefaultRegion = "us-east-1"
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
func (c Config) String() string {
	s := "s3://" + c.Bucket + "/" + c.Prefix
	if c.Endpoint != "" {
		s += "?endpoint=" + redactEndpoint(c.Endpoint)
	}
	return s
}

// GoString implements fmt.GoStringer.
func (c Config) GoString() string { return fmt.Sprintf("s3.Config(%q)", c.String()) }

// MarshalText implements encoding.TextMarshaler, and so JSON.
func (c Config) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// normalize fills in defaults and refuses nonsense. The provider is that of
// the endpoint.
func (c Config) normalize() (Config, provider, error) {
	if err := c.checkPlace(); err != nil {
		return c, provider{}, err
	}
	if err := c.checkEndpoint(); err != nil {
		return c, provider{}, err
	}
	p, region := lookupProvider(c.Endpoint)
	c.Region = cmp.Or(c.Region, region)
	if c.Endpoint != "" && p.name != amazon {
		c.Region = cmp.Or(c.Region, p.region, DefaultRegion)
	}
	c.PartSize = cmp.Or(c.PartSize, p.partSize, DefaultPartSize)
	c.Concurrency = cmp.Or(c.Concurrency, p.concurrency, DefaultConcurrency)
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

// completeEndpoint adds the scheme that people leave out: without one a
// provider was not recognised and got the wrong settings (litestream#948).
func completeEndpoint(endpoint string) (string, error) {
	if endpoint = strings.TrimSpace(endpoint); endpoint == "" {
		return "", nil
	}
	raw := endpoint
	if !strings.Contains(raw, "://") {
		raw = "//" + raw
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Hostname() == "":
		return "", fmt.Errorf("endpoint %q: not a url", redactEndpoint(endpoint))
	case u.User != nil:
		return "", fmt.Errorf("endpoint %q: must not contain credentials", redactEndpoint(endpoint))
	case u.Scheme == "" && isPrivateHost(u.Hostname()):
		u.Scheme = "http"
	case u.Scheme == "":
		u.Scheme = "https"
	case u.Scheme != "http" && u.Scheme != "https":
		return "", fmt.Errorf("endpoint %q: want http or https", redactEndpoint(endpoint))
	}
	u.Host = strings.ToLower(u.Host)
	u.Path = strings.TrimRight(u.Path, "/")
	u.RawQuery, u.Fragment = "", ""
	return u.String(), nil
}

// redactEndpoint drops what may be a password or a token.
func redactEndpoint(endpoint string) string {
	endpoint, _, _ = strings.Cut(endpoint, "?")
	scheme, rest, ok := strings.Cut(endpoint, "://")
	if !ok {
		scheme, rest = "", endpoint
	} else {
		scheme += "://"
	}
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		rest = "..." + rest[at:]
	}
	return scheme + rest
}
