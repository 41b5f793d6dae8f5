package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/replctl/replicate/cas"
	"github.com/replctl/replicate/internal/clock"
	"github.com/replctl/replicate/s3/internal/answer"
	"github.com/replctl/replicate/s3/internal/lineage"
)

// Records is a bucket and a prefix as a cas.Store: a record is an object, its
// token the ETag without its quotes, a write a PUT with If-Match or, to create,
// If-None-Match. It is safe for concurrent use.
//
// It has connections of its own, so that a renewal does not queue behind an
// upload, and each request is over after ten seconds, or Config.StallTimeout if
// that is less. A PUT is sent once; neither the SDK nor this package repeats one
// that may have been applied. What its answer means is in records_write.go.
//
// The store has to make PUTs conditional, and atomic. Where it is known not to,
// and says nothing about it, a write is cas.ErrUnsupported without a request.
//
// A writer whose PUT was repeated on the way is told that it was refused. Its own
// record is recognised by the value, so that a value should have a nonce, and a
// record of somebody else by its lineage, which is kept in the metadata; see there.
type Records struct {
	s       *Store // the place, the settings, the client
	timeout time.Duration
	pace    time.Duration // between writes, once the store said to slow down
	bare    atomic.Bool   // If-Match wants ETags without quotes

	// A Write whose token is not that of the last version seen reads first. Only a
	// probe does not: it is there to find out what the store makes of such a write.
	blind bool

	mu        sync.Mutex
	notBefore time.Time // the next write
	seen      memory
}

var _ cas.Store = (*Records)(nil)

const (
	recordTimeout = 10 * time.Second
	recordReads   = 3           // attempts
	recordPace    = time.Second // R2 takes one write per key and second
)

// OpenRecords is [Open] for records. Of cfg it does not use what is about large
// objects; RetryTimeout is for List only.
func OpenRecords(ctx context.Context, cfg Config) (*Records, error) {
	return openRecords(ctx, cfg, new(logger))
}

func openRecords(ctx context.Context, cfg Config, log *logger) (*Records, error) {
	s, err := open(ctx, cfg, log, oneRequestPerConnection)
	if err != nil {
		return nil, fmt.Errorf("open s3 records: %w", err)
	}
	switch s.cfg.StorageClass {
	case "GLACIER", "DEEP_ARCHIVE": // could not be read for hours
		s.cfg.StorageClass = ""
	}
	r := &Records{s: s, timeout: min(recordTimeout, s.c.Stall), pace: recordPace}
	r.bare.Store(s.c.Provider.BareETags)
	return r, nil
}

// oneRequestPerConnection has a request that got no answer end its connection, as
// in HTTP/1. One of HTTP/2 would stay, and if it is dead hold up every renewal
// until a ping has found out.
func oneRequestPerConnection(t *http.Transport) {
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	if t.TLSClientConfig != nil { // where copying a transport has put "h2"
		t.TLSClientConfig.NextProtos = nil
	}
}

// Read implements [cas.Store].
func (r *Records) Read(ctx context.Context, key string, known cas.Token) (cas.Record, error) {
	v, err := r.read(ctx, key, known)
	if err != nil {
		return cas.Record{}, fmt.Errorf("read %s: %w", key, err)
	}
	return v.Record, nil
}

// read reads a record, repeatedly if need be, and remembers its lineage.
func (r *Records) read(ctx context.Context, key string, known cas.Token) (version, error) {
	if err := r.check(ctx, key, nil); err != nil {
		return version{}, err
	}
	w := r.s.c.Wait("read", key, time.Now())
	defer w.Done()
	for attempt := 1; ; attempt++ {
		v, err := r.get(ctx, key, trimToken(known))
		code, _ := answer.Of(err)
		// The SDK corrects its clock by the answer that refused the old one.
		again := answer.Retryable(err) || code == "RequestTimeTooSkewed"
		if err == nil {
			r.remember(key, v)
			return v, nil
		}
		if !again || attempt == recordReads || ctx.Err() != nil {
			return version{}, describeRead(r.s.c.Describe(err), code)
		}
		w.Failed(attempt, err, time.Time{})
		if err := clock.System.Sleep(ctx, r.s.c.Backoff.Delay(attempt, err)); err != nil {
			return version{}, err
		}
	}
}

// describeRead adds what an operator who set up permissions has to know.
func describeRead(err error, code string) error {
	if code == "AccessDenied" {
		return fmt.Errorf("%w; without the permission to list the bucket, an object that does not exist looks the same", err)
	}
	return err
}

// get sends one GET.
func (r *Records) get(ctx context.Context, key string, known cas.Token) (version, error) {
	ctx, cancel := r.bounded(ctx)
	defer cancel()
	in := &awss3.GetObjectInput{Bucket: &r.s.cfg.Bucket, Key: r.s.path(key)}
	if known != "" {
		in.IfNoneMatch = condition(known, r.bare.Load())
	}
	out, err := r.s.c.API.GetObject(ctx, in, noCache)
	code, status := answer.Of(err)
	r.log("read", key, err)
	switch {
	case status == http.StatusNotModified && known != "":
		return version{Record: cas.Record{Token: known, Unchanged: true, StoreTime: timeOfError(err)}}, nil
	case status == http.StatusNotFound && code == "NoSuchKey":
		return version{Record: cas.Record{StoreTime: timeOfError(err)}}, nil
	case err != nil:
		return version{}, causeOf(ctx, err)
	}
	defer out.Body.Close()
	rec, err := r.record(out)
	return version{rec, lineage.Lineage(out.Metadata[lineage.Name]).Of(rec.Value)}, causeOf(ctx, err)
}

func (r *Records) record(out *awss3.GetObjectOutput) (cas.Record, error) {
	if out.ETag == nil && out.LastModified == nil {
		// an error with status 200
		return cas.Record{}, answer.Transient(fmt.Errorf("%w: it is not an object", answer.ErrIncomplete))
	}
	token, err := tokenOf(out.ETag)
	if err != nil {
		return cas.Record{}, err
	}
	if n := aws.ToInt64(out.ContentLength); n > cas.MaxValueSize {
		return cas.Record{}, fmt.Errorf("%w: %d bytes, at most %d allowed", cas.ErrTooLarge, n, cas.MaxValueSize)
	}
	value, err := io.ReadAll(io.LimitReader(out.Body, cas.MaxValueSize+1))
	if err != nil {
		return cas.Record{}, err
	}
	if len(value) > cas.MaxValueSize {
		return cas.Record{}, fmt.Errorf("%w: more than %d bytes", cas.ErrTooLarge, cas.MaxValueSize)
	}
	return cas.Record{Token: token, Value: value, StoreTime: timeOfAnswer(out.ResultMetadata)}, nil
}

func (r *Records) check(ctx context.Context, key string, value []byte) error {
	if err := cas.CheckWrite(key, value); err != nil {
		return err
	}
	return r.s.check(ctx, key)
}

// bounded is the context of one request.
func (r *Records) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, r.timeout, errNoReply)
}

var errNoReply error = answer.Transient(errors.New("no answer in time"))

// causeOf is why a request failed, if it was its context.
func causeOf(ctx context.Context, err error) error {
	if _, status := answer.Of(err); err != nil && status == 0 && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func (r *Records) log(op, key string, err error) {
	r.s.c.Log().Debug("s3 record", "op", op, "key", key, answer.Attr(err))
}

// tokenOf refuses what cannot be compared with later: no ETag, which a later
// write would take for "must not exist", and a weak one, which never matches
// (RFC 9110, 13.1.1).
func tokenOf(etag *string) (cas.Token, error) {
	switch t := trimETag(etag); {
	case t == "":
		return "", fmt.Errorf("%w: no etag", answer.ErrIncomplete)
	case strings.HasPrefix(t, "W/"):
		return "", fmt.Errorf("%w: etag %s is weak", answer.ErrIncomplete, answer.Clip(t))
	default:
		return cas.Token(t), nil
	}
}

// trimToken understands ETags as Litestream's leaser keeps them.
func trimToken(t cas.Token) cas.Token { return cas.Token(trimETag(aws.String(string(t)))) }

// noCache has caches on the way ask the store (as sunlight does).
func noCache(o *awss3.Options) {
	o.APIOptions = append(o.APIOptions, smithyhttp.SetHeaderValue("Cache-Control", "no-cache"))
}

// storeTime is the store's clock, unless the answer comes from a cache.
func storeTime(h http.Header) time.Time {
	t, err := http.ParseTime(h.Get("Date"))
	if age := h.Get("Age"); err != nil || age != "" && age != "0" {
		return time.Time{}
	}
	return t.UTC()
}

// timeOfAnswer is the store's clock when it gave an answer.
func timeOfAnswer(answer middleware.Metadata) time.Time {
	raw, ok := awsmiddleware.GetRawResponse(answer).(*smithyhttp.Response)
	if !ok {
		return time.Time{}
	}
	return storeTime(raw.Header)
}

func timeOfError(err error) time.Time {
	var re *smithyhttp.ResponseError
	if !errors.As(err, &re) || re.Response == nil {
		return time.Time{}
	}
	return storeTime(re.Response.Header)
}
