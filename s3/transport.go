package s3

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/logging"
)

// connect builds the SDK client.
func (s *Store) connect(ctx context.Context) (*awss3.Client, error) {
	load := []func(*config.LoadOptions) error{
		config.WithHTTPClient(s.httpClient()),
		config.WithLogger(s.sdkLogger()),
		config.WithAppID("replicate"),
	}
	if s.cfg.Region != "" {
		load = append(load, config.WithRegion(s.cfg.Region))
	}
	if static := s.cfg.staticCredentials(); static != nil {
		load = append(load, config.WithCredentialsProvider(static))
	}
	loaded, err := config.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return nil, fmt.Errorf("aws configuration: %w", err)
	}
	if flaw := flawOf(loaded.Region); flaw != "" {
		return nil, fmt.Errorf("region %q (from the settings, AWS_REGION, AWS_DEFAULT_REGION or a profile): it %s", loaded.Region, flaw)
	}
	s.guard(&loaded)
	if base := awss3.NewFromConfig(loaded).Options().BaseEndpoint; base != nil && s.cfg.Endpoint == "" {
		if err := s.adopt(*base); err != nil {
			return nil, fmt.Errorf("endpoint_url of the profile: %w", err)
		}
		loaded.Region = cmp.Or(loaded.Region, s.cfg.Region)
	}
	if region, err := s.region(ctx, loaded); err != nil {
		return nil, err
	} else if region != "" {
		loaded.Region = region
	}
	return awss3.NewFromConfig(loaded, s.options), nil
}

// guard puts our checks between the SDK and both the network and whatever gives out
// credentials. Before, only the SDK's own types will do.
func (s *Store) guard(loaded *sdk.Config) {
	if client, ok := loaded.HTTPClient.(*awshttp.BuildableClient); ok {
		loaded.HTTPClient = &http.Client{Transport: noRedirects{client.GetTransport()}}
	}
	s.credentials = &checkedCredentials{CredentialsProvider: loaded.Credentials}
	loaded.Credentials = s.credentials
}

// adopt takes an endpoint that only the SDK has found for one that was given, with
// what is known of the store behind it.
func (s *Store) adopt(endpoint string) (err error) {
	cfg := s.cfg
	cfg.Endpoint = endpoint
	if s.cfg, s.provider, err = cfg.normalize(); err != nil {
		return err
	}
	s.sse, err = newSSE(s.cfg)
	return err
}

func (s *Store) options(o *awss3.Options) {
	o.Retryer = sdk.NopRetryer{} // retry.go does it
	o.UsePathStyle = s.cfg.PathStyle.or(!s.provider.virtualHost)
	o.UseARNRegion = true
	o.DisableLogOutputChecksumValidationSkipped = true
	if s.cfg.Endpoint != "" {
		o.BaseEndpoint = sdk.String(s.cfg.Endpoint)
	} else if s.cfg.PathStyle == Auto {
		o.UsePathStyle = strings.Contains(s.cfg.Bucket, ".") // no wildcard certificate covers it
	}
	if isARN(s.cfg.Bucket) { // it is in the host, with dots or without
		o.UsePathStyle = false
	}
	if !s.checksums() {
		o.RequestChecksumCalculation = sdk.RequestChecksumCalculationWhenRequired
		o.ResponseChecksumValidation = sdk.ResponseChecksumValidationWhenRequired
	}
	o.APIOptions = append(o.APIOptions, s.middleware)
}

// checksums reports whether the SDK may checksum bodies as it does by default.
// Its aws-chunked trailers and unsigned payloads exclude each other, on AWS too
// (litestream#889).
func (s *Store) checksums() bool { return s.provider.sdkDefaults && s.cfg.SignPayload != No }

// httpClient is the SDK's own buildable client: only with that does the SDK
// honour AWS_CA_BUNDLE (with a plain *http.Client it refuses to start).
func (s *Store) httpClient() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().
		WithReadTimeout(0). // the watchdog's task
		WithTransportOptions(func(t *http.Transport) {
			t.MaxResponseHeaderBytes = maxHeader
			t.MaxIdleConnsPerHost = max(t.MaxIdleConnsPerHost, 2*s.cfg.Concurrency)
			// A dead HTTP/2 connection is found by a ping; else every stream
			// put on it would stall in turn.
			t.HTTP2 = &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 10 * time.Second}
			if s.cfg.SkipVerify {
				if t.TLSClientConfig == nil {
					t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
				}
				t.TLSClientConfig.InsecureSkipVerify = true //nolint:gosec // asked for
			}
			s.tune(t)
		})
}

// sdkLogger sends what the SDK has to say to the debug level.
func (s *Store) sdkLogger() logging.Logger {
	return logging.LoggerFunc(func(class logging.Classification, format string, v ...any) {
		s.log().Debug("aws sdk", slog.String("class", string(class)), slog.String("message", fmt.Sprintf(format, v...)))
	})
}

// endpointFromEnvironment is for callers that name no endpoint. The SDK knows
// its two variables itself, but then it would not be known here what to expect
// of the store behind them.
func endpointFromEnvironment(endpoint string) string {
	for _, name := range []string{"LITESTREAM_S3_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"} {
		if endpoint == "" {
			endpoint = os.Getenv(name)
		}
	}
	if endpoint == "" {
		endpoint = endpointOfProfile()
	}
	return endpoint
}

// region asks AWS where the bucket is if nobody said. HEAD answers with the
// region even to those who may not read the bucket; GetBucketLocation, which
// Litestream uses, needs a permission of its own (litestream#593).
func (s *Store) region(ctx context.Context, loaded sdk.Config) (string, error) {
	if loaded.Region != "" || s.cfg.Endpoint != "" {
		return "", nil
	}
	if parts := strings.SplitN(s.cfg.Bucket, ":", 6); isARN(s.cfg.Bucket) && len(parts) == 6 {
		// arn:aws:s3:REGION:ACCOUNT:accesspoint/NAME. One of several regions names
		// none, and is signed for all.
		return cmp.Or(parts[3], DefaultRegion), nil
	}
	loaded.Region = DefaultRegion
	api := awss3.NewFromConfig(loaded, s.options)
	region := ""
	err := s.try(ctx, "look up region of bucket", s.cfg.Bucket, func(ctx context.Context, _ *watchdog) error {
		out, err := api.HeadBucket(ctx, &awss3.HeadBucketInput{Bucket: &s.cfg.Bucket})
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
			return s.noSuchBucket()
		}
		return err
	})
	return region, err
}
