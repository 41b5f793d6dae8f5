package s3

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/s3/internal/answer"
	"github.com/replctl/replicate/s3/internal/place"
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

// Config says where a store is and how to talk to it. Bucket is required, all else has a
// default. It has the names that Litestream's clients have for the same.
//
// ReplicaClient and Leaser embed it, and read it when they are first used. [Open] and
// [OpenRecords] take it; what is about large objects they do not need for records.
type Config struct {
	Bucket string // a name, or the ARN of an access point
	Path   string // the root in the bucket, without slashes at its ends; may be empty

	// Region may be empty: for AWS it is then taken from the environment or
	// asked of the bucket, for others it rarely matters.
	Region string
	// Endpoint is the server's URL; the scheme may be missing. It has no path and
	// not the bucket in its host. Empty means AWS, unless LITESTREAM_S3_ENDPOINT,
	// AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL is set, or the profile has an
	// endpoint_url in ~/.aws/config.
	Endpoint string

	// AccessKeyID and SecretAccessKey may be empty. Then they come from Credentials, or
	// from LITESTREAM_ACCESS_KEY_ID and LITESTREAM_SECRET_ACCESS_KEY, or from where the AWS
	// SDK looks for them (environment, shared files, instance and container roles).
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string

	// Credentials gives out the keys that sign requests; aws.AnonymousCredentials signs
	// none. It excludes AccessKeyID. The SDK asks it again when the keys expire.
	Credentials aws.CredentialsProvider

	// Transport carries the requests to the store, in place of a transport of this
	// package's making that heeds AWS_CA_BUNDLE, HTTPS_PROXY and SkipVerify; it excludes
	// SkipVerify. It does not carry the SDK's requests for credentials. Redirects are not
	// followed whatever it is. A Leaser's own transport speaks HTTP/1, and shares no
	// connection: a Transport that it shares with uploads can make its renewals wait.
	Transport http.RoundTripper

	// These four leave a matter to the provider table, which knows what a store needs, if
	// they have the value that NewConfig gives them. ForcePathStyle puts the bucket into the
	// path and not into the host name. The others switch off, where they are false, hashing
	// the body into the signature, signing Accept-Encoding (which some proxies rewrite), and
	// Content-MD5 with DeleteObjects. In a Config that NewConfig has not made, false leaves
	// the matter to the table, and true asks for it.
	ForcePathStyle     bool
	SignPayload        bool
	SignAcceptEncoding bool
	RequireContentMD5  bool

	PutObjectContentMD5 bool // send Content-MD5 with objects, too
	SkipVerify          bool // do not verify the server's certificate

	// PartSize is how many bytes of an upload go into one part, Concurrency how many parts
	// of an upload or pieces of a slow download are in flight; a deletion has up to twice as
	// many requests in flight. Zero is the provider's number, or else DefaultPartSize and
	// DefaultConcurrency.
	PartSize     int64
	Concurrency  int
	StorageClass string

	SSECustomerAlgorithm string // "AES256" or empty
	SSECustomerKey       string // 32 bytes in base64
	SSECustomerKeyMD5    string // derived from the key if empty
	SSEKMSKeyID          string // excludes SSECustomerKey

	// StallTimeout is how long a connection may be silent before the attempt
	// is abandoned; RetryTimeout is how long attempts are repeated without any
	// progress between them. Zero is DefaultStallTimeout and DefaultRetryTimeout.
	StallTimeout time.Duration
	RetryTimeout time.Duration

	// TrustDeletes saves the listing after a delete that checks whether the
	// store did what it said.
	TrustDeletes bool

	// OnWait is told of a request that has made no progress for two seconds, and of
	// each of its attempts that fails from then on; every two seconds at most, for
	// all requests together. It must not block, and is not called for a request that has
	// ended. Several goroutines may call it at once. Without it they are logged.
	OnWait func(Wait)

	Logger *slog.Logger // default slog.Default()

	preset  bool    // the four above have had the values of NewConfig
	fromURL choices // what a URL says, which a bool cannot hold
}

// NewConfig returns the settings that Litestream has by default: true for SignPayload,
// SignAcceptEncoding and RequireContentMD5.
func NewConfig() Config {
	return Config{SignPayload: true, SignAcceptEncoding: true, RequireContentMD5: true, preset: true}
}

// Wait is a request that the store keeps a caller waiting for.
type Wait struct {
	Op, Key string
	Since   time.Time // of the last progress, or of the first attempt
	Attempt int       // how many have failed; 0 while the first has no answer
	Err     error     // of the last that failed
	Until   time.Time // when the store gives up if this goes on; zero if after this request
}

// String describes the place, without secrets; so do GoString and MarshalText.
func (c Config) String() string { return c.place().String() }

// GoString implements fmt.GoStringer.
func (c Config) GoString() string { return fmt.Sprintf("s3.Config(%q)", c.String()) }

// MarshalText implements encoding.TextMarshaler, and so JSON.
func (c Config) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

func (c Config) place() place.Place {
	return place.Place{Bucket: c.Bucket, Prefix: c.Path, Region: c.Region, Endpoint: c.Endpoint,
		PathStyle: c.choices().pathStyle == yes}
}

// normalize fills in defaults and refuses nonsense. The provider is that of
// the endpoint.
func (c Config) normalize() (Config, place.Provider, error) {
	where := c.place()
	p, err := where.Normalize()
	if err != nil {
		return c, p, err
	}
	c.Bucket, c.Path, c.Region, c.Endpoint = where.Bucket, where.Prefix, where.Region, where.Endpoint
	c.PartSize = cmp.Or(c.PartSize, p.PartSize, DefaultPartSize)
	c.Concurrency = cmp.Or(c.Concurrency, p.Concurrency, DefaultConcurrency)
	c.StallTimeout = cmp.Or(c.StallTimeout, DefaultStallTimeout)
	c.RetryTimeout = cmp.Or(c.RetryTimeout, DefaultRetryTimeout)
	return c, p, c.check()
}

func (c *Config) check() error {
	switch {
	case (c.AccessKeyID == "") != (c.SecretAccessKey == ""):
		return errors.New("access key id and secret access key go together: one of them is empty")
	case c.AccessKeyID != "" && c.Credentials != nil:
		return errors.New("an access key id and a provider of credentials exclude each other")
	case c.SkipVerify && c.Transport != nil:
		return errors.New("skip-verify and a transport exclude each other: the transport verifies the server or does not")
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

// ErrNoSuchBucket says that the bucket of a store does not exist. It is not
// fs.ErrNotExist: a misspelt bucket must not look like an empty replica.
var ErrNoSuchBucket = answer.ErrNoSuchBucket

// ErrOutcomeUnknown says that a write may have happened and may not have: the
// answer was lost, and the object could not be read back.
var ErrOutcomeUnknown = blob.ErrIndeterminate
