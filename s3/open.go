package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/internal/clock"
	"github.com/replctl/replicate/s3/internal/answer"
	"github.com/replctl/replicate/s3/internal/transport"
)

var (
	errReplaced  = errors.New("the object was replaced while it was read")
	errDeleted   = errors.New("the object was deleted while it was read")
	errTruncated = errors.New("the body ended early")
	errTooLong   = errors.New("the answer is longer than it says")
)

// Open implements [blob.Reader].
func (s *Store) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if err := s.check(ctx, key); err != nil {
		return nil, answer.Wrap("open", key, err)
	}
	if offset < 0 {
		return nil, answer.Wrap("open", key, fmt.Errorf("negative offset %d", offset))
	}
	r := &reader{s: s, ctx: ctx, key: key, off: offset, end: -1, first: true, moved: time.Now(),
		pace: pace{least: offset + paceAfter}}
	if length > 0 && offset+length > offset { // else to the end
		r.end = offset + length
	}
	if err := r.request(s.c.Wait("open", key, r.moved)); err != nil {
		return nil, err
	}
	return r, nil
}

// reader reads one version of one object, over as many requests as it takes.
type reader struct {
	s   *Store
	ctx context.Context //nolint:containedctx // "the context covers the reading as well"
	key string

	off, end int64  // next byte wanted; where the range or the object ends, -1 if unknown
	etag     string // of the version being read
	first    bool   // no answer yet

	info blob.Info // of that version, as the first answer tells

	body  io.ReadCloser
	watch *transport.Watchdog
	moved time.Time // of the last byte
	idle  int       // requests since then
	broke error     // what the last answer ended with
	err   error     // sticky

	pace  pace
	ahead *ahead // the rest, over several connections; nil while one is enough
}

func (r *reader) Read(p []byte) (int, error) {
	if r.ahead != nil {
		return r.ahead.Read(p)
	}
	for len(p) > 0 {
		if r.err != nil {
			return 0, r.err
		}
		if r.body == nil {
			if r.err = r.resume(); r.err != nil {
				return 0, r.err
			}
		}
		r.watch.Kick()
		asked := time.Now()
		n, err := r.body.Read(r.room(p))
		r.watch.Pause()
		if r.end >= 0 && r.off+int64(n) > r.end {
			n, err = 0, answer.Permanent(errTooLong)
		}
		if n > 0 {
			r.off += int64(n)
			r.moved, r.idle = time.Now(), 0
			r.pace.add(int64(n), r.moved.Sub(asked))
			r.widen()
		}
		if err != nil {
			r.finish(r.watch.Err(err))
		}
		if n > 0 {
			return n, nil
		}
	}
	return 0, nil
}

// room is what of p an answer may fill. At the end it is one byte more, which only
// an answer that is too long has; the others end there.
func (r *reader) room(p []byte) []byte {
	if r.end < 0 {
		return p
	}
	return p[:min(int64(len(p)), max(1, r.end-r.off))]
}

// finish closes the body of an answer that ended with err, and decides whether
// that was the end of the object, of the reader, or of this answer only.
func (r *reader) finish(err error) {
	r.drop()
	atEnd, eof := r.end >= 0 && r.off == r.end, errors.Is(err, io.EOF)
	switch {
	case r.ctx.Err() != nil:
		r.err = answer.Wrap("read", r.key, context.Cause(r.ctx))
	case atEnd && (eof || errors.Is(err, transport.ErrStalled)), eof && r.end < 0:
		r.err = io.EOF
	case errors.Is(err, errTooLong):
		r.err = answer.Wrap("read", r.key, err)
	case atEnd: // all bytes are here, and yet: a checksum that does not match
		r.err = answer.Wrap("read", r.key, err)
	default:
		if eof {
			err = errTruncated
		}
		r.broke = err
		r.s.c.Log().Debug("s3 read broke off", "key", r.key, "offset", r.off, answer.Attr(err))
		if r.s.ifMatch(r.etag) == nil {
			r.err = answer.Wrap("read", r.key, fmt.Errorf("cannot be resumed, for want of a strong etag: %w", err))
		}
	}
}

// drop ends the current answer.
func (r *reader) drop() {
	if r.body != nil {
		r.watch.Stop()
		_ = r.body.Close()
		r.body = nil
	}
}

// Close implements io.Closer.
func (r *reader) Close() error {
	r.drop()
	if r.ahead != nil {
		r.ahead.close()
	}
	if r.err == nil {
		r.err = fmt.Errorf("read %s: reader is closed", r.key)
	}
	return nil
}

// resume asks for the rest. How often is counted since the last byte: a restore
// of 55 GB may be interrupted many times and still get there (litestream#1077,
// #1472).
func (r *reader) resume() error {
	w := r.s.c.Wait("read", r.key, r.moved)
	if r.idle++; r.idle > 1 {
		if waited := time.Since(r.moved); waited > r.s.c.Retry {
			w.Done()
			return answer.Wrap("read", r.key, fmt.Errorf("nothing received for %v, over %d requests",
				waited.Round(time.Millisecond), r.idle-1))
		}
		w.Failed(r.idle-1, r.broke, r.moved.Add(r.s.c.Retry))
		if err := clock.System.Sleep(r.ctx, r.s.c.Backoff.Delay(r.idle, nil)); err != nil {
			w.Done()
			return answer.Wrap("read", r.key, err)
		}
	}
	return r.request(w)
}

// request sends GET for [off, end), pinned to the version begun with.
func (r *reader) request(wait *transport.Waiting) error {
	pin := r.s.ifMatch(r.etag)
	return r.s.c.TryWaiting(r.ctx, wait, time.Now(), r.s.c.Stall, func(ctx context.Context, w *transport.Watchdog) error {
		out, err := r.s.c.API.GetObject(ctx, r.input(pin))
		switch _, status := answer.Of(err); {
		case status == http.StatusRequestedRangeNotSatisfiable && r.first:
			r.err, r.first = io.EOF, false // past the end, or an empty object
			return nil
		case status == http.StatusNotFound && !r.first:
			return answer.Permanent(errDeleted)
		case status == http.StatusPreconditionFailed && pin != nil:
			// Replaced; or a store that wants If-Match some other way. The
			// ETag of an unconditional answer tells which.
			pin = nil
			return answer.Transient(errReplaced)
		case err != nil:
			return err
		}
		if err := r.accept(out); err != nil {
			_ = out.Body.Close()
			return err
		}
		r.body, r.watch, r.first = out.Body, w, false
		w.Keep()
		wait.Turns("read")
		return nil
	})
}

func (r *reader) input(pin *string) *awss3.GetObjectInput {
	in := &awss3.GetObjectInput{Bucket: &r.s.cfg.Bucket, Key: r.s.path(r.key), IfMatch: pin}
	switch {
	case r.end >= 0:
		in.Range = aws.String(fmt.Sprintf("bytes=%d-%d", r.off, r.end-1))
	case r.off > 0:
		in.Range = aws.String(fmt.Sprintf("bytes=%d-", r.off))
	}
	return in
}

// accept checks that an answer is what was asked for, before a byte of it is
// believed.
func (r *reader) accept(out *awss3.GetObjectOutput) error {
	etag := trimETag(out.ETag)
	if etag == "" && out.LastModified == nil {
		return answer.Transient(fmt.Errorf("%w: it is not an object", answer.ErrIncomplete)) // an error page with status 200
	}
	if !r.first && etag != r.etag {
		return answer.Permanent(errReplaced)
	}
	begin, end, size, err := extent(out)
	switch {
	case err != nil:
		return answer.Permanent(err)
	case begin != r.off:
		return answer.Permanent(fmt.Errorf("asked for offset %d, answered with %d: the store ignores ranges", r.off, begin))
	case end < 0 && r.end >= 0:
		return answer.Permanent(errors.New("asked for a range, answered with a whole object: the store ignores ranges"))
	case !r.first && r.end >= 0 && end != r.end || r.end >= 0 && end > r.end:
		return answer.Permanent(fmt.Errorf("asked for bytes %d to %d, answered to %d", r.off, r.end, end))
	}
	if r.first {
		r.info = blob.Info{Key: r.key, Size: max(0, size), ModTime: timeOf(out.LastModified), ETag: etag,
			Metadata: maps.Clone(out.Metadata)}
		delete(r.info.Metadata, nonceName)
	}
	r.etag, r.end = etag, end
	r.s.bucketSeen.Store(true)
	return nil
}

// Describe implements [blob.Describer].
func (r *reader) Describe() (blob.Info, bool) { return r.info, r.info.Key != "" }

// extent is which bytes of the object an answer holds, and the object's size. End and size
// are -1 if they are not known.
func extent(out *awss3.GetObjectOutput) (begin, end, size int64, err error) {
	if out.ContentRange != nil {
		return parseContentRange(*out.ContentRange)
	}
	if out.ContentLength == nil || *out.ContentLength < 0 {
		return 0, -1, -1, nil
	}
	return 0, *out.ContentLength, *out.ContentLength, nil
}

// parseContentRange parses "bytes 0-9/100", and "bytes 0-9/*", of which the size is -1.
func parseContentRange(s string) (begin, end, size int64, err error) {
	span, ok := strings.CutPrefix(s, "bytes ")
	span, total, _ := strings.Cut(span, "/")
	first, last, ok2 := strings.Cut(span, "-")
	begin, err1 := strconv.ParseInt(first, 10, 64)
	end, err2 := strconv.ParseInt(last, 10, 64)
	if !ok || !ok2 || err1 != nil || err2 != nil || begin < 0 || end < begin || end == 1<<63-1 {
		return 0, 0, 0, fmt.Errorf("%w: content range %q", answer.ErrIncomplete, answer.Clip(s))
	}
	if size, err = strconv.ParseInt(total, 10, 64); err != nil {
		size = -1
	}
	return begin, end + 1, size, nil
}
