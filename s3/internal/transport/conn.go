package transport

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/logging"

	"github.com/replctl/replicate/s3/internal/answer"
	"github.com/replctl/replicate/s3/internal/place"
)

// Payload says whether the hash of a body is in the signature.
type Payload int8

// The choices: the SDK signs it, unless the connection is TLS.
const (
	AsSDK Payload = iota
	Signed
	Unsigned
)

// Options is what a connection knows of its store. Every choice is made.
type Options struct {
	Place    place.Place
	Provider place.Provider

	Credentials sdk.CredentialsProvider // nil: Litestream's variables, or the SDK's chain
	Transport   http.RoundTripper       // nil: one that heeds the three below, and the environment
	SkipVerify  bool                    // do not verify the server's certificate
	Idle        int                     // connections that are kept open, at least
	Tune        func(*http.Transport)   // what else is special about the connections

	PathStyle          bool
	Payload            Payload
	SignAcceptEncoding bool
	PutMD5, DeleteMD5  bool // send Content-MD5 with bodies of objects, with DeleteObjects
	Encryption         Encryption

	Stall time.Duration // how long an attempt may be silent
	Retry time.Duration // how long attempts are repeated

	OnWait func(Wait)          // nil: they are logged
	Log    func() *slog.Logger // never nil
}

// Conn sends requests to one store.
type Conn struct {
	API *awss3.Client
	Options
	Backoff Backoff
	Notice  time.Duration // how long a request is waited for in silence

	credentials *checkedCredentials
	reached     atomic.Bool  // the server has answered before
	needsMD5    atomic.Bool  // a body needs a Content-MD5
	told        atomic.Int64 // when a wait was told of, in nanoseconds of Unix time
}

// Open finds credentials and region. It makes no request to the bucket, but for one if
// AWS has to be asked where it is.
func Open(ctx context.Context, opts Options) (*Conn, error) {
	c := &Conn{Options: opts, Backoff: defaultBackoff, Notice: waitNotice}
	api, err := c.connect(ctx)
	c.API = api
	return c, err
}

// connect builds the SDK client.
func (c *Conn) connect(ctx context.Context) (*awss3.Client, error) {
	load := []func(*config.LoadOptions) error{
		config.WithHTTPClient(c.httpClient()),
		config.WithLogger(c.sdkLogger()),
		config.WithAppID("replicate"),
	}
	if c.Place.Region != "" {
		load = append(load, config.WithRegion(c.Place.Region))
	}
	if given := cmp.Or(c.Credentials, litestreamCredentials()); given != nil {
		load = append(load, config.WithCredentialsProvider(given))
	}
	loaded, err := config.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return nil, fmt.Errorf("aws configuration: %w", err)
	}
	if flaw := flawOf(loaded.Region); flaw != "" {
		return nil, fmt.Errorf("region %q (from the settings, AWS_REGION, AWS_DEFAULT_REGION or a profile): it %s",
			loaded.Region, flaw)
	}
	c.guard(&loaded)
	if region, err := c.region(ctx, loaded); err != nil {
		return nil, err
	} else if region != "" {
		loaded.Region = region
	}
	return awss3.NewFromConfig(loaded, c.options), nil
}

// guard puts our checks between the SDK and both the network and whatever gives out
// credentials. Before, only the SDK's own types will do.
func (c *Conn) guard(loaded *sdk.Config) {
	carrier := c.Transport
	if client, ok := loaded.HTTPClient.(*awshttp.BuildableClient); ok && carrier == nil {
		carrier = client.GetTransport()
	}
	if carrier != nil {
		loaded.HTTPClient = &http.Client{Transport: noRedirects{carrier}}
	}
	c.credentials = &checkedCredentials{CredentialsProvider: loaded.Credentials}
	loaded.Credentials = c.credentials
}

func (c *Conn) options(o *awss3.Options) {
	o.Retryer = sdk.NopRetryer{} // retry.go does it
	o.UsePathStyle = c.PathStyle
	o.UseARNRegion = true
	o.DisableLogOutputChecksumValidationSkipped = true
	if c.Place.Endpoint != "" {
		o.BaseEndpoint = sdk.String(c.Place.Endpoint)
	}
	if !c.Checksums() {
		o.RequestChecksumCalculation = sdk.RequestChecksumCalculationWhenRequired
		o.ResponseChecksumValidation = sdk.ResponseChecksumValidationWhenRequired
	}
	o.APIOptions = append(o.APIOptions, c.middleware)
}

// Checksums reports whether the SDK may checksum bodies as it does by default.
// Its aws-chunked trailers and unsigned payloads exclude each other, on AWS too
// (litestream#889).
func (c *Conn) Checksums() bool { return c.Provider.SDKDefaults && c.Payload != Unsigned }

// httpClient is the SDK's own buildable client: only with that does the SDK
// honour AWS_CA_BUNDLE (with a plain *http.Client it refuses to start).
func (c *Conn) httpClient() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().
		WithReadTimeout(0). // the watchdog's task
		WithTransportOptions(func(t *http.Transport) {
			t.MaxResponseHeaderBytes = maxHeader
			t.MaxIdleConnsPerHost = max(t.MaxIdleConnsPerHost, c.Idle)
			// A dead HTTP/2 connection is found by a ping; else every stream
			// put on it would stall in turn.
			t.HTTP2 = &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 10 * time.Second}
			if c.SkipVerify {
				if t.TLSClientConfig == nil {
					t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
				}
				t.TLSClientConfig.InsecureSkipVerify = true //nolint:gosec // asked for
			}
			if c.Tune != nil {
				c.Tune(t)
			}
		})
}

// sdkLogger sends what the SDK has to say to the debug level.
func (c *Conn) sdkLogger() logging.Logger {
	return logging.LoggerFunc(func(class logging.Classification, format string, v ...any) {
		c.Log().Debug("aws sdk", slog.String("class", string(class)), slog.String("message", fmt.Sprintf(format, v...)))
	})
}

// region asks AWS where the bucket is if nobody said. HEAD answers with the
// region even to those who may not read the bucket; GetBucketLocation, which
// Litestream uses, needs a permission of its own (litestream#593).
func (c *Conn) region(ctx context.Context, loaded sdk.Config) (string, error) {
	if loaded.Region != "" || c.Place.Endpoint != "" {
		return "", nil
	}
	if parts := strings.SplitN(c.Place.Bucket, ":", 6); place.IsARN(c.Place.Bucket) && len(parts) == 6 {
		// arn:aws:s3:REGION:ACCOUNT:accesspoint/NAME. One of several regions names
		// none, and is signed for all.
		return cmp.Or(parts[3], place.DefaultRegion), nil
	}
	loaded.Region = place.DefaultRegion
	api := awss3.NewFromConfig(loaded, c.options)
	region := ""
	err := c.Try(ctx, "look up region of bucket", c.Place.Bucket, func(ctx context.Context, _ *Watchdog) error {
		out, err := api.HeadBucket(ctx, &awss3.HeadBucketInput{Bucket: &c.Place.Bucket})
		if err == nil {
			region = sdk.ToString(out.BucketRegion)
			return nil
		}
		var re *awshttp.ResponseError
		if errors.As(err, &re) && re.Response != nil {
			region = re.Response.Header.Get("X-Amz-Bucket-Region")
		}
		switch {
		case region != "":
			return nil
		case re != nil && re.HTTPStatusCode() == http.StatusNotFound:
			return answer.NoSuchBucket(c.Place.Bucket)
		}
		return err
	})
	return region, err
}
