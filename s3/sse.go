package s3

import (
	"crypto/md5" //nolint:gosec // what S3 identifies a key by
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// sse is the server-side encryption of a store: with a customer's key, which
// has to be sent with every request that touches an object, or with a key of
// KMS, which is only named when an object is made.
type sse struct {
	algorithm, key, keyMD5 *string
	kmsKey                 *string
}

func newSSE(c Config) (sse, error) {
	switch {
	case c.SSECustomerKey == "" && (c.SSECustomerAlgorithm != "" || c.SSECustomerKeyMD5 != ""):
		return sse{}, errors.New("sse-customer-key required with the other sse-customer settings")
	case c.SSECustomerKey != "" && c.SSEKMSKeyID != "":
		return sse{}, errors.New("sse-customer-key and sse-kms-key-id exclude each other")
	case c.SSEKMSKeyID != "":
		return sse{kmsKey: &c.SSEKMSKeyID}, nil
	case c.SSECustomerKey == "":
		return sse{}, nil
	case c.SSECustomerAlgorithm != "" && c.SSECustomerAlgorithm != "AES256":
		return sse{}, fmt.Errorf("sse-customer-algorithm %q: want AES256", c.SSECustomerAlgorithm)
	}
	return newCustomerKey(c)
}

func newCustomerKey(c Config) (sse, error) {
	key, err := base64.StdEncoding.DecodeString(c.SSECustomerKey)
	if err != nil {
		return sse{}, errors.New("sse-customer-key: not base64") // the cause would quote it
	}
	if len(key) != 32 {
		return sse{}, fmt.Errorf("sse-customer-key: %d bytes long when decoded, want 32", len(key))
	}
	hash := md5.Sum(key) //nolint:gosec // as above
	sum := base64.StdEncoding.EncodeToString(hash[:])
	if c.SSECustomerKeyMD5 != "" && c.SSECustomerKeyMD5 != sum {
		return sse{}, errors.New("sse-customer-key-md5 is not that of sse-customer-key")
	}
	if u, err := url.Parse(c.Endpoint); err == nil && u.Scheme == "http" && !isPrivateHost(u.Hostname()) {
		return sse{}, fmt.Errorf("sse-customer-key would be sent in the clear to %s: use https", u.Host)
	}
	plain := base64.StdEncoding.EncodeToString(key) // without the newlines that decoding passes over
	return sse{algorithm: aws.String("AES256"), key: &plain, keyMD5: &sum}, nil
}

func (e sse) get(in *awss3.GetObjectInput) {
	in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = e.algorithm, e.key, e.keyMD5
}

func (e sse) head(in *awss3.HeadObjectInput) {
	in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = e.algorithm, e.key, e.keyMD5
}

func (e sse) put(in *awss3.PutObjectInput) {
	in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = e.algorithm, e.key, e.keyMD5
	if e.kmsKey != nil {
		in.ServerSideEncryption, in.SSEKMSKeyId = types.ServerSideEncryptionAwsKms, e.kmsKey
	}
}

func (e sse) create(in *awss3.CreateMultipartUploadInput) {
	in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = e.algorithm, e.key, e.keyMD5
	if e.kmsKey != nil {
		in.ServerSideEncryption, in.SSEKMSKeyId = types.ServerSideEncryptionAwsKms, e.kmsKey
	}
}

func (e sse) part(in *awss3.UploadPartInput) {
	in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = e.algorithm, e.key, e.keyMD5
}

func (e sse) complete(in *awss3.CompleteMultipartUploadInput) {
	in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = e.algorithm, e.key, e.keyMD5
}
