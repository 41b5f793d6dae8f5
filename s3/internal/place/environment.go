package place

import (
	"cmp"
	"context"
	"os"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
)

// EndpointFromEnvironment is for a caller that names no endpoint: LITESTREAM_S3_ENDPOINT,
// or else what the SDK finds in AWS_ENDPOINT_URL_S3, in AWS_ENDPOINT_URL and in the profile
// of ~/.aws/config. The SDK would use it without a word, and nobody could tell what to
// expect of the store behind it. A file that cannot be read is not reported here: the SDK
// reports it when the store is opened.
func EndpointFromEnvironment(endpoint string) string {
	if endpoint = cmp.Or(endpoint, os.Getenv("LITESTREAM_S3_ENDPOINT")); endpoint != "" {
		return endpoint
	}
	loaded, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		return ""
	}
	return sdk.ToString(awss3.NewFromConfig(loaded).Options().BaseEndpoint)
}
