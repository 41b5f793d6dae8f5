package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

	"github.com/replctl/replicate/blob"
	"github.com/replctl/replicate/s3/internal/answer"
	"github.com/replctl/replicate/s3/internal/transport"
)

const (
	maxParts = 10000 // S3's

	// abortTimeout bounds the request that removes what a failed upload left.
	abortTimeout = 30 * time.Second

	// completeFactor stretches the stall timeout for putting parts together,
	// which "could take several minutes" (S3, CompleteMultipartUpload).
	completeFactor = 10
)

// part is one part of an upload: its body, and what to do when it is sent.
type part struct {
	body io.ReadSeeker
	size int64
	done func() // or nil
}

func (p part) release() {
	if p.done != nil {
		p.done()
	}
}

// partSize is that of an object of known size: the configured one, unless it
// would take more parts than there may be.
func (s *Store) partSize(size int64) int64 {
	need := (size + maxParts - 1) / maxParts
	const step = 1 << 20
	return max(s.cfg.PartSize, (need+step-1)/step*step)
}

// parts cuts the body into sections, without copying.
func (s source) parts(partSize int64) iter.Seq2[part, error] {
	return func(yield func(part, error) bool) {
		for off := int64(0); off < s.size; off += partSize {
			n := min(partSize, s.size-off)
			if !yield(part{s.section(off, n), n, nil}, nil) {
				return
			}
		}
	}
}

// growAfter is the number of parts of the configured size that a stream of
// unknown length may have. Beyond (24 GiB by default) parts double every
// growEvery, so that 5 TiB fit, and memory stays what it is before.
const (
	growAfter = 5000
	growEvery = 450
)

// streamPartSize is the size of the nth part, from 0.
func (s *Store) streamPartSize(n int) int64 {
	if n < growAfter || s.c.Provider.EqualParts {
		return s.cfg.PartSize
	}
	return min(MaxPartSize, s.cfg.PartSize<<(1+(n-growAfter)/growEvery))
}

// streamParts reads parts into buffers, the first of which is full already.
func (s *Store) streamParts(first *[]byte, bufs *buffers, r io.Reader) iter.Seq2[part, error] {
	return func(yield func(part, error) bool) {
		buf, size := first, len(*first)
		for n := 1; ; n++ {
			full, began, length := buf, time.Now(), int64(size)
			done := func() { bufs.sent(full, length, time.Since(began)) }
			if !yield(part{bytes.NewReader((*full)[:length]), length, done}, nil) {
				return
			}
			buf = bufs.get(s.streamPartSize(n))
			var err error
			size, err = io.ReadFull(r, *buf)
			if err == io.EOF || err != nil && err != io.ErrUnexpectedEOF {
				bufs.put(buf)
				if err != io.EOF {
					yield(part{}, err)
				}
				return
			}
		}
	}
}

// upload writes the object in parts. Size is -1 if unknown.
func (w *write) upload(ctx context.Context, size int64, parts iter.Seq2[part, error]) (blob.Info, error) {
	if w.opts.IfAbsent {
		// The condition is checked at the end. Better to know before.
		if _, err := w.s.Stat(ctx, w.key); err == nil {
			return blob.Info{}, answer.Wrap("write", w.key, fs.ErrExist)
		} else if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
			return blob.Info{}, err
		}
	}
	w.mark()
	id, err := w.create(ctx)
	if err != nil {
		return blob.Info{}, err
	}
	completed, sent, err := w.sendParts(ctx, id, parts)
	if err == nil && size >= 0 && sent != size {
		err = answer.Wrap("write", w.key, fmt.Errorf("sent %d bytes of %d: %w", sent, size, io.ErrUnexpectedEOF))
	}
	var info blob.Info
	if err == nil {
		info, err = w.complete(ctx, id, completed, sent)
	}
	if err != nil {
		w.abort(ctx, id)
		return blob.Info{}, err
	}
	return info, nil
}

func (w *write) create(ctx context.Context) (id string, err error) {
	in := &awss3.CreateMultipartUploadInput{
		Bucket:       &w.s.cfg.Bucket,
		Key:          w.s.path(w.key),
		Metadata:     w.metadata,
		StorageClass: types.StorageClass(w.s.cfg.StorageClass),
	}
	if w.s.c.Checksums() {
		// What the SDK adds to each part has to be announced here, or the parts
		// do not fit together. The SDK leaves that to the caller.
		in.ChecksumAlgorithm = types.ChecksumAlgorithmCrc32
	}
	err = w.s.c.Try(ctx, "write", w.key, func(ctx context.Context, _ *transport.Watchdog) error {
		out, err := w.s.c.API.CreateMultipartUpload(ctx, in)
		if err != nil {
			return err
		}
		if id = aws.ToString(out.UploadId); id == "" {
			return answer.Transient(fmt.Errorf("%w: no upload id", answer.ErrIncomplete))
		}
		return nil
	})
	return id, err
}

// sendParts sends all parts, several at a time, and returns when all of its
// goroutines have.
func (w *write) sendParts(
	parent context.Context, id string, parts iter.Seq2[part, error],
) ([]types.CompletedPart, int64, error) {
	ctx, cancel := context.WithCancel(parent)
	defer cancel()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(w.s.cfg.Concurrency)
	var completed []*types.CompletedPart
	var sent int64
	var broken error // of the source
	for p, err := range parts {
		if broken = err; err == nil && len(completed) == maxParts {
			broken = fmt.Errorf("more than %d parts: use a part size above %d", maxParts, w.s.cfg.PartSize)
		}
		if broken != nil || ctx.Err() != nil {
			cancel()
			p.release()
			break
		}
		number, slot := int32(len(completed)+1), new(types.CompletedPart) //nolint:gosec // at most maxParts
		completed = append(completed, slot)
		sent += p.size
		g.Go(func() (err error) {
			defer p.release()
			*slot, err = w.sendPart(ctx, id, number, p)
			return err
		})
	}
	err := g.Wait()
	switch {
	case parent.Err() != nil:
		err = answer.Wrap("write", w.key, context.Cause(parent))
	case broken != nil: // the rest was cancelled because of it
		err = answer.Wrap("write", w.key, broken)
	}
	done := make([]types.CompletedPart, len(completed))
	for i, part := range completed {
		done[i] = *part
	}
	return done, sent, err
}

func (w *write) sendPart(ctx context.Context, id string, number int32, p part) (c types.CompletedPart, err error) {
	src := &sourceBody{r: p.body}
	in := &awss3.UploadPartInput{
		Bucket:        &w.s.cfg.Bucket,
		Key:           w.s.path(w.key),
		UploadId:      &id,
		PartNumber:    &number,
		Body:          src,
		ContentLength: &p.size,
	}
	err = w.s.c.Try(ctx, "write", w.key, func(ctx context.Context, dog *transport.Watchdog) error {
		src.dog = dog
		if _, err := p.body.Seek(0, io.SeekStart); err != nil {
			return answer.Permanent(err)
		}
		known := w.s.c.NeedsMD5()
		out, err := w.s.c.API.UploadPart(ctx, in, w.s.c.BodyOptions)
		switch {
		case src.err != nil:
			return answer.Permanent(src.err)
		case w.s.c.LearnMD5(known, err):
			return answer.Transient(err)
		case err != nil:
			return err
		case trimETag(out.ETag) == "":
			return answer.Transient(fmt.Errorf("%w: no etag for part %d", answer.ErrIncomplete, number))
		}
		c = types.CompletedPart{
			PartNumber: &number, ETag: out.ETag,
			ChecksumCRC32: out.ChecksumCRC32, ChecksumCRC32C: out.ChecksumCRC32C, ChecksumCRC64NVME: out.ChecksumCRC64NVME,
			ChecksumSHA1: out.ChecksumSHA1, ChecksumSHA256: out.ChecksumSHA256,
		}
		return nil
	})
	return c, err
}

// complete makes the object of its parts: the moment at which it is visible.
func (w *write) complete(
	ctx context.Context, id string, parts []types.CompletedPart, size int64,
) (info blob.Info, err error) {
	in := &awss3.CompleteMultipartUploadInput{
		Bucket:          &w.s.cfg.Bucket,
		Key:             w.s.path(w.key),
		UploadId:        &id,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
		IfNoneMatch:     w.ifNoneMatch(),
	}
	err = w.s.c.TryFor(ctx, "write", w.key, w.s.completeStall, func(ctx context.Context, _ *transport.Watchdog) error {
		if err := w.guarded(); err != nil {
			return err
		}
		out, err := w.s.c.API.CompleteMultipartUpload(ctx, in)
		code, _ := answer.Of(err)
		switch {
		case err == nil && trimETag(out.ETag) != "":
			info = w.info(size, out.ETag, out.ResultMetadata)
			return nil
		case err == nil:
			info, err = w.completedBefore(ctx, size, "the answer lacks an etag")
			return err
		case code == "NoSuchUpload": // done by an attempt before this, or not
			info, err = w.completedBefore(ctx, size, "the upload is gone")
			return err
		}
		info, err = w.refused(ctx, err)
		return err
	})
	return info, unsure(err)
}

// completedBefore finds out what became of an upload, of which an answer does not tell, and why.
func (w *write) completedBefore(ctx context.Context, size int64, why string) (blob.Info, error) {
	info, nonce, err := w.s.head(ctx, w.key)
	_, status := answer.Of(err)
	switch {
	case err == nil && nonce == w.nonce && info.Size == size:
		return info, nil
	case err == nil && w.opts.IfAbsent:
		return blob.Info{}, fs.ErrExist
	case err == nil || status == 404:
		return blob.Info{}, answer.Permanent(
			fmt.Errorf("%w: %s, and the object is not ours", ErrOutcomeUnknown, why))
	}
	return blob.Info{}, err
}

// abort removes the parts of an upload that failed. It has a context of its
// own: the caller's has often ended by now.
func (w *write) abort(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTimeout)
	defer cancel()
	err := w.s.c.Try(ctx, "abort upload of", w.key, func(ctx context.Context, _ *transport.Watchdog) error {
		_, err := w.s.c.API.AbortMultipartUpload(ctx, &awss3.AbortMultipartUploadInput{
			Bucket: &w.s.cfg.Bucket, Key: w.s.path(w.key), UploadId: &id,
		})
		if code, _ := answer.Of(err); code == "NoSuchUpload" {
			return nil
		}
		return err
	})
	if err != nil {
		w.s.c.Log().Warn("parts of a failed upload stay in the bucket until it is aborted", "key", w.key, "upload", id,
			answer.Attr(err))
	}
}
