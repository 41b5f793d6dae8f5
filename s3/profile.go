package s3

import (
	"context"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
)

// endpointOfProfile is the endpoint that the profile in use has in ~/.aws/config, for S3
// or for all services; empty if it has none. The SDK would use it without a word: then
// nobody could tell what to expect of the store behind it. A file that cannot be read is
// not reported here: the SDK reports it when the store is opened.
func endpointOfProfile() string {
	loaded, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		return ""
	}
	return sdk.ToString(awss3.NewFromConfig(loaded).Options().BaseEndpoint)
}
