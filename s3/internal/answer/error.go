package answer

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"github.com/replctl/replicate/blob"
)

// ErrNoSuchBucket says that the bucket of a store does not exist. It is not
// fs.ErrNotExist: a misspelt bucket must not look like an empty replica.
var ErrNoSuchBucket = errors.New("bucket does not exist")

// ErrIncomplete says that an answer with a status of success is none of S3.
var ErrIncomplete = errors.New("the store's answer lacks what the protocol requires")

// MovedTo is the header in which the transport puts where a redirect leads: scheme and
// host. No redirect is followed.
const MovedTo = "X-Replicate-Moved-To"

var errPrecondition = errors.New("precondition failed")

// Wrap puts operation and key before the cause. Only an object that is read or looked
// at can be missing; a 404 for anything else says something else.
func Wrap(op, key string, err error) error {
	err = Describe(err)
	if op == "open" || op == "stat" {
		return blob.Named(op, key, err)
	}
	return fmt.Errorf("%s %s: %w", op, key, err)
}

// Error is an error answer of the store. It keeps nothing of the request:
// that carries the session token and the customer's key.
type Error struct {
	code, message, requestID string
	status                   int
	kind                     error

	op              string // of the SDK
	region, movedTo string // where the bucket is, where a redirect leads to
	bucket, key     string // what DescribeAt adds
}

func (e *Error) Error() string {
	var b strings.Builder
	switch {
	case e.kind != nil && !errors.Is(e.kind, errPrecondition):
		fmt.Fprintf(&b, "%v: ", e.kind)
	case e.code == "" && e.message == "":
		fmt.Fprintf(&b, "%s: ", http.StatusText(e.status))
	}
	b.WriteString(e.code)
	if e.message != "" && e.message != e.code {
		b.WriteString(": " + strings.TrimSuffix(e.message, "."))
	}
	fmt.Fprintf(&b, " (http %d", e.status)
	if e.requestID != "" {
		b.WriteString(", request " + e.requestID)
	}
	b.WriteString(")")
	b.WriteString(e.details())
	return b.String()
}

// details are what the answer does not say, and people need to know about it.
func (e *Error) details() string {
	var b strings.Builder
	if e.region != "" {
		b.WriteString("; the bucket is in region " + e.region)
	} else if e.movedTo != "" {
		b.WriteString("; it redirects to " + e.movedTo + ", which is not followed")
	}
	refused := errors.Is(e.kind, fs.ErrPermission) || errors.Is(e.kind, blob.ErrUnreadable)
	if e.bucket != "" && (refused || errors.Is(e.kind, ErrNoSuchBucket)) {
		b.WriteString("; bucket " + e.bucket)
		if refused && e.key != "" {
			b.WriteString(", access key: " + e.key)
		}
	}
	return b.String()
}

// DescribeAt is Describe, and adds what the answer does not say: the bucket, and where the
// access key is from, in words.
func DescribeAt(err error, bucket, keySource string) error {
	var e *Error
	err = Describe(err)
	if errors.As(err, &e) && e.bucket == "" {
		e.bucket, e.key = bucket, keySource
	}
	return err
}

// NoSuchBucket is the error of a bucket that a HEAD did not find.
func NoSuchBucket(bucket string) error {
	return &Error{code: "NoSuchBucket", status: http.StatusNotFound, kind: ErrNoSuchBucket, bucket: bucket}
}

// OfKey is the error of one key, in an answer that is fine otherwise.
func OfKey(code, message string) error {
	e := &Error{code: Clip(code), message: Clip(message), status: http.StatusOK, kind: kindOf(code, http.StatusOK)}
	if code == "AccessDenied" {
		e.kind = fs.ErrPermission
	}
	if RetryCode(code) {
		return Transient(e)
	}
	return e
}

// Unwrap returns the kind, and code and message as a smithy.APIError.
func (e *Error) Unwrap() []error {
	api := &smithy.GenericAPIError{Code: e.code, Message: e.message}
	if e.kind == nil {
		return []error{api}
	}
	return []error{e.kind, api}
}

// Describe turns an error of the SDK into one that reads well and is what the
// contract says; others stay what they are.
func Describe(err error) error {
	var done interface{ Advice() string }
	if op := credentialsFailed(err); op != nil {
		return fmt.Errorf("%w: no usable credentials: %w", fs.ErrPermission, op.Err)
	}
	if err == nil {
		return nil
	}
	if errors.As(err, &done) {
		if fresh, ok := err.(*smithy.OperationError); ok { //nolint:errorlint // one within is described already
			return inner(fresh)
		}
		return err
	}
	if wrong := notS3(err); wrong != nil {
		return wrong
	}
	code, status := Of(err)
	if code == "" && status == 0 {
		return inner(err)
	}
	e := &Error{code: Clip(code), status: status, kind: kindOf(code, status)}
	var api smithy.APIError
	if errors.As(err, &api) {
		e.message = Clip(api.ErrorMessage())
	}
	var re *awshttp.ResponseError
	if errors.As(err, &re) {
		e.requestID = Clip(re.ServiceRequestID())
	}
	if re != nil && re.Response != nil {
		e.region, e.movedTo = regionHint(re), re.Response.Header.Get(MovedTo)
	}
	var op *smithy.OperationError
	if errors.As(err, &op) {
		e.op = op.Operation()
	}
	if errors.Is(e.kind, fs.ErrNotExist) && writes(e.op) {
		e.kind = nil // the store's way to refuse: a write finds nothing missing
	}
	return e
}

func writes(op string) bool {
	switch op {
	case "PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload":
		return true
	}
	return false
}

func kindOf(code string, status int) error {
	switch code {
	case "NoSuchBucket":
		return ErrNoSuchBucket
	case "NoSuchUpload":
		return nil
	case "InvalidObjectState": // it is archived
		return blob.ErrUnreadable
	case "ExpiredToken", "InvalidToken", "XAdminUserNotFound": // the last is versitygw's, with 404
		return fs.ErrPermission
	case "NoSuchKey", "NotFound": // HEAD has no body; the SDK makes up the second
		return fs.ErrNotExist
	}
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return fs.ErrPermission
	case http.StatusPreconditionFailed:
		return errPrecondition
	case http.StatusNotImplemented:
		return errors.ErrUnsupported
	}
	return nil
}

// inner drops the SDK's layers, and net/http's, which quote whole URLs.
func inner(err error) error {
	var op *smithy.OperationError
	for errors.As(err, &op) {
		err = op.Err
	}
	var ue *url.Error
	if errors.As(err, &ue) {
		return ue.Err
	}
	return err
}

// regionHint is the region a store names when it was asked in the wrong one.
func regionHint(re *awshttp.ResponseError) string {
	if re == nil || re.Response == nil || re.HTTPStatusCode() >= 400 && re.HTTPStatusCode() != http.StatusBadRequest {
		return ""
	}
	return Clip(re.Response.Header.Get("X-Amz-Bucket-Region"))
}

// Clip bounds text that a server sent.
func Clip(s string) string {
	const limit = 300
	if len(s) > limit {
		s = s[:limit] + "..."
	}
	return strings.ToValidUTF8(s, "?")
}

// Attr is an error, described, for a log record; nothing if it is nil.
func Attr(err error) slog.Attr {
	if err == nil {
		return slog.Attr{}
	}
	return slog.String("error", Describe(err).Error())
}
