package transport

import (
	"crypto/md5" //nolint:gosec // what S3 identifies a key by
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"

	"github.com/aws/smithy-go/middleware"

	"github.com/replctl/replicate/s3/internal/place"
)

// Encryption is the server-side encryption of a store, as headers: with a customer's key,
// which has to be sent with every request that touches an object, or with a key of KMS,
// which is only named when an object is made.
type Encryption struct{ touching, making map[string]string }

// None reports whether there is none.
func (e Encryption) None() bool { return e.touching == nil && e.making == nil }

// makes has the operations that touch an object, and whether they make one.
var makes = map[string]bool{
	"GetObject": false, "HeadObject": false, "UploadPart": false, "CompleteMultipartUpload": false,
	"PutObject": true, "CreateMultipartUpload": true,
}

func (e Encryption) add(stack *middleware.Stack) error {
	making, touching := makes[stack.ID()]
	if !touching {
		return nil
	}
	err := setHeaders(stack, e.touching)
	if making {
		err = errors.Join(err, setHeaders(stack, e.making))
	}
	return err
}

const sseHeader = "X-Amz-Server-Side-Encryption"

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
		return Encryption{making: map[string]string{sseHeader: "aws:kms", sseHeader + "-Aws-Kms-Key-Id": kmsKey}}, nil
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
	return Encryption{touching: map[string]string{
		sseHeader + "-Customer-Algorithm": "AES256", sseHeader + "-Customer-Key": plain, sseHeader + "-Customer-Key-Md5": sum,
	}}, nil
}
