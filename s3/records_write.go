package s3

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/middleware"

	"github.com/replctl/replicate/cas"
)

// recordWrites bounds the PUTs of one Write. All but the last were refused.
const recordWrites = 4

// Write implements [cas.Store]. What the answer to a PUT means:
//
//   - 200 with an ETag: applied. 200 without one, as with an error in its body:
//     indeterminate.
//   - 412: refused, unless something on the way repeated the request. So the
//     record is read. It is ours: applied. It is another: a conflict. It is the
//     one expected: the store wants the ETag without its quotes, or with them;
//     it gets it so, once, and what worked is remembered. It cannot be read:
//     indeterminate, since a holder that takes a conflict for granted gives up a
//     lease that it may have.
//   - 409 of two writes that meet: nothing was done. The record is read as well,
//     and the PUT sent again while it is the one expected, four times in all.
//     Then it is an error, but no conflict: the record has not changed.
//   - 404 NoSuchKey to If-Match: a conflict.
//   - 501, or a 400 about the condition: cas.ErrUnsupported.
//   - 5xx, 408, 429, or no answer: indeterminate. SlowDown and 429 should mean
//     that nothing was done, but a proxy may say so of what it has passed on, and
//     to read costs little. The next write waits for a second, or for as long as
//     the store says, up to five.
//   - Anything else, and all that fails before there is a connection: an error,
//     and nothing was done.
func (r *Records) Write(ctx context.Context, key string, value []byte, expect cas.Token) (cas.Written, error) {
	written, err := r.write(ctx, key, value, trimToken(expect))
	if err != nil {
		return cas.Written{}, fmt.Errorf("write %s: %w", key, err)
	}
	return written, nil
}

func (r *Records) write(ctx context.Context, key string, value []byte, expect cas.Token) (cas.Written, error) {
	if err := r.check(ctx, key, value); err != nil {
		return cas.Written{}, err
	}
	if r.s.provider.noCreate != "" {
		return cas.Written{}, fmt.Errorf("%w: %s", cas.ErrUnsupported, r.s.provider.noCreate)
	}
	p := &put{r: r, key: key, value: value, expect: expect, bare: r.bare.Load()}
	for attempt := 1; ; attempt++ {
		written, err := p.send(ctx)
		_, status := answer(err)
		refused := status == http.StatusPreconditionFailed
		if !refused && !collided(err) {
			return written, p.verdict(err)
		}
		done, err := settle(p, ctx, refused, err)
		switch {
		case done.Exists() || err != nil:
			return cas.Written{Token: done.Token, StoreTime: done.StoreTime}, err
		case attempt == recordWrites:
			return cas.Written{}, fmt.Errorf("not applied: another write was in the way, %d times", attempt)
		case refused:
			continue
		}
		if err := sleep(ctx, r.s.backoff.delay(attempt, nil)); err != nil {
			return cas.Written{}, err
		}
	}
}

// put is one call of Write.
type put struct {
	r      *Records
	key    string
	value  []byte
	expect cas.Token

	bare, switched bool        // the ETag goes without quotes; unlike before
	sent           atomic.Bool // there was a connection
}

// send sends one PUT.
func (p *put) send(ctx context.Context) (cas.Written, error) {
	r := p.r
	if err := r.waitForPace(ctx); err != nil {
		return cas.Written{}, err
	}
	ctx, cancel := r.bounded(ctx)
	defer cancel()
	p.sent.Store(false)
	out, err := r.s.api.PutObject(ctx, p.input(), r.s.putOptions, p.watch)
	r.log("write", p.key, err)
	if err != nil {
		r.keepPace(err)
		return cas.Written{}, causeOf(ctx, err)
	}
	token, err := tokenOf(out.ETag)
	if err == nil && p.switched {
		r.bare.Store(p.bare)
	}
	return cas.Written{Token: token, StoreTime: timeOfAnswer(out.ResultMetadata)}, err
}

func (p *put) input() *awss3.PutObjectInput {
	cfg := &p.r.s.cfg
	in := &awss3.PutObjectInput{
		Bucket:        &cfg.Bucket,
		Key:           p.r.s.path(p.key),
		Body:          bytes.NewReader(p.value),
		ContentLength: aws.Int64(int64(len(p.value))),
		ContentType:   aws.String("application/json"),
		StorageClass:  types.StorageClass(cfg.StorageClass),
	}
	if p.expect == "" {
		in.IfNoneMatch = aws.String("*")
	} else {
		in.IfMatch = condition(p.expect, p.bare)
	}
	p.r.s.sse.put(in)
	return in
}

// watch notes when the request, not one for credentials, gets a connection. What
// fails before that was not sent.
func (p *put) watch(o *awss3.Options) {
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { p.sent.Store(true) }}
	o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
		return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("ReplicateWatch",
			func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
				return next.HandleDeserialize(httptrace.WithClientTrace(ctx, trace), in)
			}), middleware.After)
	})
}

// settle is a variable for tests of what happens without it.
var settle = (*put).settle

// settle finds out what a refusal was about. Without a record and an error, the
// PUT is to be sent again.
func (p *put) settle(ctx context.Context, refused bool, refusal error) (cas.Record, error) {
	refusal = describe(refusal)
	now, err := p.r.read(ctx, p.key, "")
	switch {
	case err != nil:
		return cas.Record{}, fmt.Errorf("%w: %w; reading it back: %w", cas.ErrIndeterminate, refusal, err)
	case now.Exists() && bytes.Equal(now.Value, p.value):
		return now, nil
	case now.Token != p.expect || refused && p.expect == "":
		return cas.Record{}, fmt.Errorf("%w: %w", cas.ErrConflict, refusal)
	case refused && p.switched:
		return cas.Record{}, fmt.Errorf("%w: it refuses the etag that it has just shown, with quotes and without: %w", cas.ErrUnsupported, refusal)
	case refused: // Hetzner (litestream#1509), DigitalOcean Spaces (slatedb#1818)
		p.bare, p.switched = !p.bare, true
	}
	return cas.Record{}, nil
}

// verdict is the error of a PUT that is neither refused nor to be repeated.
func (p *put) verdict(err error) error {
	code, status := answer(err)
	cause := describe(err)
	switch {
	case err == nil:
		return nil
	case !p.sent.Load(): // an answer is not the store's then
		return cause
	case status == 0 || retryStatus(status) || retryCodes[code]:
		return fmt.Errorf("%w: %w", cas.ErrIndeterminate, cause)
	case status == http.StatusNotFound && code == "NoSuchKey" && p.expect != "":
		return fmt.Errorf("%w: it is gone: %w", cas.ErrConflict, cause)
	case p.unconditional(code, status, cause):
		return fmt.Errorf("%w: %w", cas.ErrUnsupported, cause)
	}
	return cause
}

// unconditional reports whether the store does not know conditions. A 400 may be
// about other settings as well, if there are any.
func (p *put) unconditional(code string, status int, cause error) bool {
	if status == http.StatusNotImplemented || code == "NotImplemented" {
		return true
	}
	if status != http.StatusBadRequest || code != "InvalidArgument" && code != "InvalidRequest" {
		return false
	}
	text := strings.ToLower(cause.Error())
	cfg := &p.r.s.cfg
	return strings.Contains(text, "if-match") || strings.Contains(text, "if-none-match") || strings.Contains(text, "condition") ||
		cfg.StorageClass == "" && p.r.s.sse == (sse{})
}

// collided reports whether two writes met, and this one was not done.
func collided(err error) bool {
	code, status := answer(err)
	switch code {
	case "ConditionalRequestConflict", "OperationAborted", "ConcurrentModification", // S3, Ceph
		"Conflict", "PreconditionFailed", "BlobAlreadyExists": // CoreWeave's loser, gateways to Azure
		return status == http.StatusConflict
	}
	return false
}

// keepPace makes the next write wait if the store wants that.
func (r *Records) keepPace(err error) {
	code, status := answer(err)
	if status != http.StatusTooManyRequests && code != "SlowDown" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notBefore = time.Now().Add(max(r.pace, min(retryAfter(err), 5*r.pace)))
}

func (r *Records) waitForPace(ctx context.Context) error {
	r.mu.Lock()
	pause := time.Until(r.notBefore)
	r.mu.Unlock()
	if pause <= 0 {
		return nil
	}
	return sleep(ctx, pause)
}
