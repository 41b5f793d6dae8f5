package transport

import (
	"crypto/md5" //nolint:gosec // what S3 identifies a key by
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/replctl/replicate/s3/internal/place"
)

// Encryption is the server-side encryption of a store: with a customer's key, which
// has to be sent with every request that touches an object, or with a key of
// KMS, which is only named when an object is made.
type Encryption struct {
	algorithm, key, keyMD5 *string
	kmsKey                 *string
}

// NewEncryption checks the settings: the algorithm, which is AES256 if it is not empty, the
// customer's key and its MD5, both in base64, or the name of a key of KMS. A customer's key
// is not sent over a public network in the clear.
func NewEncryption(algorithm, key, keyMD5, kmsKey, endpoint string) (Encryption, error) {
	switch {
	case key == "" && (algorithm != "" || keyMD5 != ""):
		return Encryption{}, errors.New("sse-customer-key required with the other sse-customer settings")
	case key != "" && kmsKey != "":
		return Encryption{}, errors.New("sse-customer-key and sse-kms-key-id exclude each other")
	case kmsKey != "":
		return Encryption{kmsKey: &kmsKey}, nil
	case key == "":
		return Encryption{}, nil
	case algorithm != "" && algorithm != "AES256":
		return Encryption{}, fmt.Errorf("sse-customer-algorithm %q: want AES256", algorithm)
	}
	return newCustomerKey(key, keyMD5, endpoint)
}

func newCustomerKey(key, keyMD5, endpoint string) (Encryption, error) {
	raw, err := base64.StdEncoding.DecodeString(key)
	if err != nil {
		return Encryption{}, errors.New("sse-customer-key: not base64") // the cause would quote it
	}
	if len(raw) != 32 {
		return Encryption{}, fmt.Errorf("sse-customer-key: %d bytes long when decoded, want 32", len(raw))
	}
	hash := md5.Sum(raw) //nolint:gosec // as above
	sum := base64.StdEncoding.EncodeToString(hash[:])
	if keyMD5 != "" && keyMD5 != sum {
		return Encryption{}, errors.New("sse-customer-key-md5 is not that of sse-customer-key")
	}
	if u, err := url.Parse(endpoint); err == nil && u.Scheme == "http" && !place.IsPrivateHost(u.Hostname()) {
		return Encryption{}, fmt.Errorf("sse-customer-key would be sent in the clear to %s: use https", u.Host)
	}
	plain := base64.StdEncoding.EncodeToString(raw) // without the newlines that decoding passes over
	return Encryption{algorithm: aws.String("AES256"), key: &plain, keyMD5: &sum}, nil
}

func (e Encryption) Get(in *awss3.GetObjectInput) {
	in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = e.algorithm, e.key, e.keyMD5
}

func (e Encryption) Head(in *awss3.HeadObjectInput) {
	in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = e.algorithm, e.key, e.keyMD5
}

func (e Encryption) Put(in *awss3.PutObjectInput) {
	in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = e.algorithm, e.key, e.keyMD5
	if e.kmsKey != nil {
		in.ServerSideEncryption, in.SSEKMSKeyId = types.ServerSideEncryptionAwsKms, e.kmsKey
	}
}

func (e Encryption) Create(in *awss3.CreateMultipartUploadInput) {
	in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = e.algorithm, e.key, e.keyMD5
	if e.kmsKey != nil {
		in.ServerSideEncryption, in.SSEKMSKeyId = types.ServerSideEncryptionAwsKms, e.kmsKey
	}
}

func (e Encryption) Part(in *awss3.UploadPartInput) {
	in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = e.algorithm, e.key, e.keyMD5
}

func (e Encryption) Complete(in *awss3.CompleteMultipartUploadInput) {
	in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = e.algorithm, e.key, e.keyMD5
}
