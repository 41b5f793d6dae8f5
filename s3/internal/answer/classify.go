package answer

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// marked is an error with what we know about it: one of the three marks below.
type marked struct {
	error
	mark error
}

var errTransient, errPermanent, errGaveUp = errors.New("transient"), errors.New("permanent"), errors.New("gave up")

func (m marked) Unwrap() error { return m.error }

// Is makes errors.Is find the mark.
func (m marked) Is(target error) bool { return target == m.mark }

// Transient marks an error of ours as one that may pass.
func Transient(err error) error { return marked{err, errTransient} }

// Permanent marks an error that no repetition will cure.
func Permanent(err error) error { return marked{err, errPermanent} }

// GaveUp marks that every attempt failed in a way that may pass, so that each may have
// been applied.
func GaveUp(err error) error { return marked{err, errGaveUp} }

// IsGaveUp reports whether an error has the mark of GaveUp.
func IsGaveUp(err error) bool { return errors.Is(err, errGaveUp) }

// retryCodes are S3 errors that pass, whatever status they come with.
var retryCodes = map[string]bool{
	"SlowDown": true, "InternalError": true, "ServiceUnavailable": true,
	"Throttling": true, "ThrottlingException": true, "RequestThrottled": true, "TooManyRequests": true,
	"RequestTimeout": true, "RequestCanceled": true, // Tigris shedding load (litestream#1305)
	// 409: "retry the upload"
	"OperationAborted": true, "ConditionalRequestConflict": true, "ConcurrentModification": true,
	"BadDigest": true, "IncompleteBody": true, "XAmzContentSHA256Mismatch": true, // damaged on the way
}

// Retryable reports whether the same request may succeed later.
func Retryable(err error) bool {
	switch {
	case errors.Is(err, errPermanent) || unsendable(err) || errors.Is(err, context.Canceled) ||
		credentialsFailed(err) != nil:
		return false
	case errors.Is(err, errTransient):
		return true
	}
	if code, status := Of(err); retryCodes[code] || status != 0 {
		return retryCodes[code] || RetryStatus(status)
	}
	return ConnectionFailed(err) || Garbled(err)
}

// unsendable reports whether no repetition will bring this request to the server,
// or its answer to us.
func unsendable(err error) bool {
	var tooLong *http.MaxBytesError
	return errors.As(err, &tooLong) || errors.Is(err, http.ErrSchemeMismatch) || errors.Is(err, ErrWantsHTTPS) ||
		err != nil && (strings.Contains(err.Error(), tlsAlert) || strings.Contains(err.Error(), "invalid header field"))
}

// RetryCode reports whether an S3 error with this code passes.
func RetryCode(code string) bool { return retryCodes[code] }

// RetryStatus reports whether an answer with this status says that the store could not do
// it now.
func RetryStatus(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests:
		return true
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		return false
	}
	return status >= 500
}

// Of returns the error code and the HTTP status of a store's answer, or "" and 0 if the
// error is none.
func Of(err error) (code string, status int) {
	var api smithy.APIError
	if errors.As(err, &api) {
		code = api.ErrorCode()
	}
	var re *smithyhttp.ResponseError
	if errors.As(err, &re) {
		status = re.HTTPStatusCode()
	}
	if status < 300 { // an answer that began well and could not be read
		status = 0
	}
	return code, status
}

// Garbled reports whether the answer could not be read as one of S3.
func Garbled(err error) bool {
	var garbled *smithy.DeserializationError
	return errors.As(err, &garbled)
}

// ConnectionFailed reports whether the request or the answer was lost on the
// way, for another reason than a certificate nobody vouches for.
func ConnectionFailed(err error) bool {
	var verify *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	if errors.As(err, &verify) || errors.As(err, &unknown) || errors.As(err, &host) {
		return false
	}
	var netErr net.Error
	var send *smithyhttp.RequestSendError
	return errors.As(err, &send) || errors.As(err, &netErr) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, io.EOF)
}

// credentialsFailed returns the operation that was never sent because there is
// nothing to sign it with: inside it, another service's operation failed. The
// providers of credentials have retried already.
func credentialsFailed(err error) *smithy.OperationError {
	var outer, inner *smithy.OperationError
	if errors.As(err, &outer) && errors.As(outer.Err, &inner) {
		return outer
	}
	return nil
}

// RetryAfter is the server's own wish.
func RetryAfter(err error) time.Duration {
	var re *awshttp.ResponseError
	if !errors.As(err, &re) || re.Response == nil {
		return 0
	}
	seconds, parseErr := strconv.Atoi(re.Response.Header.Get("Retry-After"))
	if parseErr != nil || seconds < 0 {
		return 0
	}
	return time.Duration(min(seconds, 3600)) * time.Second
}

// WantsMD5 reports whether an error is about a missing Content-MD5. One that is
// wrong is another matter, and damage on the way.
func WantsMD5(err error) bool {
	code, _ := Of(err)
	if code == "BadDigest" || code == "InvalidDigest" {
		return false
	}
	return err != nil && strings.Contains(strings.ToLower(err.Error()), "content-md5")
}
