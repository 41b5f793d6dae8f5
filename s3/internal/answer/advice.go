package answer

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// Advise adds to an error what to do about it. The method Advice of the result is for a
// program that talks to people; Error has it too.
func Advise(err error, advice string) error { return advised{err, advice} }

type advised struct {
	error
	advice string
}

func (a advised) Unwrap() error { return a.error }

// Advice says what to try, in the names of variables and of a URL's parameters.
func (a advised) Advice() string { return a.advice }

// Advice says what to try, in the names of variables and of a URL's parameters. It
// is empty where nobody knows.
func (e *Error) Advice() string {
	if e.region != "" {
		return "region=" + e.region
	}
	if e.movedTo != "" {
		return "endpoint=" + e.movedTo + ", if that is the store as well"
	}
	if advice, ok := codeAdvice[e.code]; ok {
		return advice
	}
	switch {
	case strings.HasPrefix(e.code, "KMS."):
		return "the key in sse-kms-key-id, and the permission to use it"
	case e.code == "AccessDenied" || e.status == http.StatusForbidden:
		return "a key that has the permission " + cmp.Or(permissions[e.op], "for this") + on(e.bucket) + ", or another key"
	case e.status == http.StatusUnauthorized:
		return "credentials that this store knows"
	case errors.Is(e.kind, ErrNoSuchBucket):
		return codeAdvice["NoSuchBucket"]
	}
	return ""
}

func on(bucket string) string {
	if bucket == "" {
		return ""
	}
	return " on bucket " + bucket
}

const byHost = "force-path-style=false: this store wants the bucket in the host name"

// codeAdvice is what to do about an S3 error code.
var codeAdvice = map[string]string{
	"InvalidAccessKeyId": "another access key: this store does not know this one; or another endpoint",
	"XAdminUserNotFound": "another access key: this store does not know this one; or another endpoint", // versitygw
	"SignatureDoesNotMatch": "the secret that belongs to the access key; then the region; " +
		"then sign-accept-encoding=false, if a proxy is in between",
	"ExpiredToken":         "new credentials: the session token has expired",
	"InvalidToken":         "the session token that belongs to the access key (AWS_SESSION_TOKEN), or none",
	"RequestTimeTooSkewed": "setting this machine's clock",
	"InvalidObjectState":   "restoring the object from its archive first: it is in an archive's storage class",

	"NoSuchBucket":               "another spelling of the bucket, or another endpoint: this store has no such bucket",
	"InvalidBucketName":          "another spelling of the bucket; or force-path-style=true, if it is for the host name",
	"SecondLevelDomainForbidden": byHost, // Alibaba Cloud OSS
	"PathStyleDomainForbidden":   byHost, // Tencent COS
	"InvalidPathAccess":          byHost, // Volcengine TOS
}

// permissions are those that the operations of the SDK need.
var permissions = map[string]string{
	"ListObjectsV2": "s3:ListBucket",
	"HeadBucket":    "s3:ListBucket",

	"GetObject":  "s3:GetObject",
	"HeadObject": "s3:GetObject",

	"PutObject":               "s3:PutObject",
	"CreateMultipartUpload":   "s3:PutObject",
	"UploadPart":              "s3:PutObject",
	"CompleteMultipartUpload": "s3:PutObject",
	"AbortMultipartUpload":    "s3:AbortMultipartUpload",

	"DeleteObject":  "s3:DeleteObject",
	"DeleteObjects": "s3:DeleteObject",
}

// notS3 is what to do about a server that does not speak as S3 does, with the
// error that shows it; nil for another.
func notS3(err error) error {
	const (
		talksHTTPS = "endpoint=https://..., since the server speaks https there"
		talksHTTP  = "endpoint=http://..., since the server speaks http there"
	)
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &tooLong):
		return advised{fmt.Errorf("the answer is longer than %d bytes, and none of S3 is", tooLong.Limit), ""}
	case errors.Is(err, ErrWebPage):
		return advised{GaveUp(ErrWebPage), "the endpoint of the S3 interface: this one is a console, a login page or a proxy"}
	case errors.Is(err, http.ErrSchemeMismatch):
		return advised{http.ErrSchemeMismatch, talksHTTP}
	case errors.Is(err, ErrWantsHTTPS), err != nil && strings.Contains(err.Error(), tlsAlert):
		return advised{ErrWantsHTTPS, talksHTTPS}
	}
	return nil
}

// ErrWebPage is the answer of a console, a login page or a proxy.
var ErrWebPage = errors.New("the answer is a web page, not one of S3")

// ErrWantsHTTPS is what servers say in plain text to a request in plain text.
var ErrWantsHTTPS = errors.New("the server wants https")

// tlsAlert is how net/http quotes the answer of a server that says it in TLS.
const tlsAlert = `malformed HTTP response "\x15\x03`
