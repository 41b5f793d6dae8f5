package s3

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// The SDK's own retryer pays for retries from a bucket of tokens that only
// successes refill, so after an outage everything fails at once, when retrying
// matters most (litestream#912, #1305). Here, time is the only bound.

type backoff struct{ base, max time.Duration }

var defaultBackoff = backoff{base: 100 * time.Millisecond, max: 10 * time.Second}

// firstContact bounds retries against a server that never answered, or answers
// what is not S3: a typing error more likely than an outage.
const firstContact = 15 * time.Second

// delay grows exponentially with full jitter, so that clients which failed
// together do not come back together.
func (b backoff) delay(attempt int, err error) time.Duration {
	ceiling := b.max
	if shift := attempt - 1; shift < 20 {
		ceiling = min(b.max, b.base<<shift)
	}
	d := ceiling/10 + rand.N(ceiling) //nolint:gosec // jitter
	return max(d, min(retryAfter(err), b.max))
}

// try runs attempts of one request until one succeeds, one fails for good, or
// the time is up, and puts operation and key into the error.
func (s *Store) try(ctx context.Context, op, key string, attempt func(context.Context, *watchdog) error) error {
	return s.tryFor(ctx, op, key, s.cfg.StallTimeout, attempt)
}

// tryFor is try for a request whose answer may take longer than usual.
func (s *Store) tryFor(ctx context.Context, op, key string, stall time.Duration, attempt func(context.Context, *watchdog) error) error {
	start := time.Now()
	return s.tryWaiting(ctx, s.wait(op, key, start), start, stall, attempt)
}

// tryWaiting is tryFor of a request that is waited for already. A body that is kept
// takes the wait with it.
func (s *Store) tryWaiting(
	ctx context.Context, w *waiting, start time.Time, stall time.Duration, attempt func(context.Context, *watchdog) error,
) error {
	kept := false
	defer func() {
		if !kept {
			w.done()
		}
	}()
	op, key := w.wait.Op, w.wait.Key
	for n := 1; ; n++ {
		var err error
		kept, err = s.once(ctx, w, stall, attempt)
		s.log().Debug("s3 request", slog.String("op", op), slog.String("key", key), slog.Int("attempt", n), errAttr(err))
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return wrap(op, key, context.Cause(ctx))
		case !retryable(err):
			return wrap(op, key, s.describe(err))
		}
		delay := s.backoff.delay(n, err)
		if spent := time.Since(start); spent+delay > s.patience(err) {
			return wrap(op, key, gaveUp{fmt.Errorf("gave up after %d attempts in %v: %w", n, spent.Round(time.Millisecond), s.describe(err))})
		}
		w.failed(n, err, start.Add(s.patience(err)))
		if err := sleep(ctx, delay); err != nil {
			return wrap(op, key, err)
		}
	}
}

func (s *Store) once(
	ctx context.Context, wait *waiting, stall time.Duration, attempt func(context.Context, *watchdog) error,
) (kept bool, err error) {
	w := watch(ctx, stall)
	w.wait = wait
	err = w.err(attempt(w.ctx, w))
	if kept = err == nil && w.kept; !kept {
		w.kept = false
		w.stop()
	}
	return kept, err
}

// patience is for how long attempts with this error go on.
func (s *Store) patience(err error) time.Duration {
	var garbled *smithy.DeserializationError
	if errors.As(err, &garbled) || errors.Is(err, errNoAnswer) || !s.reached.Load() && connectionFailed(err) {
		return min(firstContact, s.cfg.RetryTimeout)
	}
	return s.cfg.RetryTimeout
}

// sleep waits, or returns the cause of the context's end.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// retryCodes are S3 errors that pass, whatever status they come with.
var retryCodes = map[string]bool{
	"SlowDown": true, "InternalError": true, "ServiceUnavailable": true,
	"Throttling": true, "ThrottlingException": true, "RequestThrottled": true, "TooManyRequests": true,
	"RequestTimeout": true, "RequestCanceled": true, // Tigris shedding load (litestream#1305)
	"OperationAborted": true, "ConditionalRequestConflict": true, "ConcurrentModification": true, // 409: "retry the upload"
	"BadDigest": true, "IncompleteBody": true, "XAmzContentSHA256Mismatch": true, // damaged on the way
}

// transient marks an error of ours as one that may pass.
type transient struct{ error }

func (t transient) Unwrap() error { return t.error }

func retryable(err error) bool {
	var passing transient
	var final permanent
	switch {
	case errors.As(err, &final) || unsendable(err) || errors.Is(err, context.Canceled) || credentialsFailed(err) != nil:
		return false
	case errors.As(err, &passing), errors.Is(err, errStalled):
		return true
	}
	if code, status := answer(err); retryCodes[code] || status != 0 {
		return retryCodes[code] || retryStatus(status)
	}
	var garbled *smithy.DeserializationError
	return connectionFailed(err) || errors.As(err, &garbled)
}

// unsendable reports whether no repetition will bring this request to the server,
// or its answer to us.
func unsendable(err error) bool {
	var tooLong *http.MaxBytesError
	return errors.As(err, &tooLong) || errors.Is(err, http.ErrSchemeMismatch) || errors.Is(err, errWantsHTTPS) ||
		err != nil && (strings.Contains(err.Error(), tlsAlert) || strings.Contains(err.Error(), "invalid header field"))
}

// gaveUp marks that every attempt failed in a way that may pass, so that each may
// have been applied.
type gaveUp struct{ error }

func (g gaveUp) Unwrap() error { return g.error }

// permanent marks an error that no repetition will cure.
type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

func retryStatus(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests:
		return true
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		return false
	}
	return status >= 500
}

// answer is the error code and the HTTP status of a store's answer, if the
// error is one.
func answer(err error) (code string, status int) {
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

// connectionFailed reports whether the request or the answer was lost on the
// way, for another reason than a certificate nobody vouches for.
func connectionFailed(err error) bool {
	var verify *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	if errors.As(err, &verify) || errors.As(err, &unknown) || errors.As(err, &host) {
		return false
	}
	var netErr net.Error
	var send *smithyhttp.RequestSendError
	return errors.As(err, &send) || errors.As(err, &netErr) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)
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

// retryAfter is the server's own wish.
func retryAfter(err error) time.Duration {
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
