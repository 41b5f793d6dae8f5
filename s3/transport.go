package s3

import (
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
	"github.com/aws/aws-sdk-go-v2/credentials"
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
	if id, secret, token := s.cfg.staticCredentials(); id != "" {
		load = append(load, config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(id, secret, token)))
	}
	loaded, err := config.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return nil, fmt.Errorf("aws configuration: %w", err)
	}
	if region, err := s.region(ctx, loaded); err != nil {
		return nil, err
	} else if region != "" {
		loaded.Region = region
	}
	return awss3.NewFromConfig(loaded, s.options), nil
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

// staticCredentials are those of the Config, else Litestream's variables, but
// only if AWS's are not set: then the SDK's chain reads them, and the session
// token that may belong to them.
func (c Config) staticCredentials() (id, secret, token string) {
	if c.AccessKeyID != "" {
		return c.AccessKeyID, c.SecretAccessKey, c.SessionToken
	}
	if os.Getenv("AWS_ACCESS_KEY_ID") != "" {
		return "", "", ""
	}
	if id, secret = os.Getenv("LITESTREAM_ACCESS_KEY_ID"), os.Getenv("LITESTREAM_SECRET_ACCESS_KEY"); secret == "" {
		return "", "", ""
	}
	return id, secret, ""
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
	if parts := strings.SplitN(s.cfg.Bucket, ":", 6); len(parts) == 6 && parts[3] != "" {
		return parts[3], nil // arn:aws:s3:REGION:ACCOUNT:accesspoint/NAME
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
			return ErrNoSuchBucket
		}
		return err
	})
	return region, err
}
