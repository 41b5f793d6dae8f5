package s3

import (
	"bytes"
	"context"
	"errors"
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
	"github.com/replctl/replicate/internal/clock"
	"github.com/replctl/replicate/s3/internal/answer"
	"github.com/replctl/replicate/s3/internal/lineage"
)

// recordWrites bounds the PUTs of one Write. All but the last were refused.
const recordWrites = 4

// Write implements [cas.Store]. What the answer to a PUT means:
//
//   - 200 with an ETag: applied. 200 without one, as with an error in its body:
//     indeterminate.
//   - 412: refused, unless something on the way repeated the request. So the
//     record is read. It is ours: applied. It is the one expected: the store wants
//     the ETag without its quotes, or with them; it gets it so, once, and what
//     worked is remembered. It is another: its lineage tells whether ours was
//     there in between, which is success, or was never, which is a conflict. The
//     lineage does not reach so far, or there is none, or the record cannot be
//     read: indeterminate.
//   - 409 of two writes that meet: this one was not done, but the one in its way
//     may be itself, repeated. The record is read as well, and the PUT sent again
//     while it is the one expected, four times in all. Then it is indeterminate.
//   - 404 NoSuchKey to If-Match: a conflict. Nothing deletes a record, so that one
//     which is not there was not written.
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
	if r.s.c.Provider.NoCreate != "" {
		return cas.Written{}, fmt.Errorf("%w: %s", cas.ErrUnsupported, r.s.c.Provider.NoCreate)
	}
	w := r.s.c.Wait("write", key, time.Now())
	defer w.Done()
	p := &put{r: r, key: key, value: value, expect: expect, bare: r.bare.Load()}
	if done, err := p.prepare(ctx); err != nil || done.Token != "" {
		return done, err
	}
	for attempt := 1; ; attempt++ {
		written, err := p.send(ctx)
		_, status := answer.Of(err)
		refused := status == http.StatusPreconditionFailed
		if !refused && !collided(err) {
			return written, p.doubted(p.verdict(err))
		}
		p.collided = p.collided || !refused
		done, err := settle(p, ctx, refused, err)
		switch {
		case done.Token != "" || err != nil:
			return done, p.doubted(err)
		case attempt == recordWrites:
			return cas.Written{}, p.doubted(fmt.Errorf("another write was in the way, %d times", attempt))
		case refused:
			continue
		}
		if err := clock.System.Sleep(ctx, r.s.c.Backoff.Delay(attempt, nil)); err != nil {
			return cas.Written{}, p.doubted(err)
		}
	}
}

// put is one call of Write.
type put struct {
	r      *Records
	key    string
	value  []byte
	expect cas.Token

	lineage        lineage.Lineage
	bare, switched bool        // the ETag goes without quotes; unlike before
	sent           atomic.Bool // there was a connection
	collided       bool        // some PUT was answered with a 409
}

// prepare finds the lineage of the version that is to be replaced. Where this
// handle did not see it last, it reads the record: an expected version that is
// gone before the PUT was sent is a certain conflict. A creation needs no lineage,
// and is not worth the read.
func (p *put) prepare(ctx context.Context) (done cas.Written, err error) {
	before, seen := p.r.known(p.key, p.expect)
	if !seen && p.expect != "" && !p.r.blind {
		now, err := p.r.read(ctx, p.key, "")
		if err != nil {
			return cas.Written{}, fmt.Errorf("reading it first: %w", err)
		}
		if now.Token != p.expect {
			return p.judgeEarly(now)
		}
		before = now.lineage
	}
	p.lineage = before.Next(p.value, p.expect)
	return cas.Written{}, nil
}

// judgeEarly is judge before the PUT: what was not sent was not applied, unless by
// an earlier call.
func (p *put) judgeEarly(now version) (cas.Written, error) {
	done, err := judge(p, now)
	if errors.Is(err, cas.ErrIndeterminate) {
		err = fmt.Errorf("%w: it was read before the write", cas.ErrConflict)
	}
	return done, err
}

// judge is a variable for tests of what happens without it.
var judge = (*put).judge

// judge finds out, by a version that is not the expected one, what has become of
// a write that was sent, or perhaps sent by an earlier call of Write.
func (p *put) judge(now version) (cas.Written, error) {
	if now.Exists() && bytes.Equal(now.Value, p.value) {
		return cas.Written{Token: now.Token, StoreTime: now.StoreTime}, nil
	}
	wrote, token, ok := now.lineage.Replacement(p.expect, now.Token)
	switch {
	case ok && wrote == lineage.Digest(p.value):
		return cas.Written{Token: token, StoreTime: now.StoreTime}, nil // and replaced since
	case ok || !now.Exists() && p.expect != "":
		return cas.Written{}, cas.ErrConflict
	case p.r.blind && now.lineage == "":
		return cas.Written{}, cas.ErrConflict // the store keeps no metadata, and a probe has no third writer
	}
	return cas.Written{}, fmt.Errorf("%w: another record is there, and does not tell whether this one was",
		cas.ErrIndeterminate)
}

// doubted makes an error indeterminate if an earlier PUT may still be under way:
// the write that was in its way may have been itself, repeated by something.
func (p *put) doubted(err error) error {
	if err == nil || !p.collided || errors.Is(err, cas.ErrIndeterminate) || errors.Is(err, cas.ErrConflict) {
		return err
	}
	return fmt.Errorf("%w: %w", cas.ErrIndeterminate, err)
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
	known := r.s.c.NeedsMD5()
	out, err := r.s.c.API.PutObject(ctx, p.input(), r.s.c.BodyOptions, p.watch)
	r.log("write", p.key, err)
	if r.s.c.LearnMD5(known, err) { // nothing was done
		return p.send(ctx)
	}
	if err != nil {
		r.keepPace(err)
		return cas.Written{}, causeOf(ctx, err)
	}
	token, err := tokenOf(out.ETag)
	if err == nil && p.switched {
		r.bare.Store(p.bare)
	}
	if err == nil {
		r.remember(p.key, version{cas.Record{Token: token}, p.lineage})
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
	if p.lineage != "" {
		in.Metadata = map[string]string{lineage.Name: string(p.lineage)}
	}
	if p.expect == "" {
		in.IfNoneMatch = aws.String("*")
	} else {
		in.IfMatch = condition(p.expect, p.bare)
	}
	return in
}

// watch notes when the request, not one for credentials, gets a connection. What
// fails before that was not sent.
func (p *put) watch(o *awss3.Options) {
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { p.sent.Store(true) }}
	o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
		return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("ReplicateWatch",
			func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (
				middleware.DeserializeOutput, middleware.Metadata, error,
			) {
				return next.HandleDeserialize(httptrace.WithClientTrace(ctx, trace), in)
			}), middleware.After)
	})
}

// settle is a variable for tests of what happens without it.
var settle = (*put).settle

// settle finds out what a refusal was about. Without a token and an error, the
// PUT is to be sent again.
func (p *put) settle(ctx context.Context, refused bool, refusal error) (cas.Written, error) {
	refusal = p.r.s.c.Describe(refusal)
	now, err := p.r.read(ctx, p.key, "")
	switch {
	case err != nil:
		return cas.Written{}, fmt.Errorf("%w: %w; reading it back: %w", cas.ErrIndeterminate, refusal, err)
	case now.Token != p.expect || now.Exists() && bytes.Equal(now.Value, p.value):
		done, err := judge(p, now)
		if err != nil {
			err = fmt.Errorf("%w: %w", err, refusal)
		}
		return done, err
	case refused && p.expect == "":
		return cas.Written{}, fmt.Errorf("%w: there is no record, and yet creating it is refused: %w", cas.ErrIndeterminate,
			refusal)
	case refused && p.switched:
		return cas.Written{}, fmt.Errorf("%w: it refuses the etag that it has just shown, with quotes and without: %w",
			cas.ErrUnsupported, refusal)
	case refused: // Hetzner (litestream#1509), DigitalOcean Spaces (slatedb#1818)
		p.bare, p.switched = !p.bare, true
	}
	return cas.Written{}, nil
}

// verdict is the error of a PUT that is neither refused nor to be repeated.
func (p *put) verdict(err error) error {
	code, status := answer.Of(err)
	cause := p.r.s.c.Describe(err)
	switch {
	case err == nil:
		return nil
	case !p.sent.Load(): // an answer is not the store's then
		return cause
	case status == 0 || answer.RetryStatus(status) || answer.RetryCode(code):
		return fmt.Errorf("%w: %w", cas.ErrIndeterminate, cause)
	case status == http.StatusNotFound && code == "NoSuchKey" && p.expect != "":
		return fmt.Errorf("%w: it is gone: %w", cas.ErrConflict, cause)
	case !answer.WantsMD5(err) && p.unconditional(code, status, cause):
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
	return strings.Contains(text, "if-match") || strings.Contains(text, "if-none-match") ||
		strings.Contains(text, "condition") ||
		cfg.StorageClass == "" && p.r.s.c.Encryption.None()
}

// collided reports whether two writes met, and this one was not done.
func collided(err error) bool {
	code, status := answer.Of(err)
	switch code {
	case "ConditionalRequestConflict", "OperationAborted", "ConcurrentModification", // S3, Ceph
		"Conflict", "PreconditionFailed", "BlobAlreadyExists": // CoreWeave's loser, gateways to Azure
		return status == http.StatusConflict
	}
	return false
}

// keepPace makes the next write wait if the store wants that.
func (r *Records) keepPace(err error) {
	code, status := answer.Of(err)
	if status != http.StatusTooManyRequests && code != "SlowDown" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notBefore = time.Now().Add(max(r.pace, min(answer.RetryAfter(err), 5*r.pace)))
}

func (r *Records) waitForPace(ctx context.Context) error {
	r.mu.Lock()
	pause := time.Until(r.notBefore)
	r.mu.Unlock()
	if pause <= 0 {
		return nil
	}
	return clock.System.Sleep(ctx, pause)
}
